package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippet is the code of one language in a document.
func snippet(t *testing.T, doc, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/integrations", doc))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %s", doc, language)
	}
	return string(m[1])
}

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

// nginx runs what the document says, with the addresses of this machine.
func nginx(t *testing.T, f *foregate) (addr string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	addr = freeAddress(t)
	server := strings.NewReplacer("127.0.0.1:8080", f.addr, "127.0.0.1:9000", f.up.addr(), "listen 443 ssl", "listen "+addr, "  ssl_certificate     /etc/nginx/careplan.crt;\n", "", "  ssl_certificate_key /etc/nginx/careplan.key;\n", "", "careplan.hospital.example", "app.test").Replace(snippet(t, "nginx.md", "nginx"))
	dir := t.TempDir()
	conf := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", dir, server)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // its worker is somebody else
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runFront(t, addr, dir, exec.Command(path, "-c", file))
	return addr
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
	f := asked(t)
	addr := nginx(t, f)
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

	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
}
