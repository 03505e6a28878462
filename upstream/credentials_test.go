package upstream

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func headersOf(c *Credentials) map[string]string {
	h := make(http.Header)
	c.write(h)
	m := make(map[string]string)
	for name := range h {
		m[name] = h[name][0]
	}
	return m
}

func nowhere() *url.URL { return &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }

func TestEveryClaimReachesItsHeader(t *testing.T) {
	sources := map[string]Source{"X-Fixed": {Value: "50% ours"}}
	for _, claim := range []string{
		"user", "email", "name", "groups", "roles", "preferred_username", "subject", "issuer", "method", "acr", "amr",
		"text", "flag", "number", "exact", "list", "object", "missing",
	} {
		sources["H-"+claim] = Source{Claim: claim}
	}
	id := alice()
	id.Groups, id.ACR, id.AMR = []string{"users", "ward 3"}, "phr", []string{"pwd", "otp"}
	id.Claims = map[string]any{
		"text": "t", "flag": true, "number": 12345678.0, "exact": json.Number("9007199254740993"), "list": []any{"a", 2.5, false},
		"object": map[string]any{"a": 1},
	}
	u := open(t, Config{Route: Route{URL: nowhere()}, Headers: Headers{Preset: "none", Map: sources}})
	want := map[string]string{
		"X-Fixed": "50% ours", "H-User": "alice", "H-Email": "alice@hospital.example", "H-Name": "Alice Archer", "H-Groups": "users,ward 3",
		"H-Roles": "nurse", "H-Preferred_username": "aarcher", "H-Subject": "0017", "H-Issuer": "https://idp.example", "H-Method": "entra",
		"H-Acr": "phr", "H-Amr": "pwd,otp", "H-Text": "t", "H-Flag": "true", "H-Number": "12345678", "H-Exact": "9007199254740993",
		"H-List": "a,2.5,false",
	}
	if diff := cmp.Diff(want, headersOf(u.Credentials(id))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNobodyGetsNoCredentials(t *testing.T) {
	u := open(t, Config{Route: Route{URL: nowhere()}, Headers: Headers{Map: map[string]Source{"X-Fixed": {Value: "yes"}}}})
	for _, id := range []*authn.Identity{nil, {}, {User: "alice"}} {
		if got := headersOf(u.Credentials(id)); len(got) > 0 {
			t.Errorf("got %v", got)
		}
	}
}

func TestHD4ValuesThatAHeaderCannotCarryAreEncoded(t *testing.T) {
	for value, want := range map[string]string{
		"plain, with comma": "plain, with comma",
		"a\r\nX-Admin: 1":   "a%0D%0AX-Admin: 1",
		"a\x00b\x7f\x1b":    "a%00b%7F%1B",
		"Jürgen":            "J%C3%BCrgen",
		"\xff":              "%FF",
		" spaces ":          "%20spaces%20",
		"50%":               "50%25",
		"%0D":               "%250D",
	} {
		if got := encode(value, ""); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestHD4OneGroupNeverBecomesTwo(t *testing.T) {
	one, two := encodeList([]string{"admins,users"}), encodeList([]string{"admins", "users"})
	if one != "admins%2Cusers" || two != "admins,users" {
		t.Errorf("got %q and %q", one, two)
	}
	if got := encodeList([]string{"", "a", ""}); got != "a" {
		t.Errorf("got %q", got)
	}
}

func FuzzEncodedValuesAreOneSafeLineAndDecodeToWhatTheyWere(f *testing.F) {
	for _, s := range []string{"", "alice", " a ", "a,b", "%41", "\r\n", "\xff\x00", "Łódź"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := encode(s, ",")
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' || r == ',' }) || got != strings.TrimSpace(got) {
			t.Errorf("%q is not safe", got)
		}
		if back, err := url.PathUnescape(got); err != nil || back != s {
			t.Errorf("%q became %q, %v", s, back, err)
		}
	})
}

func TestTooManyGroupsAreRefusedAndNotCut(t *testing.T) {
	var asked error
	u := open(t, Config{Route: Route{URL: nowhere()}, OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		asked = err
		w.WriteHeader(StatusOf(err))
	}})
	id := alice()
	id.Groups = []string{strings.Repeat("g", maxCredentials)}
	res, _, _ := send(t, front(t, u, tripFor(u, id)), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	var words *authn.Error
	if res.StatusCode != http.StatusForbidden || !errors.As(asked, &words) || !strings.Contains(words.Public, "groups") {
		t.Errorf("got %d, %v", res.StatusCode, asked)
	}
}

func TestTooLongAnAssertionIsRefused(t *testing.T) {
	u := open(t, Config{Route: Route{URL: nowhere()}, Assertion: true, Headers: Headers{Preset: "none"}})
	id := alice()
	id.Groups = []string{strings.Repeat("g", maxCredentials*3/4)}
	res, _, _ := send(t, front(t, u, tripFor(u, id)), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestCredentialsOfAnotherApplicationAreRefused(t *testing.T) {
	a := startApp(t, answerOK())
	u, other := open(t, Config{Route: Route{URL: a.url}}), open(t, Config{Name: "formulary", Route: Route{URL: a.url}})
	res, _, _ := send(t, front(t, u, tripFor(other, alice())), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res.StatusCode != http.StatusInternalServerError || a.conns.Load() != 0 {
		t.Errorf("got %d after %d connections", res.StatusCode, a.conns.Load())
	}
}
