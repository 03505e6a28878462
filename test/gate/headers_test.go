package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forged is in every value that a client sends and nobody may believe.
const forged = "FORGED"

// identityHeaders are all headers that say to some application who is asking.
func identityHeaders() []string {
	names := []string{"X-Foregate-Assertion", "X-Staff-Name"}
	for _, part := range []string{"User", "Email", "Preferred-Username", "Groups", "Name", "Roles"} {
		names = append(names, "X-Forwarded-"+part, "Remote-"+part, "X-Auth-Request-"+part)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "Remote-Preferred-Username" || n == "Remote-Roles" })
}

// strippedHeaders are those, and what a client has no business to say either (B8).
func strippedHeaders() []string {
	return append(identityHeaders(), "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host")
}

// withStaffName gives the application all that identityHeaders may come from.
const withStaffName = "{preset: forwarded, assertion: true, map: {X-Staff-Name: {claim: name}}}"

// seenAs is the name that a careless application gives a header: CGI, WSGI, PHP
// and Rack fold what is no letter and no digit.
func seenAs(name string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(name)), "-")
}

// forgeries are the header lines, and trailer lines, of a recorded request that
// an application could take for one of ours and that hold what the client sent.
func forgeries(req request) []string {
	var out []string
	for _, line := range strings.Split(req.head+req.trailer, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		ours := slices.ContainsFunc(strippedHeaders(), func(h string) bool { return seenAs(h) == seenAs(name) })
		if ok && ours && strings.Contains(value, forged) {
			out = append(out, line)
		}
	}
	return out
}

// spellings turn a header name into the line that a client sends (B2).
func spellings() map[string]func(name string) string {
	replaced := func(with string) func(string) string {
		return func(n string) string { return strings.ReplaceAll(n, "-", with) + ": " + forged }
	}
	return map[string]func(string) string{
		"plain":         func(n string) string { return n + ": " + forged },
		"lower case":    func(n string) string { return strings.ToLower(n) + ": " + forged },
		"upper case":    func(n string) string { return strings.ToUpper(n) + ": " + forged },
		"underscores":   replaced("_"),
		"dots":          replaced("."),
		"tildes":        replaced("~"),
		"mixed":         func(n string) string { return strings.Replace(n, "-", "_", 1) + ": " + forged },
		"bang behind":   func(n string) string { return n + "!: " + forged },
		"dash behind":   func(n string) string { return n + "-: " + forged },
		"dash before":   func(n string) string { return "-" + n + ": " + forged },
		"twice":         func(n string) string { return n + ": " + forged + "\r\n" + n + ": " + forged },
		"in a list":     func(n string) string { return n + ": , " + forged + ", alice" },
		"empty first":   func(n string) string { return n + ":\r\n" + n + ": " + forged },
		"folded":        func(n string) string { return n + ":\r\n " + forged },
		"behind a fold": func(n string) string { return "X-Innocent: a\r\n " + n + ": " + forged },
		"no space":      func(n string) string { return n + ":" + forged },
		"tab":           func(n string) string { return n + ":\t" + forged + "\t" },
		"space behind":  func(n string) string { return n + " : " + forged },
		"tab behind":    func(n string) string { return n + "\t: " + forged },
	}
}

// TestHD1HD2B2B8NoSpellingOfAnIdentityHeaderArrives, from alice and from a
// stranger. Alice has no e-mail address: a client's own must not stand in (HD2).
func TestHD1HD2B2B8NoSpellingOfAnIdentityHeaderArrives(t *testing.T) {
	t.Parallel()
	f := start(t, options{headers: withStaffName})
	alice := f.alice()
	f.up.takeRequests()
	refusable := []string{"space behind", "tab behind"} // no header lines at all (RFC 9112, section 5.1)
	for spelling, line := range spellings() {
		var lines []string
		for _, name := range strippedHeaders() {
			lines = append(lines, line(name))
		}
		f.get("/x", alice, lines...)
		asAlice := f.up.takeRequests()
		f.get("/public/x", "", lines...)
		asNobody := f.up.takeRequests()
		if slices.Contains(refusable, spelling) {
			if len(asAlice)+len(asNobody) > 0 {
				t.Errorf("%s: passed on", spelling)
			}
			continue
		}
		if len(asAlice) != 1 || len(asNobody) != 1 {
			t.Errorf("%s: %d and %d requests arrived, want one each", spelling, len(asAlice), len(asNobody))
			continue
		}
		for _, req := range []request{asAlice[0], asNobody[0]} {
			if found := forgeries(req); len(found) > 0 {
				t.Errorf("%s: the application saw %q", spelling, found)
			}
		}
		wantIdentity(t, spelling+" as alice", asAlice[0], map[string]string{
			"X-Forwarded-User": "alice", "X-Forwarded-Preferred-Username": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-Name": "Alice", "X-Staff-Name": "Alice",
		})
		wantIdentity(t, spelling+" as a stranger", asNobody[0], map[string]string{})
	}
}

