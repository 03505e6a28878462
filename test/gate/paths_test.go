package gate

import (
	"fmt"
	"strings"
	"testing"
)

// targets are the products of prefixes, tricks and endings with which rules of
// other proxies were walked round (PB5).
func targets() []string {
	prefixes := []string{"/public/", "/", "/api/x/"}
	tricks := []string{
		"", "../", "%2e%2e/", "%2E./", ".%2e/", "..%2f", "..%5c", `..\`, "..;/", "..%00/", "..%01/", "./", "/", "/%2f/", ";x=/../",
		"%252e%252e%252f", "%c0%ae%c0%ae/", "%EF%BC%8E%EF%BC%8E/", "..%20/", "%2e%2e;/", "..%09/",
	}
	endings := []string{"admin", "ADMIN", "%61dmin", "admin/", "admin.", "admin;a=b", "admin%3f", "admin%00", "admin%20", "%2561dmin", "admin/secret"}
	var out []string
	for _, p := range prefixes {
		for _, t := range tricks {
			for _, e := range endings {
				out = append(out, p+t+e)
			}
		}
	}
	return append(out, "/admin#/public", "/admin%23/public", "//admin", "/public/%2e%2e%2fadmin", "/api/../admin/status", "/admin?/public", "/admin?path=/status")
}

// TestPB5NoSpellingReachesAdministration asks as a stranger and as alice, who is
// no administrator; whatever Foregate answers, the application must not have been
// asked for anything that it could take for /admin.
func TestPB5NoSpellingReachesAdministration(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.take()
	for _, target := range targets() {
		for who, cookie := range map[string]string{"a stranger": "", "alice": alice} {
			answer := f.get(target, cookie)
			for _, head := range f.up.take() {
				line, _, _ := strings.Cut(head, "\r\n")
				if couldBeAdmin(line) {
					t.Errorf("%s asked for %s and the application saw %q", who, target, line)
				}
			}
			if status := statusOf(answer); status == 0 || status >= 500 {
				t.Errorf("%s asked for %s: status %d", who, target, status)
			}
		}
	}
}

// couldBeAdmin reports whether any lenient reading of a request line leads below
// /admin.
func couldBeAdmin(line string) bool {
	_, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	path, _, _ := strings.Cut(target, "?")
	for range 4 {
		path = strings.ToLower(path)
		for from, to := range map[string]string{"%61": "a", "%41": "a", "%25": "%", "%2e": ".", "%2f": "/", "%5c": "/", `\`: "/", "%20": "", "%00": "\x00", "//": "/"} {
			path = strings.ReplaceAll(path, from, to)
		}
	}
	path, _, _ = strings.Cut(path, "\x00")
	var segs []string
	for seg := range strings.SplitSeq(path, "/") {
		seg, _, _ = strings.Cut(seg, ";")
		switch seg = strings.TrimRight(seg, ". "); {
		case seg == "":
		default:
			segs = append(segs, seg)
		}
	}
	return len(segs) > 0 && (segs[0] == "admin" || strings.Contains(path, "..") && strings.Contains(path, "admin"))
}

func TestPB1QueryIsNoPath(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	for _, target := range []string{"/private/x?path=/status", "/private?/public/", "/private/x?/api/x/status", "/private%3f/public/x"} {
		if status := statusOf(f.get(target, "", "Accept: text/html")); status != 302 && status != 400 {
			t.Errorf("%s: %d", target, status)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

func TestPB2FragmentInATargetIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	if status := statusOf(f.get("/admin#/public/", "")); status != 400 {
		t.Errorf("status %d, want 400", status)
	}
	if len(f.up.take()) > 0 {
		t.Error("the application was asked")
	}
}

// TestPB3PB10HeadersOfAStrangerDecideNothing: neither a rule, nor a redirect, nor
// what the application is told.
func TestPB3PB10HeadersOfAStrangerDecideNothing(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.take()
	for _, h := range []string{
		"X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded",
		"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Forwarded-Server", "X-Original-Host", "X-HTTP-Method-Override",
	} {
		for _, name := range []string{h, strings.ReplaceAll(h, "-", "_"), strings.ToLower(h)} {
			answer := f.get("/admin", "", "Accept: text/html", name+": /public/SPOOF")
			if statusOf(answer) != 302 || strings.Contains(answer, "SPOOF") {
				t.Errorf("%s: %.200q", name, answer)
			}
			if f.get("/x", alice, name+": SPOOF"); !strings.Contains(fmt.Sprint(f.up.take()), "GET /x ") {
				t.Fatalf("%s: alice's request did not arrive", name)
			}
			f.get("/y", alice, name+": SPOOF")
			for _, head := range f.up.take() {
				if strings.Contains(head, "SPOOF") {
					t.Errorf("%s reached the application: %q", name, head)
				}
			}
		}
	}
}

func TestPB4NoUserAgentIsSpecial(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0", "Prometheus/2.0"} {
		for _, target := range []string{"/admin", "/ping", "/healthz", "/ready"} {
			if status := statusOf(f.get(target, "", "Accept: text/html", "User-Agent: "+agent)); status != 302 {
				t.Errorf("%s as %s: %d", target, agent, status)
			}
		}
	}
	if len(f.up.take()) > 0 {
		t.Error("the application was asked")
	}
}

// TestPB6OnlyTheConfiguredHostIsServed, in whatever spelling it is asked for.
func TestPB6OnlyTheConfiguredHostIsServed(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.take()
	for host, want := range map[string]int{
		"app.test": 200, "APP.TEST": 200, "app.test:8080": 200,
		"app.test.": 421, "evil.test": 421, "xapp.test": 421, "a.app.test": 421, "app.test@evil.test": 421, "[::1]": 421, "127.0.0.1": 421, "": 400, "app.test:x": 400, "app.test:80:80": 400,
		"app test": 400, "app.test/x": 400, "аpp.test": 400,
	} {
		answer := f.raw("GET /x HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nCookie: " + alice + "\r\n\r\n")
		if got := statusOf(answer); got != want && !(want >= 400 && (got == 400 || got == 421)) {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
		if heads := f.up.take(); want != 200 && len(heads) > 0 {
			t.Errorf("Host %q reached the application: %q", host, heads)
		}
	}
	for _, request := range []string{
		"GET /x HTTP/1.1\r\nHost: app.test\r\nHost: evil.test\r\n\r\n",
		"GET /x HTTP/1.1\r\n\r\n",
		"GET http://evil.test/x HTTP/1.1\r\nHost: app.test\r\n\r\n", // B4
	} {
		if status := statusOf(f.raw(request)); status != 400 && status != 421 {
			t.Errorf("%q: %d", request, status)
		}
	}
	// The authority of an absolute target is the host (RFC 9112, section 3.2.2).
	answer := f.raw("GET http://app.test/x HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\nCookie: " + alice + "\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != 200 || len(heads) != 1 || values(heads[0], "Host")[0] != "app.test" {
		t.Errorf("absolute target: %d, the application saw %q", statusOf(answer), heads)
	}
}

func TestPB9OddMethods(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	for _, method := range []string{"HEAD", "OPTIONS", "PROPFIND", "get", "DELETE", "BREW"} {
		answer := f.raw(method + " /admin HTTP/1.1\r\nHost: app.test\r\nOrigin: https://evil.test\r\nAccess-Control-Request-Method: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		if status := statusOf(answer); status != 401 && status != 302 && status != 303 && status != 400 {
			t.Errorf("%s: %d", method, status)
		}
	}
	alice := f.alice()
	f.up.take()
	for _, line := range []string{"CONNECT evil.test:443", "CONNECT app.test:80", "TRACE /x"} { // B6, HT9
		status := statusOf(f.raw(line + " HTTP/1.1\r\nHost: app.test\r\nCookie: " + alice + "\r\n\r\n"))
		if status != 405 && status != 421 && status != 400 {
			t.Errorf("%s: %d", line, status)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

func TestPB11ManyParametersAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "limits: {max_url_bytes: 1048576, max_header_bytes: 1048576}"})
	alice := f.alice()
	f.up.take()
	if status := statusOf(f.get("/x?"+strings.Repeat("a=1&", 10_000)+"hidden=y", alice)); status != 400 {
		t.Errorf("status %d", status)
	}
	if len(f.up.take()) > 0 {
		t.Error("the application was asked")
	}
}

// TestPublicPathsArriveWithoutIdentity also shows that the fixture can let
// something through at all.
func TestPublicPathsArriveWithoutIdentity(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	for target, public := range map[string]bool{"/public/x": true, "/public": true, "/api/v1/status": true, "/api/v1/v2/status": false, "/publicity": false, "/": false} {
		answer := f.get(target, "", "Accept: text/html")
		if got := statusOf(answer) == 200 && strings.Contains(answer, mark); got != public {
			t.Errorf("%s: %.60q", target, answer)
		}
		for _, head := range f.up.take() {
			if len(values(head, "X-Forwarded-User")) > 0 || !public {
				t.Errorf("%s arrived as %q", target, head)
			}
		}
	}
}
