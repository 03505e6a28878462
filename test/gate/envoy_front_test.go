package gate

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/internal/fronttest"
)

// envoys are the two ways in which the document has Envoy ask.
var envoys = map[string]func(*testing.T, fronttest.Site){"gRPC": fronttest.Envoy, "HTTP": fronttest.EnvoyByHTTP}

// askedByGRPC is a Foregate that other proxies ask, also by gRPC at check.
func askedByGRPC(t *testing.T) (f *foregate, check string) {
	t.Helper()
	f, check = asked(t), freeAddress(t)
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "listen: {", fmt.Sprintf("listen: {ext_authz: %q, ", check), 1)
	})
	f.restart()
	return f, check
}

// envoyAsking starts a Foregate and an Envoy before it.
func envoyAsking(t *testing.T, run func(*testing.T, fronttest.Site)) (*foregate, string) {
	t.Helper()
	f, check := askedByGRPC(t)
	addr := freeAddress(t)
	run(t, fronttest.Site{Address: addr, Foregate: f.addr, Check: check, Application: f.up.addr()})
	return f, addr
}

// TestEnvoyAsksFromSignInToSignOut: Envoy itself, with the configurations of the document.
func TestEnvoyAsksFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	for way, run := range envoys {
		t.Run(way, func(t *testing.T) { envoyFromSignInToSignOut(t, way, run) })
	}
}