// wantIdentity compares all identity headers but the assertion, which differs
// each time and must be there exactly when there is an identity.
func wantIdentity(t *testing.T, what string, req request, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	for _, name := range identityHeaders() {
		if v := values(req.head, name); len(v) > 0 {
			got[name] = strings.Join(v, " | ")
		}
	}
	if _, signed := got["X-Foregate-Assertion"]; signed != (len(want) > 0) {
		t.Errorf("%s: an assertion is there: %v", what, signed)
	}
	delete(got, "X-Foregate-Assertion")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: identity headers (-want +got):\n%s", what, diff)
	}
}

func TestHD1NoIdentityInATrailer(t *testing.T) {
	t.Parallel()
	f := start(t, options{headers: withStaffName})
	alice := f.alice()
	f.up.takeRequests()
	for target, cookie := range map[string]string{"/x": alice, "/public/x": ""} {
		for spelling, line := range spellings() {
			var announced, trailer []string
			for _, name := range strippedHeaders() {
				announced = append(announced, strings.TrimSpace(strings.SplitN(line(name), ":", 2)[0]))
				trailer = append(trailer, line(name))
			}
			f.raw("POST " + target + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: " + cookie + "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, " +
				strings.Join(announced, ", ") + "\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n" + strings.Join(trailer, "\r\n") + "\r\n\r\n")
			innocent := false
			for _, req := range f.up.takeRequests() {
				if found := forgeries(req); len(found) > 0 {
					t.Errorf("%s, %s: the application saw %q", target, spelling, found)
				}
				// Among them may be one from before, whose trailer was refused.
				innocent = innocent || req.body == "abc" && strings.Contains(req.trailer, "X-Sum: 1")
			}
			if spelling == "plain" && !innocent {
				t.Errorf("%s: an innocent trailer is lost", target)
			}
		}
	}
}

// TestHD3B1ConnectionHeaderRemovesNoIdentity: what a client lists as hop-by-hop
// is removed before our headers are set, not after.
func TestHD3B1ConnectionHeaderRemovesNoIdentity(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.takeRequests()
	listed := "X-Forwarded-User, x-forwarded-groups, X-Forwarded-Name, X_Forwarded_User, Cookie, Authorization, X-Real-Ip, X-Forwarded-For, x-forwarded-host, X-Forwarded-Proto, x-foregate-assertion"
	for _, line := range []string{
		"Connection: close, " + listed,
		"Connection: " + strings.ToLower(listed),
		"Connection: close\r\nConnection: " + listed,
		"Keep-Alive: " + listed,
		"Proxy-Connection: " + listed,
		"TE: trailers, " + listed,
	} {
		f.get("/x", alice, line)
		got := f.up.takeRequests()
		if len(got) != 1 {
			t.Errorf("%q: %d requests arrived", line, len(got))
			continue
		}
		wantIdentity(t, line, got[0], map[string]string{
			"X-Forwarded-User": "alice", "X-Forwarded-Preferred-Username": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-Name": "Alice",
		})
		if diff := cmp.Diff(origin{"127.0.0.1", "127.0.0.1", "app.test", "http"}, originOf(got[0])); diff != "" {
			t.Errorf("%q: where it came from (-want +got):\n%s", line, diff)
		}
	}
}

// origin is what an application is told about where a request came from.
type origin struct{ ForwardedFor, RealIP, Host, Proto string }

func originOf(req request) origin {
	one := func(name string) string { return strings.Join(values(req.head, name), " | ") }
	return origin{one("X-Forwarded-For"), one("X-Real-IP"), one("X-Forwarded-Host"), one("X-Forwarded-Proto")}
}

