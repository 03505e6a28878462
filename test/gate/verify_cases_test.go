package gate

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// ways are how proxies ask about a request.
var ways = map[string]func(method, host, target string) (path string, lines []string){
	"forwarded": func(method, host, target string) (string, []string) {
		return "/sso/verify", []string{"X-Forwarded-Method: " + method, "X-Forwarded-Proto: http", "X-Forwarded-Host: " + host, "X-Forwarded-Uri: " + target}
	},
	"original": func(method, host, target string) (string, []string) {
		return "/sso/verify", []string{"X-Original-Method: " + method, "X-Original-URL: http://" + host + target}
	},
	"behind": func(_, _, target string) (string, []string) {
		return "/sso/verify" + target, []string{"X-Forwarded-Proto: http"}
	},
}

// TestForwardAuthHasTheSameRules: the cases of PB1, PB2, PB4, PB5, PB6, PB9, PB10 and PB11
// for proxies that ask. The application will see the target as it is.
func TestForwardAuthHasTheSameRules(t *testing.T) {
	t.Parallel()
	f := asked(t)
	alice := f.alice()
	for name, way := range ways {
		for _, target := range targets() {
			path, lines := way("GET", "app.test", target)
			for who, cookie := range map[string]string{"a stranger": "", "alice": alice} {
				status := statusOf(f.get(path, cookie, lines...))
				if status == 200 && couldBeAdmin("GET "+target+" HTTP/1.1") || status == 0 || status >= 500 {
					t.Errorf("%s: %s asks for %s: %d", name, who, target, status)
				}
			}
		}
		for _, target := range []string{"/private/x?path=/status", "/private?/public/", "/private%3f/public/x", "/admin?/public", "/admin/x#/public", "/private/?" + strings.Repeat("a=1&", 10_001) + "path=/public/x"} {
			path, lines := way("GET", "app.test", target)
			if status := statusOf(f.get(path, "", lines...)); status == 200 || status >= 500 {
				t.Errorf("%s: %.60s: %d", name, target, status)
			}
		}
		path, lines := way("GET", "app.test", "/private")
		for _, more := range []string{
			"User-Agent: kube-probe/1.30", "User-Agent: GoogleHC/1.0", "X-HTTP-Method-Override: OPTIONS", "X-Rewrite-URL: /public/x", "X-Forwarded-Path: /public/x",
			"X-Forwarded-Prefix: /public", "X-Forwarded-Port: 443", "X_Forwarded_Uri: /public/x", "X_Original_URL: http://app.test/public/x", "X-Forwarded-User: root", "Forwarded: for=10.0.0.1;host=app.test;proto=http",
		} {
			if status := statusOf(f.get(path, "", append(lines, more)...)); status != 401 && status != 400 {
				t.Errorf("%s with %s: %d", name, more, status)
			}
		}
		if name == "behind" { // has the method and the host of the question itself
			continue
		}
		for host, want := range map[string]int{"APP.test": 200, "app.test:80": 200, "app.test.evil.test": 421, "evil.test": 421, "user@app.test": 0, "app.test%2fx": 0, "app.test\\x": 0, "app.test?x": 0, "app.test#x": 0, "app.test@evil.test": 0, "": 0, "[::1]": 421} {
			path, lines := way("GET", host, "/ward")
			if status := statusOf(f.get(path, alice, lines...)); status != want && (want != 0 || status < 400 || status >= 500) {
				t.Errorf("%s: host %q: %d, want %d", name, host, status, want)
			}
		}
		for _, method := range []string{"TRACE", "CONNECT", "get", "GET /public/x HTTP/1.1", "", "G\tT"} {
			path, lines := way(method, "app.test", "/public/x")
			if status := statusOf(f.get(path, alice, lines...)); status < 400 || status >= 500 {
				t.Errorf("%s: method %q: %d", name, method, status)
			}
		}
		for _, method := range []string{"OPTIONS", "HEAD", "PROPFIND"} {
			path, lines := way(method, "app.test", "/private")
			if status := statusOf(f.get(path, "", append(lines, "Origin: https://evil.test", "Access-Control-Request-Method: GET")...)); status != 401 {
				t.Errorf("%s: a stranger's %s: %d", name, method, status)
			}
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("Foregate carried a request: %q", heads)
	}
}

// TestForwardAuthKnowsNobodyByABadCookie: PB8.
func TestForwardAuthKnowsNobodyByABadCookie(t *testing.T) {
	t.Parallel()
	f := asked(t)
	value := func(cookie string) string { return strings.TrimPrefix(cookie, "foregate=") }
	alice := value(f.alice())
	for what, cookie := range badCookies(alice, value(f.root()), value(start(t, options{}).alice())) {
		path, lines := ways["forwarded"]("GET", "app.test", "/ward")
		if answer := f.get(path, cookie, lines...); statusOf(answer) != 401 && statusOf(answer) != 400 || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.200q", what, answer)
		}
		path, lines = ways["forwarded"]("GET", "app.test", "/public/x")
		if answer := f.get(path, cookie, lines...); strings.Contains(answer, "alice") || strings.Contains(answer, "X-Foregate-Assertion: ey") {
			t.Errorf("%s is somebody on a public path: %q", what, answer)
		}
	}
	path, lines := ways["forwarded"]("GET", "app.test", "/ward")
	if answer := f.get(path, "foregate="+alice, lines...); statusOf(answer) != 200 {
		t.Fatalf("the good cookie: %.200q", answer)
	}
}

