package proxy

import (
	"net/url"
	"strings"
	"testing"
)

func TestReturnAddresses(t *testing.T) {
	allowed := []string{"other.test", ".corp.test"}
	for rd, want := range map[string]string{
		"/":                              "/",
		"/a/b?x=1&y=%2F":                 "/a/b?x=1&y=%2F",
		"/a%20b":                         "/a%20b",
		"/a?next=https://evil.test/":     "/a?next=https://evil.test/",
		"/a#frag":                        "/a",
		"https://app.test/x?y=1":         "/x?y=1",
		"https://APP.test/x":             "/x",
		"https://other.test/x":           "https://other.test/x",
		"https://a.corp.test/x":          "https://a.corp.test/x",
		"":                               "/",
		"/sso":                           "/",
		"/sso/sign-in?rd=/x":             "/",
		"/sso/account":                   "/sso/account",
		"/sso/account/password":          "/sso/account/password",
		"/sso/account/app":               "/sso/account/app",
		"/sso/account/sessions":          "/",
		"/sso/account/../sign-out":       "/",
		"/sso/accounts":                  "/",
		"/ssoon":                         "/ssoon",
		"/" + strings.Repeat("a", 3000):  "/",
		"https://other.test:8443/x":      "https://other.test:8443/x",
		"https://app.test/sso/sign-out":  "/",
		"relative":                       "/",
		"?x=1":                           "/",
		"/a;b=c/d":                       "/a;b=c/d",
		"/search?q=%E5%98%8A%E5%98%8Dok": "/search?q=%E5%98%8A%E5%98%8Dok",
	} {
		if got := returnTo(rd, "/sso", "app.test", allowed); got != want {
			t.Errorf("returnTo(%q) = %q, want %q", rd, got, want)
		}
	}
}

// TestRD1RD2RD3ForeignReturnAddressesAreRefused: every spelling with which
// others were made to send people elsewhere.
func TestRD1RD2RD3ForeignReturnAddressesAreRefused(t *testing.T) {
	allowed := []string{".corp.test"}
	for _, rd := range []string{
		`/\evil.test`, `\\evil.test`, `/\/evil.test`, "//evil.test", "///evil.test", "////evil.test", "/%09/evil.test", "/\t/evil.test", "/%5cevil.test",
		"https://evil.test", "http:evil.test", "http:/evil.test", "https:///evil.test", "http:www.evil.test", "javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:alert(1)",
		"https://evil-corp.test/", "https://corp.test.evil/", "https://corp.test/", "https://a.corp.test@evil.test/", "https://a.corp.test:8443@evil.test/", "https://evil.test/a.corp.test",
		"https://a.corp.test./", "https://xn--a.corp.test.evil/", "/\n/evil.test", "/x\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:x=1", "/\u560a\u560dSet-Cookie:x=1", " /x", "/ x", "https://app.test@evil.test",
		"https://app.test%2f@evil.test", `https://app.test\@evil.test`, "/.//evil.test", "//app.test@evil.test", "ftp://app.test/x", "https://[::1", "/x\x00", "/\x7f", "https:app.test",
	} {
		got := returnTo(rd, "/sso", "app.test", allowed)
		if got == "/" {
			continue
		}
		base, _ := url.Parse("https://app.test/x")
		u, err := base.Parse(got)
		if err != nil || u.Host != "app.test" || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t ") {
			t.Errorf("returnTo(%q) = %q", rd, got)
		}
	}
}

// FuzzReturnTo: wherever it leads, it is this host or a listed one, and it is the
// same when asked a second time.
func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/a?b=c", "//evil", `/\evil`, "https://app.test/x", "https://x.corp.test/", "/%2f%2fevil", "/a/%2e%2e//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rd string) {
		got := returnTo(rd, "/sso", "app.test", []string{".corp.test"})
		if again := returnTo(got, "/sso", "app.test", []string{".corp.test"}); again != got {
			t.Fatalf("%q becomes %q and then %q", rd, got, again)
		}
		if strings.ContainsFunc(got, unsafeInLocation) {
			t.Fatalf("%q becomes %q", rd, got)
		}
		if got[0] == '/' {
			if len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
				t.Fatalf("%q becomes %q", rd, got)
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || !strings.HasSuffix(u.Hostname(), ".corp.test") {
			t.Fatalf("%q becomes %q", rd, got)
		}
	})
}
