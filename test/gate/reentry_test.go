package gate

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// awayFor lets a session of idle go idle.
func awayFor(idle time.Duration) { <-time.After(idle + 300*time.Millisecond) }

var resumeLink = regexp.MustCompile(`href="([^"]*)">Continue as Alice<`)

// TestReentryTakesARefresh: who was away sees the sign-in page; to refresh it is
// enough while the sign-in is current, and then it is not.
func TestReentryTakesARefresh(t *testing.T) {
	t.Parallel()
	const idle = 2 * time.Second
	f := start(t, options{idle: "2s", session: ", reentry_for: 8s"})
	b := newBrowser(f)
	began := time.Now()
	b.signIn("alice", alicePassword, "/")
	awayFor(idle)
	f.up.take()
	to := b.get("/wards/7?x=1")
	if to.StatusCode != 302 || !strings.Contains(to.Header.Get("Location"), "ended=idle") {
		t.Fatalf("after being away: %s to %q", to.Status, to.Header.Get("Location"))
	}
	page := b.get(to.Header.Get("Location"))
	link := resumeLink.FindStringSubmatch(page.body)
	if page.StatusCode != 200 || link == nil || !strings.Contains(page.body, `type="password"`) {
		t.Fatalf("the page offers no way on: %s\n%s", page.Status, page.body)
	}
	if again := b.get("/wards/7"); again.StatusCode != 302 || len(f.up.take()) != 0 {
		t.Errorf("seeing the page alone lets in: %s", again.Status)
	}
	if back := b.get(unescapeHTML(link[1])); back.StatusCode != 303 || back.Header.Get("Location") != "/wards/7?x=1" {
		t.Fatalf("the refresh leads to %s %q", back.Status, back.Header.Get("Location"))
	}
	if in := b.get("/wards/7"); in.StatusCode != 200 {
		t.Errorf("back in: %s", in.Status)
	}
	f.waitForLog("the re-entry", logTime, func(logs string) bool { return strings.Contains(logs, "re-entered after being away") })

	if left := 8*time.Second - time.Since(began); left > 0 {
		<-time.After(left + 300*time.Millisecond)
	}
	page = b.get(b.get("/wards/7").Header.Get("Location"))
	if resumeLink.MatchString(page.body) || !strings.Contains(page.body, `type="password"`) {
		t.Errorf("the sign-in has run out, and yet:\n%s", page.body)
	}
	if page = b.get("/sso/sign-in?rd=/wards/7&ended=idle"); page.StatusCode != 200 {
		t.Errorf("a refresh lets in: %s", page.Status)
	}
}

func TestNoReentryAfterSigningOutOrWhereItIsOff(t *testing.T) {
	t.Parallel()
	const idle = time.Second
	on := start(t, options{idle: "1s", session: ", reentry_for: 1h"})
	b := newBrowser(on)
	b.signIn("alice", alicePassword, "/")
	awayFor(idle)
	b.get(b.get("/").Header.Get("Location"))
	stolen := b.cookie("foregate")
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	b.jar["foregate"] = stolen
	for range 2 {
		if page := b.get("/sso/sign-in?rd=/&ended=idle"); page.StatusCode != 200 || resumeLink.MatchString(page.body) {
			t.Errorf("signed out, and yet: %s", page.Status)
		}
	}
	for name, o := range map[string]options{
		"in general": {idle: "1s", session: ", reentry: false, reentry_for: 1h"},
		"at the app": {idle: "1s", session: ", reentry_for: 1h", app: "    session: {no_reentry: true}"},
		"by default": {idle: "1s"}, // a password says nothing of how long it counts
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(start(t, o))
			b.signIn("alice", alicePassword, "/")
			awayFor(idle)
			for range 2 {
				if page := b.get(b.get("/").Header.Get("Location")); page.StatusCode != 200 || resumeLink.MatchString(page.body) {
					t.Errorf("got %s", page.Status)
				}
			}
		})
	}
}

// TestLimitsOfAppAndMethod: the shorter of the two holds.
func TestLimitsOfAppAndMethod(t *testing.T) {
	t.Parallel()
	f := start(t, options{idle: "20m", app: "    session: {idle: 2s}\n    activity: {counts: all, except: [/api/**]}"})
	cookie := f.alice()
	var left string
	for range 5 { // scripts count here, the polled path does not
		<-time.After(600 * time.Millisecond)
		if status := statusOf(f.get("/x", cookie, "Sec-Fetch-Mode: cors")); status != 200 {
			t.Fatalf("a page's script is no activity: %d", status)
		}
		left = answerBody(f.get("/sso/session", cookie))
	}
	if !strings.Contains(left, `"seconds_left":1`) {
		t.Errorf("the app's idle time does not hold: %s", left)
	}
	for deadline := time.Now().Add(6 * time.Second); statusOf(f.get("/api/poll", cookie, "Sec-Fetch-Mode: cors")) == 200; pause() {
		if time.Now().After(deadline) {
			t.Fatal("polling keeps the session")
		}
	}
}

