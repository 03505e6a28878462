package gate

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/internal/fronttest"
)

// TestApacheInFront carries requests to Foregate, with the configuration of the document.
func TestApacheInFront(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "trusted_proxies: [127.0.0.1]"})
	addr := f.before(t, fronttest.Apache)
	page := "Host: app.test\r\nConnection: close\r\nAccept: text/html\r\n"
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/ward")
	f.up.take()
	cookie := "Cookie: mine=1; foregate=" + b.cookie("foregate") + "\r\n"
	answer = rawAt(t, addr, "GET /ward%2d1?x=%2F HTTP/1.1\r\n"+page+cookie+"X-Forwarded-User: root\r\nX_Forwarded_User: root\r\nX-Forwarded-Roles: admin\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != http.StatusOK || len(heads) != 1 {
		t.Fatalf("signed in: %q", answer)
	}
	if !strings.HasPrefix(heads[0], "GET /ward%2d1?x=%2F ") || strings.Contains(heads[0], "root") || strings.Contains(heads[0], "evil") {
		t.Errorf("arrived:\n%s", heads[0])
	}
	for name, want := range map[string]string{"X-Forwarded-User": "alice", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "app.test", "Host": "app.test", "Cookie": "mine=1"} {
		if got := values(heads[0], name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if answer := rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusForbidden || !strings.Contains(answer, "support code") {
		t.Errorf("refused: %q", answer)
	}
	for _, target := range []string{"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/../admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/public/%252e%252e/admin/x", "/admin%2fx"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) == http.StatusOK {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
	body := strings.Repeat("x", 1<<20)
	rawAt(t, addr, "POST /upload HTTP/1.1\r\n"+page+cookie+"Content-Type: application/octet-stream\r\nContent-Length: 1048576\r\n\r\n"+body)
	if reqs := f.up.takeRequests(); len(reqs) != 1 || reqs[0].body != body {
		t.Errorf("an upload: %d requests", len(reqs))
	}
	f.up.answerWith(echo)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: app.test\r\n"+cookie+handshake+"Origin: http://app.test\r\n\r\n")
	if answer := readQuiet(conn); statusOf(answer) != http.StatusSwitchingProtocols || !echoes(conn) {
		t.Errorf("a socket: %.200q", answer)
	}
	f.up.answerWith(nil)
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
}
