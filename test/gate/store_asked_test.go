package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"foregate/internal/redistest"
)

// carried is an app of the same Foregate whose requests that one carries itself.
const carried = `
  - {name: carried, hosts: [carried.test], upstream: {url: "http://APPLICATION"}, methods: [local], rules: [{path: /public/**, allow: anyone}, {allow: signed_in}]}
`

// askedWithRedis is a Foregate that other proxies ask and that keeps its sessions in Redis.
func askedWithRedis(t *testing.T) (f *foregate, redis *redistest.Server, check string) {
	t.Helper()
	redis, check = redistest.Start(t), freeAddress(t)
	f = start(t, options{top: "trusted_proxies: [127.0.0.1]", session: fmt.Sprintf(", secrets: [%q]", strings.Repeat("s", 40)), apps: carried})
	f.edit(func(yaml string) string {
		yaml = regexp.MustCompile(`    upstream: \{url: "[^"]*", response_timeout: 5s\}`).ReplaceAllString(yaml, "    forward_auth: {}")
		yaml = strings.Replace(yaml, "listen: {", fmt.Sprintf("listen: {ext_authz: %q, ", check), 1)
		return strings.Replace(yaml, "storage: {path: ./data}", fmt.Sprintf("storage: {path: ./data, redis: {addresses: [%q]}}", redis.Addr), 1)
	})
	f.restart()
	return f, redis, check
}

// TestFM1AnOutageIsAskedAboutAsItIsCarried: while Redis is gone, a question is answered as
// the request would be. Who is signed in is let in from memory or told to try again, never
// sent to sign in; who is not is not let in; and afterwards everybody is where they were.
func TestFM1AnOutageIsAskedAboutAsItIsCarried(t *testing.T) {
	t.Parallel()
	f, redis, _ := askedWithRedis(t)
	b, c, gone := newBrowser(f), browserAt(f, "http://carried.test", f.addr), newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	c.signIn("alice", alicePassword, "/")
	gone.signIn("alice", alicePassword, "/")
	here, there, over := "foregate="+b.cookie("foregate"), "foregate="+c.cookie("foregate"), "foregate="+gone.cookie("foregate")
	gone.do("POST", "/sso/sign-out", url.Values{}, nil)
	ask := func(target, cookie, accept string) map[string]string {
		t.Helper()
		line := "Accept: " + accept + "\r\n"
		if cookie != "" {
			line += "Cookie: " + cookie + "\r\n"
		}
		answers := make(map[string]string)
		for name, way := range ways {
			path, lines := way("GET", "app.test", target)
			answers[name] = f.raw("GET " + path + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n" + line + strings.Join(lines, "\r\n") + "\r\n\r\n")
		}
		answers["carried"] = f.raw("GET " + target + " HTTP/1.1\r\nHost: carried.test\r\nConnection: close\r\n" + strings.Replace(line, here, there, 1) + "\r\n")
		return answers
	}
	all := func(what string, answers map[string]string, statuses ...int) {
		t.Helper()
		for name, answer := range answers {
			allowed := false
			for _, status := range statuses {
				allowed = allowed || statusOf(answer) == status
			}
			if !allowed {
				t.Errorf("%s, %s: want %v: %.300q", what, name, statuses, answer)
			}
			if statusOf(answer) == http.StatusServiceUnavailable && !strings.Contains(answer, "Retry-After: ") {
				t.Errorf("%s, %s: 503 without Retry-After", what, name)
			}
			if strings.Contains(answer, "Set-Cookie: foregate=") {
				t.Errorf("%s, %s: the session's cookie is touched: %.500q", what, name, answer)
			}
		}
	}
	all("before", ask("/ward", here, "text/html"), 200)
	<-time.After(1200 * time.Millisecond) // the append-only file is written each second

	redis.Kill()
	until(t, "memory is not believed any more", func() bool {
		answers := ask("/ward", here, "text/html")
		all("on the way down", answers, 200, 503)
		for _, answer := range answers {
			if statusOf(answer) != 503 {
				return false
			}
		}
		return true
	})
	all("a page of who is signed in", ask("/ward", here, "text/html"), 503)
	all("a script of theirs", ask("/ward", here, "application/json"), 503)
	for name, answer := range ask("/ward", here, "text/html") {
		if !strings.Contains(answer, "You are still signed in. Try again") {
			t.Errorf("%s: the page is %.600q", name, answer)
		}
		if strings.Contains(answer, "X-Forwarded-User: alice") {
			t.Errorf("%s: 503, and yet it says who asks", name)
		}
	}
	all("who has signed out before", ask("/ward", over, "text/html"), 302, 401, 503)
	all("a stranger's page", ask("/ward", "", "text/html"), 302, 401)
	all("a stranger's script", ask("/ward", "", "application/json"), 401)
	all("a stranger at an open page", ask("/public/x", "", "text/html"), 200)
	if reply := b.do("POST", "/sso/sign-out", url.Values{}, nil); reply.StatusCode != 503 {
		t.Errorf("signing out meanwhile: %s", reply.Status)
	}

	redis.Restart()
	until(t, "who was signed in is back", func() bool {
		for _, answer := range ask("/ward", here, "text/html") {
			if statusOf(answer) != 200 {
				return false
			}
		}
		return true
	})
	all("who had signed out", ask("/ward", over, "text/html"), 302, 401)
}

// tryAgain is what Foregate's page says, and that of Envoy's configuration where it keeps
// Foregate's to itself.
var tryAgain = regexp.MustCompile("You are still signed in. Try again|If you were signed in, you still are. Try again")

// TestFM1AnOutageBehindEveryFront: whichever proxy asks, a person sees a page that says try
// again, and is where they were when Redis is back.
func TestFM1AnOutageBehindEveryFront(t *testing.T) {
	t.Parallel()
	f, redis, check := askedWithRedis(t)
	at := f.beforeAll(t, check)
	alice := f.alice()
	page := func(name, cookie string) string {
		host := "app.test"
		if name == "Caddy" {
			host += at[name][strings.LastIndex(at[name], ":"):]
		}
		return rawAt(t, at[name], "GET /ward HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nAccept: text/html\r\n"+cookie+"\r\n")
	}
	cookie := "Cookie: " + alice + "\r\n"
	for name := range at {
		if answer := page(name, cookie); statusOf(answer) != 200 {
			t.Errorf("%s, before: %.200q", name, answer)
		}
	}
	<-time.After(1200 * time.Millisecond)
	redis.Kill()
	for name := range at {
		until(t, name+" says 503", func() bool {
			status := statusOf(page(name, cookie))
			if status != 200 && status != 503 {
				t.Fatalf("%s, on the way down: %d", name, status)
			}
			return status == 503
		})
	}
	f.up.take()
	for name := range at {
		answer := page(name, cookie)
		if lower := strings.ToLower(answer); statusOf(answer) != 503 || !tryAgain.MatchString(answer) || !strings.Contains(lower, "retry-after: ") || strings.Contains(lower, "set-cookie: foregate=") {
			t.Errorf("%s: %.600q", name, answer)
		}
		if status := statusOf(page(name, "")); status != 302 {
			t.Errorf("%s, a stranger: %d", name, status)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
	redis.Restart()
	for name := range at {
		until(t, name+" lets them in again", func() bool { return statusOf(page(name, cookie)) == 200 })
	}
}