// TestSE13AFormOutlivesItsSession and is sent once, by its person alone.
func TestSE13AFormOutlivesItsSession(t *testing.T) {
	t.Parallel()
	const idle = time.Second
	f := start(t, options{idle: "1s", session: ", lifetime: 1h"})
	b := newBrowser(f)
	form := url.Values{"note": {"two pages of äöü & more"}, "nonce": {"x"}}
	referer := http.Header{"Referer": {"http://app.test/wards/7/edit"}}
	lose := func(user, password string) answer {
		b.signIn(user, password, "/")
		awayFor(idle)
		f.up.take()
		return b.do("POST", "/wards/7?save=1", form, referer)
	}
	to := lose("alice", alicePassword)
	if to.StatusCode != 303 || !strings.Contains(to.Header.Get("Location"), "kept=1") || len(f.up.take()) != 0 {
		t.Fatalf("%s to %q", to.Status, to.Header.Get("Location"))
	}
	page := b.get(to.Header.Get("Location"))
	if !strings.Contains(page.body, "What you entered is kept") {
		t.Errorf("the page says nothing of it:\n%s", page.body)
	}
	if in := b.submit(page, url.Values{"username": {"alice"}, "password": {alicePassword}}); in.Header.Get("Location") != "/sso/kept" {
		t.Fatalf("signed in, then sent to %q", in.Header.Get("Location"))
	}
	offer := b.get("/sso/kept")
	if len(f.up.take()) != 0 {
		t.Fatal("it was sent without being asked for")
	}
	if sent := b.submit(offer, url.Values{}); sent.StatusCode != 200 {
		t.Fatalf("sending it: %s", sent.Status)
	}
	got := f.up.takeRequests()
	if len(got) != 1 || !strings.HasPrefix(got[0].head, "POST /wards/7?save=1 ") || got[0].body != form.Encode() ||
		values(got[0].head, "Referer")[0] != "http://app.test/wards/7/edit" || values(got[0].head, "Origin")[0] != "http://app.test" ||
		values(got[0].head, "X-Forwarded-User")[0] != "alice" {
		t.Fatalf("the application got %+v", got)
	}
	if again := b.submit(offer, url.Values{}); again.StatusCode != 410 || len(f.up.take()) != 0 {
		t.Errorf("sent twice: %s", again.Status)
	}

	// Somebody else at the same browser gets nothing of it.
	b = newBrowser(f)
	b.get(lose("alice", alicePassword).Header.Get("Location"))
	if in := b.submit(b.get("/sso/sign-in?rd=/"), url.Values{"username": {"root"}, "password": {rootPassword}}); in.Header.Get("Location") != "/" {
		t.Errorf("root is sent to %q", in.Header.Get("Location"))
	}
	if offer := b.get("/sso/kept"); offer.StatusCode != 303 {
		t.Errorf("root is offered alice's form: %s", offer.Status)
	}
	f.up.take()
	if r := b.do("POST", "/wards/7?save=1", url.Values{"foregate-kept": {"send"}}, nil); len(f.up.take()) == 1 && strings.Contains(r.body, "äöü") {
		t.Error("root sent alice's form")
	}

	// And who does not want it sends nothing.
	b = newBrowser(f)
	b.submit(b.get(lose("alice", alicePassword).Header.Get("Location")), url.Values{"username": {"alice"}, "password": {alicePassword}})
	f.up.take()
	if no := b.do("POST", "/sso/kept", url.Values{}, nil); no.Header.Get("Location") != "/wards/7/edit" || len(f.up.take()) != 0 {
		t.Errorf("discarded, then sent to %q", no.Header.Get("Location"))
	}
	if offer := b.get("/sso/kept"); offer.StatusCode != 303 {
		t.Errorf("it is offered still: %s", offer.Status)
	}
}

// TestSE13WhatIsNotKept: scripts get 401, other sites' forms and strangers' leave
// nothing behind, and too much is too much.
func TestSE13WhatIsNotKept(t *testing.T) {
	t.Parallel()
	const idle = time.Second
	f := start(t, options{idle: "1s", session: ", lifetime: 1h"})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	awayFor(idle)
	form := url.Values{"note": {"x"}}
	if r := b.do("POST", "/x", form, http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}); r.StatusCode != 401 {
		t.Errorf("a script: %s", r.Status)
	}
	for what, r := range map[string]answer{
		"many megabytes": b.do("POST", "/x", url.Values{"note": {strings.Repeat("x", 6<<20)}}, nil),
		"another site's": b.do("POST", "/x", form, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}),
		"too large":      b.do("POST", "/x", url.Values{"note": {strings.Repeat("x", 1<<20)}}, nil),
		"json":           b.do("POST", "/x", form, http.Header{"Content-Type": {"application/json"}}),
		"no type":        b.do("POST", "/x", form, http.Header{"Content-Type": {""}}), // CVE-2025-3891
	} {
		if !strings.Contains(r.Header.Get("Location"), "lost=1") || b.cookie("foregate-kept") != "" {
			t.Errorf("%s: %s to %q", what, r.Status, r.Header.Get("Location"))
		}
	}
	stranger := newBrowser(f)
	if r := stranger.do("POST", "/x", form, nil); !strings.Contains(r.Header.Get("Location"), "lost=1") || stranger.cookie("foregate-kept") != "" {
		t.Errorf("a stranger's: %s to %q", r.Status, r.Header.Get("Location"))
	}
}
