package gate

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"foregate/internal/fronttest"
)

// asked is a Foregate that another proxy asks, with the application behind that one.
func asked(t *testing.T) *foregate {
	t.Helper()
	f := start(t, options{top: "trusted_proxies: [127.0.0.1]"})
	f.edit(func(yaml string) string {
		return regexp.MustCompile(`    upstream: \{url: "[^"]*", response_timeout: 5s\}`).ReplaceAllString(yaml, "    forward_auth: {}")
	})
	f.restart()
	return f
}

// rawAt sends bytes to somebody else than Foregate.
func rawAt(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = conn.Write([]byte(request)) }()
	return readQuiet(conn)
}

// TestNginxAsksFromSignInToSignOut, with the configuration of the document.
func TestNginxAsksFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := f.before(t, fronttest.Nginx)
	page := "Host: app.test\r\nConnection: close\r\nAccept: text/html\r\n"

	// A stranger is led to the sign-in; a script is told where it is.
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "Location: http://app.test/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	answer = rawAt(t, addr, "GET /api/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	if statusOf(answer) != http.StatusUnauthorized || !strings.Contains(answer, `"sign_in"`) {
		t.Fatalf("a stranger's script: %q", answer)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Fatalf("the application saw a stranger: %q", heads)
	}

	// Sign-in by the pages that nginx passes on.
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/ward")
	cookie := "Cookie: foregate=" + b.cookie("foregate") + "\r\n"
	answer = rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"X-Forwarded-User: root\r\nx-forwarded-groups: admins\r\nX_Forwarded_User: root\r\nX-Forwarded-Roles: admin\r\nX-Foregate-Assertion: x\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != http.StatusOK || len(heads) != 1 {
		t.Fatalf("signed in: %q", answer)
	}
	for name, want := range map[string]string{"X-Forwarded-User": "alice", "X-Forwarded-Groups": "users"} {
		if got := values(heads[0], name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(values(heads[0], "X_Forwarded_User")) > 0 || len(values(heads[0], "X-Forwarded-Roles")) > 0 {
		t.Errorf("a header of the browser arrived:\n%s", heads[0])
	}
	if got := values(heads[0], "X-Foregate-Assertion"); len(got) != 1 || strings.Count(got[0], ".") != 2 {
		t.Errorf("assertion %q", got)
	}

	// Open to everybody, and nobody is said to ask.
	rawAt(t, addr, "GET /public/x HTTP/1.1\r\n"+page+"X-Forwarded-User: root\r\n\r\n")
	if heads := f.up.take(); len(heads) != 1 || len(values(heads[0], "X-Forwarded-User")) > 0 {
		t.Errorf("an open page arrived as %q", heads)
	}

	// Who may not gets the page with a support code; what has two meanings is refused.
	answer = rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"\r\n")
	if statusOf(answer) != http.StatusForbidden || !strings.Contains(answer, "support code") {
		t.Errorf("refused: %q", answer)
	}
	for _, target := range []string{"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/public/%252e%252e/admin/x", "/admin%2fx"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) == http.StatusOK {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	for _, head := range f.up.take() {
		t.Errorf("reached the application: %.80q", head)
	}

	// Nobody asks but nginx, and it believes no header of a browser.
	for _, target := range []string{"/sso/verify", "/sso/verify/ward", "/sso/verify?answer=browser"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"X-Forwarded-Uri: /ward\r\n\r\n"); statusOf(answer) != http.StatusNotFound || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.200q", target, answer)
		}
	}
	if answer := rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"X-Original-URL: http://app.test/public/x\r\nX-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n\r\n"); statusOf(answer) != http.StatusForbidden {
		t.Errorf("with another address in headers: %.100q", answer)
	}

	// A form arrives whole; without a session it is not repeated.
	answer = rawAt(t, addr, "POST /ward HTTP/1.1\r\n"+page+cookie+"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\nbed=8")
	if heads := f.up.take(); statusOf(answer) != http.StatusOK || len(heads) != 1 || !strings.HasPrefix(heads[0], "POST /ward ") {
		t.Errorf("a form: %.100q, %q", answer, heads)
	}

	// A failure of the application is its own.
	f.up.answerBytes("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nfault")
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusInternalServerError || !strings.HasSuffix(answer, "fault") {
		t.Errorf("the application's own 500: %.200q", answer)
	}
	f.up.answerWith(nil)
	f.up.take()

	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
	f.stop()
	for _, path := range []string{"/ward", "/public/x"} {
		if answer := rawAt(t, addr, "GET "+path+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusServiceUnavailable || !strings.Contains(answer, "Please try again") || !strings.Contains(answer, "Retry-After: 5\r\n") {
			t.Errorf("%s without Foregate: %.300q", path, answer)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
}
