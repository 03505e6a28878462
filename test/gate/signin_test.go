package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// crossSite is what browsers say of a request that another site's page makes.
func crossSite() http.Header {
	return http.Header{"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}}
}

// TestSE8NobodyIsSignedInByAnotherSite: not by its form, not by its callback, not
// with an attempt of another browser.
func TestSE8NobodyIsSignedInByAnotherSite(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	filled := func(b *browser, page answer) url.Values {
		form := url.Values{"username": {"root"}, "password": {rootPassword}}
		for _, m := range hiddenPattern.FindAllStringSubmatch(page.body, -1) {
			form.Set(m[1], unescapeHTML(m[2]))
		}
		return form
	}
	for what, header := range map[string]http.Header{
		"cross-site":             crossSite(),
		"of a sibling":           {"Origin": {"http://other.app.test"}, "Sec-Fetch-Site": {"same-site"}},
		"an old browser's":       {"Origin": {"https://evil.test"}, "Sec-Fetch-Site": nil},
		"claims same, comes not": {"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}, "Referer": {"http://app.test/"}},
	} {
		victim := newBrowser(f)
		page := victim.get("/sso/sign-in")
		resp := victim.do("POST", "/sso/start/local", filled(victim, page), header)
		if resp.StatusCode != http.StatusForbidden || victim.cookie("foregate") != "" {
			t.Errorf("a form %s: %s, session %.9q", what, resp.Status, victim.cookie("foregate"))
		}
	}
	// A sandboxed page has no origin to name, and neither have our own forms on
	// plain http. What it lacks is the attempt's ID.
	sandboxed := newBrowser(f)
	sandboxed.get("/sso/sign-in")
	resp := sandboxed.do("POST", "/sso/start/local", url.Values{"username": {"root"}, "password": {rootPassword}}, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": nil})
	if resp.StatusCode != http.StatusUnprocessableEntity || sandboxed.cookie("foregate") != "" {
		t.Errorf("a form without an origin and an attempt: %s", resp.Status)
	}
	attacker, victim := newBrowser(f), newBrowser(f)
	page := attacker.get("/sso/sign-in")
	victim.get("/sso/sign-in")
	resp = victim.do("POST", "/sso/start/local", filled(attacker, page), nil)
	if resp.StatusCode != http.StatusUnprocessableEntity || victim.cookie("foregate") != "" {
		t.Errorf("another browser's attempt: %s", resp.Status)
	}
	attempt := filled(attacker, page).Get("attempt")
	for what, target := range map[string]string{
		"without a state":           "/sso/callback/local?code=x",
		"with an unknown state":     "/sso/callback/local?code=x&state=y",
		"with another browser's":    "/sso/callback/local?code=x&state=" + url.QueryEscape(attempt),
		"with two states":           "/sso/callback/local?state=a&state=b",
		"with a state far too long": "/sso/callback/local?state=" + strings.Repeat("a", 9000),
	} {
		resp := victim.get(target)
		if resp.StatusCode != http.StatusBadRequest || victim.cookie("foregate") != "" {
			t.Errorf("a callback %s: %s", what, resp.Status)
		}
	}
	if resp := victim.get("/sso/callback/unknown?state=x"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a callback of no method: %s", resp.Status)
	}
}

// TestSE9OnlyThePersonSignsOut: an image or a form of another site does not.
func TestSE9OnlyThePersonSignsOut(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	alice := "foregate=" + b.cookie("foregate")
	alive := func(after string) {
		t.Helper()
		if status := statusOf(f.get("/x", alice)); status != 200 {
			t.Errorf("signed out by %s", after)
		}
	}
	image := http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Site": {"cross-site"}, "Referer": {"https://evil.test/"}}
	b.do("GET", "/sso/sign-out", nil, image)
	alive("an image")
	link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-User": {"?1"}}
	if page := b.do("GET", "/sso/sign-out", nil, link); page.StatusCode != 200 || !strings.Contains(page.body, "<form") {
		t.Errorf("a link elsewhere: %s", page.Status)
	}
	alive("a link elsewhere")
	b.do("GET", "/sso/sign-out", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-User": {"?1"}})
	alive("a frame")
	b.do("HEAD", "/sso/sign-out", nil, nil)
	alive("HEAD")
	if resp := b.do("POST", "/sso/sign-out", url.Values{}, crossSite()); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %s", resp.Status)
	}
	alive("another site's form")
	resp := b.submit(b.get("/sso/sign-out"), url.Values{})
	if resp.StatusCode != http.StatusSeeOther || b.cookie("foregate") != "" {
		t.Errorf("her own click: %s", resp.Status)
	}
	if status := statusOf(f.get("/x", alice)); status != 401 {
		t.Errorf("after her own click: %d", status)
	}
}

// policyPattern is the only Content-Security-Policy that a page may have.
var policyPattern = regexp.MustCompile(`^default-src 'none'; base-uri 'none'; (form-action 'none'; )?frame-ancestors 'none'(; img-src data:; style-src 'nonce-[A-Z2-7]{26}')?(; script-src 'nonce-[A-Z2-7]{26}')?(; form-action 'self'( https: http:)?)?$`)

// TestSE10SE11SE12EveryAnswerOfOursIsOursAlone: not framed, not cached, not
// guessed at, and without a byte of what it guards.
func TestSE10SE11SE12EveryAnswerOfOursIsOursAlone(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := newBrowser(f)
	alice.signIn("alice", alicePassword, "/")
	f.up.takeRequests()
	stranger := newBrowser(f)
	answers := map[string]answer{
		"the redirect to sign in": stranger.get("/secret"),
		"the script's refusal":    stranger.do("GET", "/secret", nil, http.Header{"Sec-Fetch-Mode": {"cors"}}),
		"the sign-in page":        stranger.get("/sso/sign-in"),
		"a refused password":      stranger.submit(stranger.get("/sso/sign-in"), url.Values{"username": {"alice"}, "password": {"no"}}),
		"a bad callback":          stranger.get("/sso/callback/local?state=x"),
		"no such page":            stranger.get("/sso/nothing"),
		"signed out":              stranger.get("/sso/sign-out"),
		"nobody's session":        stranger.get("/sso/session"),
		"a refused path":          stranger.get("/a//b"),
		"refused":                 alice.get("/admin"),
		"the sign-out page":       alice.get("/sso/sign-out"),
		"her session":             alice.get("/sso/session"),
		"already signed in":       alice.get("/sso/sign-in?rd=/x"),
		"the sign-out":            alice.do("POST", "/sso/sign-out", url.Values{}, nil),
	}
	for what, a := range answers {
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got := strings.Join(a.Header.Values(name), " | "); got != want {
				t.Errorf("%s: %s: %q, want %q", what, name, got, want)
			}
		}
		if got := a.Header.Get("Content-Security-Policy"); !policyPattern.MatchString(got) {
			t.Errorf("%s: policy %q", what, got)
		}
		if strings.Contains(a.body, mark) {
			t.Errorf("%s holds what the application says", what)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

// TestSE10NothingThatAStrangerSendsBecomesMarkup on any page.
func TestSE10NothingThatAStrangerSendsBecomesMarkup(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	const probe = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`
	q := url.QueryEscape(probe)
	b := newBrowser(f)
	b.header.Set("Referer", "http://app.test/"+probe)
	b.header.Set("Accept-Language", probe)
	b.header.Set("User-Agent", probe)
	page := b.get("/sso/sign-in?rd=/" + q)
	pages := []answer{
		page,
		b.submit(page, url.Values{"username": {probe}, "password": {probe}}),
		b.get("/sso/sign-in?rd=/&lost=" + q + "&ended=" + q + "&choose=" + q),
		b.get("/sso/callback/local?state=" + q + "&error=" + q + "&error_description=" + q),
		b.get("/sso/" + url.PathEscape(probe)), b.get("/sso/start/" + url.PathEscape(probe)),
		b.get("/%00" + q), b.get("/public/..%2f" + q),
		b.do("POST", "/sso/start/local", url.Values{"attempt": {probe}, "rd": {"/" + probe}, "username": {probe}}, nil),
	}
	for _, p := range pages {
		if strings.Contains(p.body, "<script>") || strings.Contains(p.body, "<img src=x") || strings.Contains(p.body, `"'>`) {
			t.Errorf("%s: %s", p.Request.URL.Path, p.body)
		}
	}
}

// TestSE13WhatWasPostedWithoutASessionIsNotLostSilently, nor turned into a GET.
func TestSE13WhatWasPostedWithoutASessionIsNotLostSilently(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	alice := b.cookie("foregate")
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	b.jar["foregate"] = alice // a tab that was open meanwhile
	f.up.takeRequests()
	resp := b.do("POST", "/save", url.Values{"note": {"important"}}, http.Header{"Referer": {"http://app.test/note?id=7"}})
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || location != "/sso/sign-in?rd=%2Fnote%3Fid%3D7&lost=1" {
		t.Errorf("%s to %q", resp.Status, location)
	}
	if page := b.get(location); !strings.Contains(page.body, "was not saved") {
		t.Error("the page does not say that it was not saved")
	}
	script := b.do("POST", "/save", url.Values{}, http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}})
	if script.StatusCode != http.StatusUnauthorized || !strings.Contains(script.body, "sign_in_required") {
		t.Errorf("a script: %s %s", script.Status, script.body)
	}
	for what, line := range map[string]string{"empty": "Content-Type: \r\n", "none": "", "odd": "Content-Type: ;;=\r\n", "multipart": "Content-Type: multipart/form-data\r\n"} {
		for _, target := range []string{"/save", "/sso/start/local", "/sso/callback/local", "/sso/sign-out"} {
			answer := f.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: foregate=%s\r\n%sContent-Length: 3\r\n\r\na=b", target, alice, line))
			if status := statusOf(answer); status < 300 || status >= 500 {
				t.Errorf("content type %s to %s: %d", what, target, status)
			}
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}
