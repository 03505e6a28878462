package gate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSE1SigningInNeverKeepsAPlantedSession: an attacker's session that was
// planted in a browser ends when somebody signs in there, and nothing of it is
// carried over.
func TestSE1SigningInNeverKeepsAPlantedSession(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	planted := strings.TrimPrefix(f.alice(), "foregate=")
	for what, value := range map[string]string{"somebody's valid session": planted, "a random one": strings.Repeat("QUFB", 40)} {
		b := newBrowser(f)
		// The sign-in page knows that alice is signed in, so root asks for what she may not see.
		b.jar["foregate"] = value
		page := b.get("/sso/start/local?rd=/admin")
		resp := b.submit(page, url.Values{"username": {"root"}, "password": {rootPassword}})
		if resp.StatusCode != http.StatusSeeOther || b.cookie("foregate") == value || b.cookie("foregate") == "" {
			t.Errorf("%s: %s, and the session is %.20q", what, resp.Status, b.cookie("foregate"))
		}
		f.up.take()
		if status := statusOf(f.get("/x", "foregate="+value)); status != 401 {
			t.Errorf("%s still opens: %d", what, status)
		}
		f.get("/admin", "foregate="+b.cookie("foregate"))
		if heads := f.up.take(); len(heads) != 1 || values(heads[0], "X-Forwarded-User")[0] != "root" || values(heads[0], "X-Forwarded-Groups")[0] != "admins" {
			t.Errorf("%s: root arrived as %q", what, heads)
		}
	}
}

// TestSE2ACopiedCookieDiesWithTheSignOut, at once and for good.
func TestSE2ACopiedCookieDiesWithTheSignOut(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	copied, other := "foregate="+b.cookie("foregate"), f.alice()
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if status := statusOf(f.get("/x", copied)); status != 401 {
		t.Errorf("the copy works after signing out: %d", status)
	}
	f.restart()
	if status := statusOf(f.get("/x", copied)); status != 401 {
		t.Errorf("the copy works after a restart: %d", status)
	}
	if status := statusOf(f.get("/x", other)); status != 200 {
		t.Errorf("another session of hers ended too: %d", status)
	}
}

// TestSE3ASessionEndsOnTime: by idleness, which polling does not prevent, and by
// its lifetime, which work does not prevent.
func TestSE3ASessionEndsOnTime(t *testing.T) {
	t.Parallel()
	const idle, lifetime = 2 * time.Second, 5 * time.Second
	f := start(t, options{idle: "2s", session: ", lifetime: 5s"})
	began := time.Now()
	active, polling, fetching := f.alice(), f.alice(), f.alice()
	ended := make(map[string]time.Duration)
	for deadline := began.Add(2 * lifetime); len(ended) < 3 && time.Now().Before(deadline); pause() {
		since := time.Since(began)
		if _, over := ended["active"]; !over && statusOf(f.get("/x", active, "Accept: text/html")) == 302 {
			ended["active"] = since
		}
		if _, over := ended["polling"]; !over && statusOf(f.get("/sso/session", polling, "Sec-Fetch-Site: same-origin")) == 401 {
			ended["polling"] = since
		}
		if _, over := ended["fetching"]; !over && statusOf(f.get("/x", fetching, "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")) == 401 {
			ended["fetching"] = since
		}
	}
	if got := ended["fetching"]; got < idle || got > lifetime {
		t.Errorf("a page's scripts kept a session for %v, want about %v", got, idle)
	}
	// Signing in takes time too, and comes after began.
	if got := ended["polling"]; got < idle || got > lifetime {
		t.Errorf("polling kept a session for %v, want about %v", got, idle)
	}
	if got := ended["active"]; got < lifetime || got > lifetime+3*time.Second {
		t.Errorf("work kept a session for %v, want about %v", got, lifetime)
	}
	answer := f.get("/x", active, "Accept: text/html")
	if !strings.Contains(answer, "ended=over") {
		t.Errorf("the reason is missing: %.200q", answer)
	}
}

func TestSE3APersonSeesTheTimeLeft(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	body := answerBody(f.get("/sso/session", f.alice()))
	var left struct {
		Seconds  int `json:"seconds_left"`
		Lifetime int `json:"lifetime_seconds_left"`
	}
	if err := json.Unmarshal([]byte(body), &left); err != nil {
		t.Fatal(err)
	}
	if left.Seconds < 1190 || left.Seconds > 1200 || left.Lifetime < 43190 || left.Lifetime > 43200 {
		t.Errorf("left: %+v, want 20 minutes and 12 hours", left)
	}
}

func answerBody(answer string) string {
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	return body
}