func envoyFromSignInToSignOut(t *testing.T, way string, run func(*testing.T, fronttest.Site)) {
	f, addr := envoyAsking(t, run)
	page := "Host: app.test\r\nConnection: close\r\nAccept: text/html\r\n"

	// A stranger is led to the sign-in; a script is told where it is.
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "location: http://app.test/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	answer = rawAt(t, addr, "GET /api/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	if statusOf(answer) != http.StatusUnauthorized || !strings.Contains(answer, `"sign_in"`) {
		t.Fatalf("a stranger's script: %q", answer)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Fatalf("the application saw a stranger: %q", heads)
	}

	// Sign-in by the pages that Envoy passes on.
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/ward")
	cookie := "Cookie: mine=1; foregate=" + b.cookie("foregate") + "; theirs=2\r\n"
	answer = rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+cookie+"X-Forwarded-User: root\r\nx-forwarded-groups: admins\r\nX.Forwarded.User: root\r\nX-Forwarded-Roles: admin\r\nX-Foregate-Assertion: x\r\nX-Forwarded-Email: x\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != http.StatusOK || len(heads) != 1 {
		t.Fatalf("signed in: %q", answer)
	}
	if !strings.HasPrefix(heads[0], "GET /ward?bed=7 HTTP/1.1\r\n") {
		t.Errorf("the application was asked for %.60q", heads[0])
	}
	for name, want := range map[string]string{"X-Forwarded-User": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-Roles": "", "X-Forwarded-Email": "", "X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1"} {
		if got := strings.Join(values(heads[0], name), "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := values(heads[0], "X-Foregate-Assertion"); len(got) != 1 || strings.Count(got[0], ".") != 2 {
		t.Errorf("assertion %q", got)
	}
	if way == "gRPC" {
		if got := strings.Join(values(heads[0], "Cookie"), "|"); got != "mine=1; theirs=2" || len(values(heads[0], "X.Forwarded.User")) > 0 {
			t.Errorf("of the browser's headers arrived:\n%s", heads[0])
		}
	}
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"X_Forwarded_User: root\r\n\r\n"); statusOf(answer) != http.StatusBadRequest || len(f.up.take()) > 0 {
		t.Errorf("a name with an underscore: %.100q", answer)
	}
	// HD3: nor can the browser have them taken off between here and there.
	rawAt(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close, X-Forwarded-User, x-forwarded-groups\r\n"+cookie+"\r\n")
	for _, head := range f.up.take() {
		if got := values(head, "X-Forwarded-User"); len(got) != 1 || got[0] != "alice" {
			t.Errorf("with Connection: X-Forwarded-User the application is told %q", got)
		}
	}

	// Open to everybody, and nobody is said to ask.
	rawAt(t, addr, "GET /public/x HTTP/1.1\r\n"+page+"X-Forwarded-User: root\r\n\r\n")
	if heads := f.up.take(); len(heads) != 1 || strings.Join(values(heads[0], "X-Forwarded-User"), "") != "" {
		t.Errorf("an open page arrived as %q", heads)
	}

	// Who may not gets the page with a support code, whatever else they say they ask for.
	for _, lines := range []string{
		"", "X-Original-URL: http://app.test/public/x\r\nX-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n", "X-Envoy-Original-Path: /public/x\r\nX-Envoy-Original-Url: /public/x\r\n",
		"X-Envoy-Internal: true\r\nX-Envoy-External-Address: 10.0.0.1\r\nX-Envoy-Decorator-Operation: x\r\nX-Envoy-Auth-Partial-Body: true\r\n", "X-HTTP-Method-Override: GET\r\nX-Rewrite-Url: /public/x\r\n",
	} {
		answer := rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+lines+"\r\n")
		if statusOf(answer) != http.StatusForbidden || !strings.Contains(answer, "support code") {
			t.Errorf("with %q: %q", lines, answer)
		}
	}
	// What has two meanings is refused, or read in one of them by Envoy, Foregate and the application alike.
	for _, target := range []string{
		"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/../admin/x", "/public/..;/admin/x", "/%61dmin/x", "/%41dmin/x", "/ADMIN/x", "//admin/x", "/public/%252e%252e/admin/x", "/admin%2fx", "/admin%5cx", `/public\..\admin/x`,
		"/admin/x#/public", "http://app.test/admin/x", "http://other.test/admin/x", "*", "/./admin/x", "/public/%2e%2e%2fadmin/x",
	} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) < 400 {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	for _, head := range f.up.take() {
		t.Errorf("reached the application: %.80q", head)
	}

	// Envoy makes this of it for all three.
	rawAt(t, addr, "GET /public//../admin/x HTTP/1.1\r\n"+page+"\r\n")
	if heads := f.up.take(); len(heads) != 1 || !strings.HasPrefix(heads[0], "GET /public/admin/x HTTP/1.1\r\n") {
		t.Errorf("arrived as %.80q", heads)
	}
	if answer := rawAt(t, addr, "GET /public/x HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n"+cookie+"\r\n"); statusOf(answer) != http.StatusNotFound || len(f.up.take()) > 0 {
		t.Errorf("another host: %.100q", answer)
	}

	// Nobody asks but Envoy.
	for _, target := range []string{"/sso/verify", "/sso/verify/ward", "/sso/verify?answer=browser", "/sso/%76erify", "/sso//verify", "/sso/./verify/ward", "/x/../sso/verify/ward"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /ward\r\nX-Forwarded-Host: app.test\r\n\r\n"); statusOf(answer) < 400 || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.200q", target, answer)
		}
	}

	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
}

