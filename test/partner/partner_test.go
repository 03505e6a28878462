// Package partner runs the pages of examples/handoff on their own servers. Foregate
// opens the tokens that they make, and a browser walks through them: from the link
// on an intranet page to the application, and after idle time silently back.
package partner

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const app = "https://formulary.example"

var (
	legacyKeys = keys{key: "a1b2c3d4e5f60718293a4b5c6d7e8f90", mac: "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f", app: app}
	modernKeys = keys{key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", partner: "st-elsewhere", audience: "formulary.example", app: app}
)

// settings are a page's environment.
func (k keys) settings(form, userFrom, nameFrom string) []string {
	if form == "jwt" {
		form = "modern"
	}
	return []string{
		"HANDOFF_FORM=" + form, "HANDOFF_KEY=" + k.key, "HANDOFF_MAC_KEY=" + k.mac,
		"HANDOFF_PARTNER=" + k.partner, "HANDOFF_AUDIENCE=" + k.audience,
		"HANDOFF_APP=" + k.app, "HANDOFF_USER_FROM=" + userFrom, "HANDOFF_NAME_FROM=" + nameFrom,
	}
}

// answer is what a page answered.
type answer struct {
	status   int
	header   http.Header
	location string
	body     string
}

// visit asks a page and follows nothing. User and name are headers; "" sends none.
func visit(t *testing.T, method, at, user, name string) answer {
	t.Helper()
	r, err := http.NewRequest(method, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.Header.Set("X-Intranet-User", user)
		r.SetBasicAuth("Alice", "pw-a")
	}
	if name != "" {
		r.Header.Set("X-Intranet-Name", name)
	}
	client := http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return answer{resp.StatusCode, resp.Header, resp.Header.Get("Location"), string(body)}
}

// TestPages has each page in both forms: what it sends and what it refuses, and the
// walk of a browser.
func TestPages(t *testing.T) {
	each(t, func(t *testing.T, p page, start func(t *testing.T, settings []string) string) {
		w := newWorld(t)
		for form, k := range map[string]keys{"legacy": legacyKeys, p.modern: modernKeys} {
			k := k.at(w.host(form))
			at := start(t, k.settings(form, "header:X-Intranet-User", "header:X-Intranet-Name"))
			if at == "" {
				t.Fatalf("%s: does not start", form)
			}
			w.has(form, at, k)
			t.Run(form, func(t *testing.T) {
				freshAndUnique(t, at, k, form)
				people(t, at, k, form)
				strangers(t, at)
				returns(t, at, k, form)
			})
		}
		t.Run("walk", w.walk)
	})
}

// freshAndUnique checks everything that a token says, twice.
func freshAndUnique(t *testing.T, at string, k keys, form string) {
	t.Helper()
	seen := make(map[string]bool)
	for range 2 {
		before := time.Now().Truncate(time.Second)
		got := visit(t, http.MethodGet, at+"?return_to="+url.QueryEscape(k.app+"/doc?id=7"), "alice", "Alice Archer")
		to, said := sent(t, got, k, form)
		if to != k.app+"/doc?id=7&" {
			t.Errorf("sent to %q", to)
		}
		if said.Made.Before(before) || said.Made.After(time.Now()) {
			t.Errorf("made at %s, asked at %s", said.Made, before)
		}
		if said.User != "alice" || said.Name != "Alice Archer" {
			t.Errorf("says %+v", said)
		}
		if form == "jwt" && said.Expires.Sub(said.Made) != 2*time.Minute {
			t.Errorf("holds until %s", said.Expires)
		}
		// The nonce is the random jti, or the IV where there is none.
		if len(said.Nonce) < 16 || seen[said.Nonce] {
			t.Errorf("has the nonce %q", said.Nonce)
		}
		_, q := parameters(t, got)
		if begins := q.Get("token")[:10]; form != "jwt" && seen[begins] {
			t.Errorf("begins with the same %q", begins)
		} else {
			seen[begins], seen[said.Nonce] = true, true
		}
		quiet(t, got)
	}
}

// quiet checks that nobody keeps the answer, or is told the address.
func quiet(t *testing.T, got answer) {
	t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if values := got.header.Values(name); len(values) != 1 || !strings.Contains(values[0], want) {
			t.Errorf("%d: %s is %q, want %s", got.status, name, values, want)
		}
	}
}