// TestForwardAuthNeverMixesPeople who ask at the same time, nor lets an answer be kept: PB13.
func TestForwardAuthNeverMixesPeople(t *testing.T) {
	t.Parallel()
	f := asked(t)
	people := map[string]string{"alice": f.alice(), "root": f.root(), "": ""}
	var wg sync.WaitGroup
	for who, cookie := range people {
		wg.Go(func() {
			for i := range 60 {
				path, lines := ways["forwarded"]("GET", "app.test", fmt.Sprintf("/public/%d", i%3))
				answer := f.get(path, cookie, lines...)
				if !strings.Contains(answer, "X-Forwarded-User: "+who+"\r\n") || !strings.Contains(answer, "Cache-Control: no-store\r\n") {
					t.Errorf("%q is told as %q", who, answer)
				}
			}
		})
	}
	wg.Wait()
}

// TestForwardAuthValuesStayOneLine: HD2 and HD4.
func TestForwardAuthValuesStayOneLine(t *testing.T) {
	t.Parallel()
	hash, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	const name = " Zoë\r\nX-Forwarded-Groups: admins\x00, 100%20 "
	f := asked(t)
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "      users:\n", fmt.Sprintf("      users:\n        - {user: carol, name: \" Zo\\u00eb\\r\\nX-Forwarded-Groups: admins\\0, 100%%20 \", groups: [\"users,admins\", \"a%%2Cb\"], password_hash: %q}\n", hash["alice"]), 1)
	})
	f.restart()
	path, lines := ways["forwarded"]("GET", "app.test", "/ward")
	answer := f.get(path, f.signIn("carol", alicePassword), append(lines, "X-Forwarded-Email: x@evil.test", "X-Forwarded-Roles: admin")...)
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	for header, want := range map[string]string{"X-Forwarded-Groups": "users%2Cadmins,a%252Cb", "X-Forwarded-Email": "", "X-Forwarded-Roles": ""} {
		if got := values(head+"\r\n", header); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	sent := values(head+"\r\n", "X-Forwarded-Name")
	if len(sent) != 1 {
		t.Fatalf("names: %q in %q", sent, answer)
	}
	if decoded, err := url.PathUnescape(sent[0]); err != nil || decoded != name {
		t.Errorf("the name is %q, which is %q", sent[0], decoded)
	}
}