// TestPB8SE3SE5BadCookiesAreNobody: whatever is not the one cookie that Foregate
// gave to this browser opens nothing and breaks nothing.
func TestPB8SE3SE5BadCookiesAreNobody(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := strings.TrimPrefix(f.alice(), "foregate=")
	root := strings.TrimPrefix(f.root(), "foregate=")
	foreign := strings.TrimPrefix(start(t, options{}).alice(), "foregate=")
	bad := badCookies(alice, root, foreign)
	f.up.take()
	for what, cookie := range bad {
		if status := statusOf(f.get("/x", cookie, "Accept: text/html")); status != 302 && status != 400 {
			t.Errorf("%s: status %d", what, status)
		}
		if heads := f.up.take(); len(heads) > 0 {
			t.Errorf("%s reached the application: %q", what, heads)
		}
		f.get("/public/x", cookie)
		for _, head := range f.up.take() {
			if got := values(head, "X-Forwarded-User"); len(got) > 0 {
				t.Errorf("%s is %q on a public path", what, got)
			}
		}
	}
	if status := statusOf(f.get("/x", "foregate="+alice)); status != 200 {
		t.Fatalf("the good cookie: %d, so this test shows nothing", status)
	}
	if status := statusOf(f.get("/x", "a=1;foregate="+alice+" ;b=2")); status != 200 {
		t.Errorf("the good cookie among others: %d", status)
	}
}

// badCookies are none of this Foregate's, though some have alice's value in them.
func badCookies(alice, root, foreign string) map[string]string {
	bad := map[string]string{
		"empty": "foregate=", "no value": "foregate", "random": "foregate=" + strings.Repeat("x9Zq", 40), "not base64": "foregate=%00%ff{}",
		"of another key": "foregate=" + foreign, "huge": "foregate=" + strings.Repeat("A", 50_000), "truncated": "foregate=" + alice[:len(alice)/2],
		"longer": "foregate=" + alice + "A", "twice over": "foregate=" + alice + alice, "another version": "foregate=" + base64.URLEncoding.EncodeToString([]byte("2|x|y")),
		// SE5: cookies tossed over from a neighbour, in both orders.
		"two people": "foregate=" + root + "; foregate=" + alice, "two people, turned": "foregate=" + alice + "; foregate=" + root,
		"garbage first": "foregate=x; foregate=" + alice, "garbage last": "foregate=" + alice + "; foregate=x", "the same twice": "foregate=" + alice + "; foregate=" + alice,
		"as an attempt": "foregate-attempt-0=" + alice, "secure name": "__Host-foregate=" + alice, "upper case": "FOREGATE=" + alice,
		"old syntax": "$Version=1; foregate=" + alice, "quoted": `foregate="` + alice + `"`, "odd space": "\u2000foregate=" + alice, "non-breaking space": "\u00a0foregate=" + alice,
		"inside quotes": `a="; foregate=` + alice + `"`,
	}
	for i := 0; i < len(alice); i += 7 { // SE3: edited
		bad[fmt.Sprintf("edited at %d", i)] = "foregate=" + alice[:i] + otherLetter(alice[i]) + alice[i+1:]
	}
	return bad
}

