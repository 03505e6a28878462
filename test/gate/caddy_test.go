package gate

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/internal/fronttest"
)

// TestCaddyAsksFromSignInToSignOut, with the configuration of the document.
func TestCaddyAsksFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := f.before(t, fronttest.Caddy)
	_, port, _ := net.SplitHostPort(addr)
	host := "app.test:" + port
	page := "Host: " + host + "\r\nConnection: close\r\nAccept: text/html\r\n"
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "Location: http://app.test") || !strings.Contains(answer, "/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	answer = rawAt(t, addr, "GET /api/x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	if statusOf(answer) != http.StatusUnauthorized || !strings.Contains(answer, `"sign_in"`) {
		t.Fatalf("a stranger's script: %q", answer)
	}
	b := browserAt(f, "http://"+host, addr)
	b.signIn("alice", alicePassword, "/ward")
	cookie := "Cookie: foregate=" + b.cookie("foregate") + "\r\n"
	f.up.take()
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
	if len(values(heads[0], "X_Forwarded_User")) > 0 || strings.Join(values(heads[0], "X-Forwarded-Roles"), "") != "" {
		t.Errorf("a header of the browser arrived:\n%s", heads[0])
	}
	rawAt(t, addr, "GET /public/x HTTP/1.1\r\n"+page+"X-Forwarded-User: root\r\n\r\n")
	if heads := f.up.take(); len(heads) != 1 || strings.Join(values(heads[0], "X-Forwarded-User"), "") != "" {
		t.Errorf("an open page arrived as %q", heads)
	}
	answer = rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"X-Forwarded-Uri: /public/x\r\nX-Original-URL: http://app.test/public/x\r\n\r\n")
	if got := statusOf(answer); got != http.StatusForbidden && got != http.StatusBadRequest {
		t.Errorf("refused: %q", answer)
	}
	for _, target := range []string{"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/public/%252e%252e/admin/x", "/admin%2fx", "/public/../admin/x"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) == http.StatusOK {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
	for _, target := range []string{"/sso/verify", "/sso/verify/ward", "/sso/verify?answer=browser"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusNotFound || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.200q", target, answer)
		}
	}
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
}