// TestEnvoyBelievesNoHeaderOfABrowser: of where it comes from, of how Envoy is to treat it,
// or that an application could take for the address or the method.
func TestEnvoyBelievesNoHeaderOfABrowser(t *testing.T) {
	t.Parallel()
	for way, run := range envoys {
		t.Run(way, func(t *testing.T) {
			f, addr := envoyAsking(t, run)
			f.edit(func(yaml string) string {
				return strings.Replace(yaml, "{allow: signed_in}", "{path: /near/**, networks: [10.0.0.0/8], allow: anyone}\n      - {path: /far/**, networks: [127.0.0.7/32], allow: anyone}\n      - {allow: signed_in}", 1)
			})
			f.restart()
			ask := func(path, lines string) string {
				t.Helper()
				conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}}).Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n"+lines+"\r\n")
				return readQuiet(conn)
			}
			until(t, "Envoy finds Foregate again", func() bool { return statusOf(ask("/far/x", "")) == http.StatusOK })
			f.up.take()
			claims := "X-Forwarded-For: 10.0.0.1\r\nX-Real-Ip: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Envoy-External-Address: 10.0.0.1\r\nX-Envoy-Internal: true\r\n"
			for path, want := range map[string]int{"/near/x": http.StatusUnauthorized, "/far/x": http.StatusOK} {
				if answer := ask(path, claims); statusOf(answer) != want {
					t.Errorf("%s: %.100q", path, answer)
				}
			}
			f.up.take()
			ask("/public/x", claims+"X-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Uri: /evil\r\nX-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\nX-HTTP-Method-Override: DELETE\r\n"+
				"X-Envoy-Upstream-Rq-Timeout-Ms: 1\r\nX-Envoy-Retry-On: 5xx\r\nX-Envoy-Max-Retries: 9\r\nX-Envoy-Upstream-Alt-Stat-Name: x\r\nX-Envoy-Hedge-On-Per-Try-Timeout: true\r\n")
			heads := f.up.take()
			if len(heads) != 1 {
				t.Fatalf("%q", heads)
			}
			for _, claim := range []string{"10.0.0.1", "evil", "DELETE", "x-envoy-upstream-rq", "x-envoy-retry", "x-envoy-max", "x-envoy-hedge", "x-envoy-internal", "x-envoy-expected", "alt-stat"} {
				if strings.Contains(strings.ToLower(heads[0]), strings.ToLower(claim)) {
					t.Errorf("%s arrived:\n%s", claim, heads[0])
				}
			}
			if got := values(heads[0], "X-Forwarded-For"); len(got) != 1 || got[0] != "127.0.0.7" {
				t.Errorf("X-Forwarded-For: %q", got)
			}
		})
	}
}

// TestEnvoyAsksAboutBodiesAndSockets: an upload goes to the application alone, a WebSocket
// opens for whom it may.
func TestEnvoyAsksAboutBodiesAndSockets(t *testing.T) {
	t.Parallel()
	for way, run := range envoys {
		t.Run(way, func(t *testing.T) {
			f, addr := envoyAsking(t, run)
			bodiesAndSockets(t, f, addr)
		})
	}
}

// TestEnvoyLetsNobodyThroughWithoutForegate: neither when it is not there nor when something
// else answers.
func TestEnvoyLetsNobodyThroughWithoutForegate(t *testing.T) {
	t.Parallel()
	for way, run := range envoys {
		t.Run(way, func(t *testing.T) {
			f, addr := envoyAsking(t, run)
			alice := f.signIn("alice", alicePassword)
			f.stop()
			for _, path := range []string{"/ward", "/public/x"} {
				answer := patiently(t, addr, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: "+alice+"\r\n\r\n")
				if statusOf(answer) != http.StatusServiceUnavailable || !strings.Contains(answer, "Please try again") || !strings.Contains(answer, "retry-after: 5\r\n") {
					t.Errorf("%s without Foregate: %.300q", path, answer)
				}
			}
			if way == "HTTP" {
				for name, says := range map[string]string{"nothing": "", "closed": "-", "another protocol": "SSH-2.0-x\r\n"} {
					l := pretend(t, f.addr, says)
					answer := patiently(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: "+alice+"\r\n\r\n")
					if statusOf(answer) != http.StatusServiceUnavailable {
						t.Errorf("%s in place of Foregate: %.200q", name, answer)
					}
					_ = l.Close()
				}
			}
			if heads := f.up.take(); len(heads) > 0 {
				t.Errorf("reached the application: %q", heads)
			}
			f.run()
			until(t, "Envoy finds Foregate again", func() bool {
				return statusOf(rawAt(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: "+alice+"\r\n\r\n")) == http.StatusOK
			})
		})
	}
}
