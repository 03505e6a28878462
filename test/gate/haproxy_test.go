package gate

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/internal/fronttest"
)

// TestHAProxyAsksFromSignInToSignOut, with the configuration of the document.
func TestHAProxyAsksFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := f.before(t, fronttest.HAProxy)
	page := "Host: app.test\r\nConnection: close\r\nAccept: text/html\r\n"

	// A stranger is led to the sign-in; a script is told where it is.
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(strings.ToLower(answer), "location: http://app.test/sso/sign-in?rd=%2fward%3fbed%3d7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	answer = rawAt(t, addr, "GET /api/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	if statusOf(answer) != http.StatusUnauthorized || !strings.Contains(answer, `"sign_in"`) {
		t.Fatalf("a stranger's script: %q", answer)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Fatalf("the application saw a stranger: %q", heads)
	}

	// Sign-in by the pages that HAProxy passes on.
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/ward")
	cookie := "Cookie: mine=1; foregate=" + b.cookie("foregate") + "; theirs=2\r\n"
	answer = rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+cookie+"X-Forwarded-User: root\r\nx-forwarded-groups: admins\r\nX_Forwarded_User: root\r\nX.Forwarded.User: root\r\nX-Forwarded-Roles: admin\r\nX-Foregate-Assertion: x\r\nX-Forwarded-Email: x\r\nX-Forwarded-For: 10.0.0.1\r\nX-Original-URL: /public\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != http.StatusOK || len(heads) != 1 {
		t.Fatalf("signed in: %q", answer)
	}
	if !strings.HasPrefix(heads[0], "GET /ward?bed=7 HTTP/1.1\r\n") {
		t.Errorf("the application was asked for %.60q", heads[0])
	}
	for name, want := range map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": "app.test", "Cookie": "mine=1; theirs=2",
	} {
		if got := values(heads[0], name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"X_Forwarded_User", "X.Forwarded.User", "X-Forwarded-Roles", "X-Forwarded-Email", "X-Original-Url"} {
		if got := values(heads[0], name); len(got) > 0 {
			t.Errorf("%s of the browser arrived: %q", name, got)
		}
	}
	if got := values(heads[0], "X-Foregate-Assertion"); len(got) != 1 || strings.Count(got[0], ".") != 2 {
		t.Errorf("assertion %q", got)
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
	if heads := f.up.take(); len(heads) != 1 || len(values(heads[0], "X-Forwarded-User")) > 0 {
		t.Errorf("an open page arrived as %q", heads)
	}

	// Who may not gets the page with a support code; what has two meanings is refused.
	answer = rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"X-Original-URL: http://app.test/public/x\r\nX-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n\r\n")
	if statusOf(answer) != http.StatusForbidden || !strings.Contains(answer, "support code") {
		t.Errorf("refused: %q", answer)
	}
	for _, target := range []string{"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/../admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/public/%252e%252e/admin/x", "/admin%2fx", "/admin/x#/public", "http://app.test/admin/x", "http://app.test:1/public/x", "*"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) == http.StatusOK {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	for _, head := range f.up.take() {
		t.Errorf("reached the application: %.80q", head)
	}

	// Nobody asks but HAProxy.
	for _, target := range []string{"/sso/verify", "/sso/verify/ward", "/sso/verify?answer=browser", "/sso/%76erify", "/sso//verify"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /ward\r\n\r\n"); statusOf(answer) < 400 || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.200q", target, answer)
		}
	}

	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
}

// TestHAProxyAsksAboutBodiesAndSockets: an upload goes to the application alone, a
// WebSocket opens for whom it may.
func TestHAProxyAsksAboutBodiesAndSockets(t *testing.T) {
	t.Parallel()
	f := asked(t)
	bodiesAndSockets(t, f, f.before(t, fronttest.HAProxy))
}

// TestHAProxyLetsNobodyThroughWithoutForegate: neither when it is not there nor when it says nothing.
func TestHAProxyLetsNobodyThroughWithoutForegate(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := f.before(t, fronttest.HAProxy)
	alice := f.signIn("alice", alicePassword)
	f.stop()
	for _, path := range []string{"/ward", "/public/x"} {
		answer := patiently(t, addr, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: "+alice+"\r\n\r\n")
		if statusOf(answer) != http.StatusServiceUnavailable {
			t.Errorf("%s without Foregate: %.200q", path, answer)
		}
	}
	for name, says := range map[string]string{
		"nothing": "", "closed": "-", "another protocol": "SSH-2.0-x\r\n", "another server": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		l := pretend(t, f.addr, says)
		began := time.Now()
		answer := patiently(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: "+alice+"\r\n\r\n")
		if statusOf(answer) < 500 {
			t.Errorf("%s in place of Foregate: %.200q after %v", name, answer, time.Since(began))
		}
		_ = l.Close()
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
}

// patiently is rawAt for who tries to connect a few times before it answers.
func patiently(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// pretend answers at addr in place of Foregate; "-" closes at once, and "" says nothing.
func pretend(t *testing.T, addr, says string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if says == "" {
				t.Cleanup(func() { _ = conn.Close() })
				continue
			}
			if says != "-" {
				_, _ = conn.Read(make([]byte, 1))
				_, _ = io.WriteString(conn, says)
			}
			_ = conn.Close()
		}
	}()
	return l
}