func people(t *testing.T, at string, k keys, form string) {
	t.Helper()
	for _, tt := range []struct{ user, name, wantUser, wantName string }{
		{`HOSPITAL\Alice`, "", "alice", ""},
		{"Bob@st-elsewhere.example", `Bob "B" \ O'Neil & Söhne`, "bob@st-elsewhere.example", `Bob "B" \ O'Neil & Söhne`},
		{"zoë", "Zoë Ångström", "zoë", "Zoë Ångström"},
		{"site:reading-room", "a|b", "site:reading-room", ""},
		{"0123", strings.Repeat("x", 65), "0123", ""},
		{strings.Repeat("u", 128), "", strings.Repeat("u", 128), ""},
		{"null", "true", "null", "true"},
	} {
		_, got := sent(t, visit(t, http.MethodGet, at, tt.user, tt.name), k, form)
		if got.User != tt.wantUser || got.Name != tt.wantName {
			t.Errorf("%q, %q became %q, %q", tt.user, tt.name, got.User, got.Name)
		}
	}
}

// strangers get a page that says what to do, and no token.
func strangers(t *testing.T, at string) {
	t.Helper()
	for _, user := range []string{"", "alice archer", "a|b", "HOSPITAL\\", "zo\xeb", strings.Repeat("u", 129), "a\u00a0b", "a\u202eb"} {
		got := visit(t, http.MethodGet, at, user, "")
		if got.status != http.StatusForbidden || got.location != "" || !strings.Contains(got.body, "service desk") {
			t.Errorf("user %q: %d %q %.200s", user, got.status, got.location, got.body)
		}
		quiet(t, got)
	}
	got := visit(t, http.MethodPost, at, "alice", "")
	if got.status != http.StatusMethodNotAllowed || got.location != "" {
		t.Errorf("POST: %d %q", got.status, got.location)
	}
}

// returns checks that a token goes to the application and nowhere else.
func returns(t *testing.T, at string, k keys, form string) {
	t.Helper()
	app := k.app
	home := app + "/?"
	for wanted, want := range map[string]string{
		app + "/":                              home,
		app + "/doc":                           app + "/doc?",
		app + "/doc?":                          app + "/doc?&",
		app + "/d%C3%A9/x%2Fy?q=a%20b+c&q=%26": app + "/d%C3%A9/x%2Fy?q=a%20b+c&q=%26&",
		app + "/doc?q=<b>":                     app + "/doc?q=<b>&",
		app + "/doc#part?x":                    app + "/doc?",

		"":                              home,
		app:                             home,
		"/doc":                          home,
		"//evil.example/":               home,
		"https://evil.example/":         home,
		app + ".evil.example/":          home,
		app + "@evil.example/":          home,
		app + ":8443/":                  home,
		"http://" + k.host() + "/":      home,
		strings.ToUpper(app) + "/":      home,
		" " + app + "/":                 home,
		"javascript:alert(1)":           home,
		app + "/\r\nSet-Cookie: evil=1": home,
		app + "/doc\x00":                home,
		app + "/dé":                     home,
		app + "/doc\n":                  home,
	} {
		got := visit(t, http.MethodGet, at+"?return_to="+url.QueryEscape(wanted), "alice", "")
		to, _ := sent(t, got, k, form)
		if to != want {
			t.Errorf("return_to %q: sent to %q, want %q", wanted, to, want)
		}
		if strings.Contains(fmt.Sprint(got.header), "evil") {
			t.Errorf("return_to %q: header %v", wanted, got.header)
		}
	}
	if to, _ := sent(t, visit(t, http.MethodGet, at, "alice", ""), k, form); to != home {
		t.Errorf("without return_to: sent to %q", to)
	}
}