// TestHD4ValuesStayOneHeaderLineAndOnePerson: a provider's or an operator's odd
// names are encoded, so that they decode to what they were.
func TestHD4ValuesStayOneHeaderLineAndOnePerson(t *testing.T) {
	t.Parallel()
	hash, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	const name = " Zoë\r\nX-Forwarded-Groups: admins\x00, 100%20 "
	f := start(t, options{users: fmt.Sprintf(`        - {user: carol, name: " Zo\u00eb\r\nX-Forwarded-Groups: admins\0, 100%%20 ", groups: ["users,admins", "a%%2Cb"], password_hash: %q}`, hash["alice"])})
	carol := f.signIn("carol", alicePassword)
	f.up.takeRequests()
	f.get("/x", carol)
	got := f.up.takeRequests()
	if len(got) != 1 {
		t.Fatalf("%d requests arrived", len(got))
	}
	sent := values(got[0].head, "X-Forwarded-Name")
	if len(sent) != 1 {
		t.Fatalf("names sent: %q", sent)
	}
	if decoded, err := url.PathUnescape(sent[0]); err != nil || decoded != name {
		t.Errorf("the name arrived as %q, which is %q", sent[0], decoded)
	}
	if diff := cmp.Diff([]string{"users%2Cadmins,a%252Cb"}, values(got[0].head, "X-Forwarded-Groups")); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if status := statusOf(f.get("/admin", carol)); status != http.StatusForbidden {
		t.Errorf("one group with a comma in its name counted as two: %d", status)
	}
}

// TestHD8WhereARequestCameFromIsForegatesView, whatever the client says.
func TestHD8WhereARequestCameFromIsForegatesView(t *testing.T) {
	t.Parallel()
	f := start(t, options{apps: `
  - name: inner
    hosts: [other.test]
    upstream: {url: "http://APPLICATION", host: inner.test}
    methods: [local]
    rules: [{allow: anyone}]`})
	for host, sent := range map[string]string{"app.test": "app.test", "other.test": "inner.test"} {
		f.raw("GET /public/x HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2, 127.0.0.1\r\n" +
			"X-Real-IP: 10.0.0.1\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\nForwarded: for=10.0.0.1\r\n\r\n")
		got := f.up.takeRequests()
		if len(got) != 1 {
			t.Fatalf("%s: %d requests arrived", host, len(got))
		}
		if diff := cmp.Diff(origin{"127.0.0.1", "127.0.0.1", host, "http"}, originOf(got[0])); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", host, diff)
		}
		if diff := cmp.Diff([]string{sent}, values(got[0].head, "Host")); diff != "" {
			t.Errorf("%s: Host (-want +got):\n%s", host, diff)
		}
		if forwarded := values(got[0].head, "Forwarded"); len(forwarded) > 0 {
			t.Errorf("%s: Forwarded: %q", host, forwarded)
		}
	}
}

// TestHD1HD3OverHTTP2: names are lower-case there, and a Connection header is an
// error (RFC 9113, section 8.2.2).
func TestHD1HD3OverHTTP2(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, headers: withStaffName})
	b := newSecureBrowser(f)
	b.signIn("alice", alicePassword, "/")
	f.up.takeRequests()
	forgedHeaders := make(http.Header)
	for _, name := range strippedHeaders() {
		forgedHeaders[name] = []string{forged}
		forgedHeaders[strings.ReplaceAll(name, "-", "_")] = []string{forged}
	}
	if resp := b.do("GET", "/x", nil, forgedHeaders); resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Proto, resp.Status)
	}
	got := f.up.takeRequests()
	if len(got) != 1 {
		t.Fatalf("%d requests arrived", len(got))
	}
	if found := forgeries(got[0]); len(found) > 0 {
		t.Errorf("the application saw %q", found)
	}
	wantIdentity(t, "over HTTP/2", got[0], map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Preferred-Username": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-Name": "Alice", "X-Staff-Name": "Alice",
	})
	if status := http2Status(t, f.https, "connection", "x-forwarded-user"); status != "400" {
		t.Errorf("a Connection header over HTTP/2: status %q, want 400", status)
	}
	if got := f.up.take(); len(got) > 0 {
		t.Errorf("a Connection header over HTTP/2 reached the application: %q", got)
	}
}
