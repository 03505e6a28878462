package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// escapes are return addresses that led away from other products. Only what a
// browser makes of the final Location counts, so all of them are tried to the end.
func escapes() []string {
	list := []string{
		// RD1: backslashes, white space and controls that browsers fold or drop.
		`/\evil.test`, `\/evil.test`, `\\evil.test`, `/\/evil.test`, `//evil.test`, `///evil.test`, `////evil.test`, "/\t/evil.test", "/\n/evil.test", "/\r/evil.test",
		"\t//evil.test", " //evil.test", "//evil.test ", "/%09/evil.test", "/%0a/evil.test", "/%0d/evil.test", "/%2f/evil.test", "/%2fevil.test", "/%5cevil.test",
		"/.//evil.test", "/..//evil.test", "/./../\\evil.test", "/x/..//evil.test", "/%2e%2e//evil.test", "/x/../..//evil.test", "//%2fevil.test", "/\x00/evil.test", "/%00/evil.test",
		"\u2028//evil.test", "/\u00a0/evil.test", "/\u3002evil.test", "//evil\u3002test", "/\uff0fevil.test", "\uff0f\uff0fevil.test", "/\u2044evil.test",
		// RD2: hosts that look like ours.
		"http://evil.test", "https://evil.test/", "http://app.test@evil.test", "http://app.test:80@evil.test/", "http://app.test.evil.test/", "http://evil.test#app.test",
		"http://evil.test?app.test", "http://evilapp.test", "http://evil.test\\@app.test", "http://app.test\\.evil.test", "http://[::1]/", "http://xn--pp-tst.test/", "//app.test@evil.test",
		"http://app.test%2eevil.test/", "http://app.test%00.evil.test/", "http://app.test%23@evil.test", "http://APP.TEST.evil.test", "http://corp.test.evil.test", "http://evilcorp.test", "http://corp.test:8443@evil.test",
		// RD3: half addresses.
		"http:evil.test", "http:/evil.test", "https:evil.test", "https:/evil.test", "http:///evil.test", "http:\\\\evil.test", "HTTP://evil.test", "evil.test", "evil.test/x", ".evil.test", "@evil.test", ":80", "?//evil.test", "#//evil.test", "/?u=//evil.test", "/#//evil.test",
		// RD8: addresses that run.
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "javascript://app.test/%0aalert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "blob:http://app.test/x", "view-source:x",
		"/\"><script>alert(1)</script>", "/;url=//evil.test", "/';alert(1)//",
		// RD7: new lines.
		"/%0d%0aSet-Cookie:x=1", "/\r\nSet-Cookie: x=1", "/%0aSet-Cookie:x=1", "/%0dSet-Cookie:x=1", "/%E5%98%8A%E5%98%8DSet-Cookie:x=1", "/嘊嘍Set-Cookie:x=1", "/%23%0d%0aSet-Cookie:x=1",
		"/%25%30%64%25%30%61Set-Cookie:x=1", "/%%0d0d%%0a0aSet-Cookie:x=1", "/%u000d%u000aSet-Cookie:x=1", "/\u0085Set-Cookie:x=1", "/\v\fSet-Cookie:x=1", "/%3f%0d%0aLocation:%20//evil.test",
		// Back into the sign-in would go round.
		"/sso/sign-out", "/sso/sign-in?rd=/", "/sso", "/x/../sso/sign-out",
		"", "/", strings.Repeat("/a", 1500),
	}
	return list
}

// TestRD1To8EverySignInEndsOnItsHost. Each escape goes through the form of one
// and the same browser; where it ends is judged by the URL parser of browsers.
func TestRD1To8EverySignInEndsOnItsHost(t *testing.T) {
	t.Parallel()
	f := start(t, options{app: "    return_hosts: [.corp.test]"})
	locations := make(map[string]string)
	note := func(what string, a answer) {
		if locations[what] = a.Header.Get("Location"); locations[what] == "" {
			t.Errorf("%s: %s without a Location", what, a.Status)
		}
		if got := a.Header.Values("Set-Cookie"); strings.Contains(fmt.Sprint(got), "x=1") {
			t.Errorf("%s: sets %q", what, got)
		}
	}
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	stranger := newBrowser(f)
	for i, rd := range escapes() {
		q := "?rd=" + url.QueryEscape(rd)
		what := fmt.Sprintf("%.60q", rd)
		// Who is signed in already is sent on at once: the same way out of the same check.
		note(what+" signed in", b.get("/sso/sign-in"+q))
		for _, other := range []string{"url", "next", "return_to", "RelayState", "post_logout_redirect_uri", "target_link_uri"} {
			note(what+" as "+other, b.get("/sso/sign-in?"+other+"="+url.QueryEscape(rd)))
		}
		note(what+" after signing out", stranger.do("POST", "/sso/sign-out"+q, url.Values{"rd": {rd}}, nil))
		if i%12 == 0 { // a whole sign-in hashes a password
			note(what+" after the form", newBrowser(f).signIn("root", rootPassword, rd))
		}
		page := stranger.get("/sso/sign-in" + q)
		if strings.Contains(page.body, "http-equiv") || page.Header.Get("Refresh") != "" {
			t.Errorf("%s: the page goes on by itself", what)
		}
		if sealed := hiddenValue(page, "rd"); sealed != "" {
			locations[what+" in the form"] = sealed
		}
	}
	for what, resolved := range resolve(t, locations) {
		u, err := url.Parse(resolved)
		if err != nil || u.Scheme != "http" || u.Host != "app.test" && !strings.HasSuffix(u.Host, ".corp.test") {
			t.Errorf("%s leads to %q, which is %q", what, locations[what], resolved)
		}
	}
}