func otherLetter(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestSE5TossedCookiesMakeNoLoop: a browser that is stuck with two cookies is
// told so, not sent round: signing in again would not take the other one away.
func TestSE5TossedCookiesMakeNoLoop(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	two := f.alice() + "; " + f.root()
	answer := f.get("/x", two, "Accept: text/html")
	location := headerLines(answer, "Location")
	if len(location) != 1 {
		t.Fatalf("%.200q", answer)
	}
	if page := f.get(location[0], two, "Accept: text/html"); statusOf(page) != 409 || !strings.Contains(page, "delete the cookies of this site") {
		t.Errorf("the way on: %.200q", page)
	}
}

// TestSE15ParallelRequestsKeepTheSession while its activity is being written.
func TestSE15ParallelRequestsKeepTheSession(t *testing.T) {
	t.Parallel()
	f := start(t, options{idle: "3s"})
	alice := f.alice()
	var wg sync.WaitGroup
	for round := range 2 {
		for range 100 {
			wg.Go(func() {
				if status := statusOf(f.get("/x", alice, "Accept: text/html")); status != 200 {
					t.Errorf("round %d: status %d", round, status)
				}
			})
		}
		wg.Wait()
		for until := time.Now().Add(1200 * time.Millisecond); time.Now().Before(until); { // activity is due to be written
			pause()
		}
	}
	f.restart()
	if status := statusOf(f.get("/x", alice, "Accept: text/html")); status != 200 {
		t.Errorf("after a restart: %d", status)
	}
}

const otherApp = `
  - name: other
    hosts: [other.test]
    upstream: {url: "http://APPLICATION"}
    methods: [local]`

// TestSE16ASessionIsOfOneApplication: its cookie is nobody's at another one.
func TestSE16ASessionIsOfOneApplication(t *testing.T) {
	t.Parallel()
	f := start(t, options{apps: otherApp})
	alice := f.alice()
	f.up.take()
	at := func(host string) int {
		return statusOf(f.raw("GET /x HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nCookie: " + alice + "\r\n\r\n"))
	}
	if got := at("other.test"); got != 401 {
		t.Errorf("at the other application: %d", got)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the other application was asked: %q", heads)
	}
	if got := at("app.test"); got != 200 {
		t.Errorf("at its own application: %d", got)
	}
}

// TestFM11KillAndRestartKeepSessions: a session whose cookie reached a browser
// is on the disk.
func TestFM11KillAndRestartKeepSessions(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	early := f.alice()
	f.restart()
	if status := statusOf(f.get("/x", early)); status != 200 {
		t.Errorf("after a restart: %d", status)
	}
	for range 3 {
		late := f.root()
		f.kill()
		f.run()
		for who, cookie := range map[string]string{"alice": early, "root": late} {
			if status := statusOf(f.get("/x", cookie)); status != 200 {
				t.Errorf("%s after a kill: %d", who, status)
			}
		}
	}
}

// TestFM14SessionSecretsRotateWhileItServes: no request fails meanwhile, what is sealed with
// a secret that was taken away is over, and one that would sign everybody out is refused.
func TestFM14SessionSecretsRotateWhileItServes(t *testing.T) {
	t.Parallel()
	older, newer, other := strings.Repeat("old-", 10), strings.Repeat("new-", 10), strings.Repeat("odd-", 10)
	f := start(t, options{session: ", secrets: [" + older + "]"})
	before := f.alice()
	var wrong atomic.Int32
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		line := f.keepAlive()
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				if status, _ := line.ask("/x", before); status != 200 {
					wrong.Add(1)
				}
			}
		})
	}
	turns := 0
	turn := func(from, to string) {
		t.Helper()
		f.edit(func(yaml string) string { return strings.Replace(yaml, "secrets: ["+from+"]", "secrets: ["+to+"]", 1) })
		turns++
		until(t, "the secrets change", func() bool { return strings.Count(f.logs.String(), "session secrets changed") == turns })
	}
	turn(older, older+", "+newer)
	turn(older+", "+newer, newer+", "+older)
	after := f.alice()
	for what, cookie := range map[string]string{"old": before, "new": after} {
		if status := statusOf(f.get("/x", cookie)); status != 200 {
			t.Errorf("with both secrets, the %s cookie: %d", what, status)
		}
	}
	if keys := f.get("/sso/keys", ""); strings.Count(keys, `"kid"`) != 2 {
		t.Errorf("of the assertion's keys are published: %s", keys)
	}
	close(stop)
	load.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d requests failed meanwhile", wrong.Load())
	}
	turn(newer+", "+older, newer)
	if status := statusOf(f.get("/x", before)); status != 401 {
		t.Errorf("without its secret the old cookie still opens: %d", status)
	}
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "secrets: ["+newer+"]", "secrets: ["+other+"]", 1)
	})
	until(t, "it is refused", func() bool { return f.metric("foregate_config_last_reload_successful") == 0 })
	if !strings.Contains(f.logs.String(), "everybody would be signed out") {
		t.Error("the log does not say why")
	}
	if status := statusOf(f.get("/x", after)); status != 200 {
		t.Errorf("after a secret that nobody knows: %d", status)
	}
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "secrets: ["+other+"]", "secrets: ["+newer+"]", 1)
	})
	f.restart()
	if status := statusOf(f.get("/x", after)); status != 200 {
		t.Errorf("after a restart: %d", status)
	}
}

// TestSessionSecretsRotate: the new secret seals, the old one still opens until
// it is taken away.
func TestSessionSecretsRotate(t *testing.T) {
	t.Parallel()
	older, newer := strings.Repeat("old-", 10), strings.Repeat("new-", 10)
	f := start(t, options{session: ", secrets: [" + older + "]"})
	before := f.alice()
	turn := func(from, to string) {
		f.stop()
		f.edit(func(yaml string) string { return strings.Replace(yaml, "secrets: ["+from+"]", "secrets: ["+to+"]", 1) })
		f.run()
	}
	turn(older, newer+", "+older)
	after := f.alice()
	for what, cookie := range map[string]string{"old": before, "new": after} {
		if status := statusOf(f.get("/x", cookie)); status != 200 {
			t.Errorf("with both secrets, the %s cookie: %d", what, status)
		}
	}
	turn(newer+", "+older, newer)
	if status := statusOf(f.get("/x", before)); status != 401 {
		t.Errorf("without its secret the old cookie still opens: %d", status)
	}
	if status := statusOf(f.get("/x", after)); status != 200 {
		t.Errorf("without the old secret the new cookie: %d", status)
	}
}