func hiddenValue(page answer, name string) string {
	for _, m := range hiddenPattern.FindAllStringSubmatch(page.body, -1) {
		if m[1] == name {
			return unescapeHTML(m[2])
		}
	}
	return ""
}

// resolve returns where a browser goes from http://app.test/x. It asks the URL
// parser of Node, which is that of browsers (WHATWG URL).
func resolve(t *testing.T, locations map[string]string) map[string]string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: ", err)
	}
	in, err := json.Marshal(locations)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", `
		const at = JSON.parse(require("fs").readFileSync(0));
		for (const k in at) { try { at[k] = new URL(at[k], "http://app.test/x").href } catch (e) { at[k] = "unreadable: " + at[k] } }
		console.log(JSON.stringify(at))`)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	resolved := make(map[string]string)
	if err := json.Unmarshal(out, &resolved); err != nil {
		t.Fatal(err)
	}
	return resolved
}

// TestRD2OnlyListedHostsAndTrueSubdomains are returned to, and what is harmless
// arrives as it was.
func TestRD2OnlyListedHostsAndTrueSubdomains(t *testing.T) {
	t.Parallel()
	f := start(t, options{app: "    return_hosts: [.corp.test, friend.test]"})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	for rd, want := range map[string]string{
		"/a/b?c=d&e=%2F%20": "/a/b?c=d&e=%2F%20", "/a%20b": "/a%20b", "http://app.test/x?y": "/x?y", "http://friend.test/x": "http://friend.test/x",
		"https://a.corp.test/": "https://a.corp.test/", "http://A.CORP.test/x": "http://a.corp.test/x",
		"http://corp.test/": "/", "http://evil-corp.test/": "/", "http://corp.test.evil/": "/", "http://a.friend.test/": "/", "http://corp.test:8443@evil/": "/", "http://a.corp.test./": "/",
		"http://xn--corp-test/": "/", "http://a.corp.test/\\evil.test": "/", "http://a.corp.test//evil.test": "/", "ftp://a.corp.test/": "/", "http://": "/",
	} {
		resp := b.get("/sso/sign-in?rd=" + url.QueryEscape(rd))
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("%q: %s to %q, want %q", rd, resp.Status, got, want)
		}
	}
}

// TestRD5ATamperedAttemptIsNone: the address to return to is sealed with it.
func TestRD5ATamperedAttemptIsNone(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	b := newBrowser(f)
	page := b.get("/sso/sign-in?rd=/kept")
	for name, value := range b.jar {
		at := len(value) / 2
		b.jar[name] = value[:at] + otherLetter(value[at]) + value[at+1:]
	}
	resp := b.submit(page, url.Values{"username": {"alice"}, "password": {alicePassword}})
	if resp.StatusCode != http.StatusUnprocessableEntity || b.cookie("foregate") != "" {
		t.Errorf("a tampered attempt: %s", resp.Status)
	}
	resp = b.submit(resp, url.Values{"username": {"alice"}, "password": {alicePassword}, "rd": {"//evil.test"}})
	if got := resp.Header.Get("Location"); got != "/kept" {
		t.Errorf("the attempt made anew leads to %q", got)
	}
}

// TestRD6SpoofedOriginsAreInNoRedirect, to https either.
func TestRD6SpoofedOriginsAreInNoRedirect(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	for _, target := range []string{"/x", "/sso", "/sso/sign-in", "//evil.test", "/\\evil.test", "/sso/sign-out"} {
		answer := f.get(target, "", "Accept: text/html", "X-Forwarded-Host: evil.test", "X-Forwarded-Prefix: //evil.test", "X-Forwarded-Proto: javascript", "Forwarded: host=evil.test", "X-Forwarded-Uri: //evil.test")
		location := headerLines(answer, "Location")
		if len(location) == 1 && strings.HasPrefix(location[0], "https://app.test:") {
			continue
		}
		if status := statusOf(answer); status != 400 && status != 421 {
			t.Errorf("%s: %d to %q", target, status, location)
		}
	}
	if status := statusOf(f.raw("GET /x HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n")); status != 421 {
		t.Errorf("a foreign host is redirected: %d", status)
	}
}

// TestRD7NoAddressMakesAHeaderLine, in the bytes of the answer.
func TestRD7NoAddressMakesAHeaderLine(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	for _, rd := range escapes() {
		for who, cookie := range map[string]string{"alice": alice, "a stranger": ""} {
			for _, target := range []string{"/sso/sign-in?rd=" + url.QueryEscape(rd), "/sso/start/local?rd=" + url.QueryEscape(rd), "/x?" + url.QueryEscape(rd)} {
				head, _, _ := strings.Cut(f.get(target, cookie, "Accept: text/html"), "\r\n\r\n")
				if strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n\x00") {
					t.Errorf("%s at %.80q: a bare line end in %q", who, target, head)
				}
				for _, line := range strings.Split(head, "\r\n") {
					if strings.HasPrefix(line, "Set-Cookie:x=1") || strings.HasPrefix(line, "Set-Cookie: x=1") {
						t.Errorf("%s at %.80q: %q", who, target, head)
					}
				}
			}
		}
	}
}
