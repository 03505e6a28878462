package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHD5OwnCookiesStayHere: neither the session nor an attempt reaches the
// application in any of their spellings; all other cookies do, byte for byte.
func TestHD5OwnCookiesStayHere(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.takeRequests()
	for sent, want := range map[string][]string{
		alice:                                  nil,
		`a=1; ` + alice + `; b="x; y"; c==; d`: {`a=1; b="x; y"; c==; d`},
		alice + "; foregate-attempt-0=x; foregate-attempt-5=y; foregate-turns=1.2; __Host-foregate=z; __Secure-foregate=q": nil,
		"a=1;b=2;" + alice: {"a=1;b=2"},
		alice + "; xforegate=1; foregate2=2; foregate-attempt-6=3; Foregate=4; =foregate": {"xforegate=1; foregate2=2; foregate-attempt-6=3; Foregate=4; =foregate"},
		alice + "; a=%zz\x80\xff{}; ;; b= ":                                               {"a=%zz\x80\xff{}; ;; b="},
	} {
		f.get("/x", sent)
		got := f.up.takeRequests()
		if len(got) != 1 {
			t.Errorf("%.40q: %d requests arrived", sent, len(got))
			continue
		}
		if diff := cmp.Diff(want, values(got[0].head, "Cookie")); diff != "" {
			t.Errorf("Cookie: %s\n(-want +got):\n%s", sent, diff)
		}
	}
	if f.get("/x", alice, "Cookie: a=1", "cookie: foregate-attempt-1=x; b=2"); true {
		got := f.up.takeRequests()
		if diff := cmp.Diff([]string{"a=1", "b=2"}, values(got[0].head, "Cookie")); diff != "" {
			t.Errorf("several Cookie lines (-want +got):\n%s", diff)
		}
	}
}

// TestHD5ApplicationCannotSetOurCookie, and keeps its own.
func TestHD5ApplicationCannotSetOurCookie(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	planted := []string{
		"foregate=evil; Path=/", "foregate =evil", "__Host-foregate=evil; Secure; Path=/", "__Secure-foregate=evil", "foregate-attempt-3=evil",
		"foregate-turns=9", "=foregate=evil", "foregate", "foregate=; Max-Age=0",
	}
	own := []string{"JSESSIONID=1; Path=/; HttpOnly", "xforegate=2", "Foregate=3"}
	head := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
	for _, line := range append(planted, own...) {
		head += "Set-Cookie: " + line + "\r\n"
	}
	f.up.answerBytes(head + "\r\nok")
	if diff := cmp.Diff(own, headerLines(f.get("/public/x", ""), "Set-Cookie")); diff != "" {
		t.Errorf("Set-Cookie (-want +got):\n%s", diff)
	}
}

// headerLines returns the values of a header in a raw answer, as they came.
func headerLines(answer, name string) []string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	return values(head, name)
}

// setCookies remembers every Set-Cookie of a browser's way through Foregate.
type setCookies struct {
	b     *browser
	lines []string
	bad   []string // answers that set a cookie and may be kept by a cache (SE11)
}

func (s *setCookies) saw(a answer) answer {
	lines := a.Header.Values("Set-Cookie")
	s.lines = append(s.lines, lines...)
	if len(lines) > 0 && a.Header.Get("Cache-Control") != "no-store" {
		s.bad = append(s.bad, a.Request.URL.Path)
	}
	return a
}

// walk signs in, meets two refusals and an error on the way, and signs out.
func (s *setCookies) walk() {
	b := s.b
	page := s.saw(b.get("/sso/sign-in?rd=/x"))
	page = s.saw(b.submit(page, url.Values{"username": {"alice"}, "password": {"wrong"}}))
	s.saw(b.get("/sso/start/local?rd=/y"))
	s.saw(b.get("/sso/callback/local?state=x"))
	s.saw(b.submit(page, url.Values{"username": {"alice"}, "password": {alicePassword}}))
	s.saw(b.get("/admin"))
	s.saw(b.do("POST", "/sso/sign-out", url.Values{}, nil))
	s.saw(b.get("/sso/sign-out"))
}

// TestSE4SE11AttributesOfEveryCookie, also of attempts and of those taken away.
func TestSE4SE11AttributesOfEveryCookie(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	secure := &setCookies{b: newSecureBrowser(f)}
	secure.walk()
	f.behindTerminator(t)
	plain := &setCookies{b: newBrowser(f)}
	plain.walk()
	for _, side := range []struct {
		name, prefix, session, attempt string
		seen                           *setCookies
	}{
		{"https", "__Host-", "; Path=/; HttpOnly; Secure; SameSite=Lax", "; Path=/; HttpOnly; Secure; SameSite=None", secure},
		{"http", "", "; Path=/; HttpOnly; SameSite=Lax", "; Path=/; HttpOnly", plain},
	} {
		if len(side.seen.bad) > 0 {
			t.Errorf("%s: cookies on cacheable answers: %q", side.name, side.seen.bad)
		}
		kinds := make(map[string]int)
		for _, line := range side.seen.lines {
			pair, _, _ := strings.Cut(line, ";")
			name, value, _ := strings.Cut(pair, "=")
			if len(pair) > 4096 {
				t.Errorf("%s: %s has %d bytes", side.name, name, len(pair))
			}
			attributes, kind := side.session, "session"
			if strings.HasPrefix(name, side.prefix+"foregate-attempt-") {
				attributes, kind = side.attempt, "attempt"
			} else if name != side.prefix+"foregate" {
				t.Errorf("%s: unexpected cookie %q", side.name, line)
			}
			if value == "" {
				kind += " taken away"
			}
			kinds[kind]++
			if got := withoutAge(line[len(pair):]); got != attributes {
				t.Errorf("%s: %s has the attributes %q, want %q", side.name, name, got, attributes)
			}
		}
		for _, kind := range []string{"session", "session taken away", "attempt", "attempt taken away"} {
			if kinds[kind] == 0 {
				t.Errorf("%s: no %s was seen: %v", side.name, kind, kinds)
			}
		}
	}
}

// withoutAge takes off the attribute in which a cookie and its removal differ.
func withoutAge(attributes string) string {
	parts := strings.Split(attributes, "; ")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, "Max-Age=") }), "; ")
}

// behindTerminator starts the fixture again without its https listener.
func (f *foregate) behindTerminator(t *testing.T) {
	t.Helper()
	f.stop()
	f.edit(func(yaml string) string {
		return strings.Replace(dropLine(yaml, "tls: {"), fmt.Sprintf(", https: %q", f.https), "", 1)
	})
	f.run()
}

// TestSE7PendingSignInsDoNotPileUp in a browser that opens many pages at once;
// the newest one still works.
func TestSE7PendingSignInsDoNotPileUp(t *testing.T) {
	f := start(t, options{})
	jar := &sharedJar{values: make(map[string]string)}
	var wg sync.WaitGroup
	for worker := range 10 {
		wg.Go(func() {
			for i := range 20 {
				answer := f.get("/sso/sign-in?rd="+url.QueryEscape("/page/"+strconv.Itoa(worker*20+i)), jar.header(), "Accept: text/html")
				jar.keep(answer)
			}
		})
	}
	wg.Wait()
	if n, size := len(jar.values), len(jar.header()); n > 10 || size > 8<<10 {
		t.Errorf("%d pending sign-ins, %d bytes", n, size)
	}
	b := newBrowser(f)
	b.jar = jar.values
	resp := b.signIn("alice", alicePassword, "/newest")
	if got := resp.Header.Get("Location"); got != "/newest" {
		t.Errorf("the newest sign-in leads to %q", got)
	}
}

// sharedJar is the jar of a browser with many tabs.
type sharedJar struct {
	mu     sync.Mutex
	values map[string]string
}

func (j *sharedJar) header() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var pairs []string
	for name, value := range j.values {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}

func (j *sharedJar) keep(answer string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range headerLines(answer, "Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.MaxAge >= 0 {
			j.values[c.Name] = c.Value
		} else if err == nil {
			delete(j.values, c.Name)
		}
	}
}

// TestSE7ScriptsGetNoPageAndNoCookie, but the address of the sign-in.
func TestSE7ScriptsGetNoPageAndNoCookie(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	for _, headers := range [][]string{
		{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: text/html"},
		{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Accept: text/html"},
		{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty", "Accept: text/html"},
		{"Accept: application/json"},
		{"Accept: text/html", "X-Requested-With: XMLHttpRequest"},
		{"Accept: */*"},
		nil,
	} {
		answer := f.get("/api/x", "", headers...)
		if statusOf(answer) != 401 || !strings.Contains(answer, `"sign_in":"http://app.test/sso/sign-in?rd=%2Fapi%2Fx"`) {
			t.Errorf("%q: %.300q", headers, answer)
		}
		if got := headerLines(answer, "Set-Cookie"); len(got) > 0 {
			t.Errorf("%q: sets %q", headers, got)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

// TestSE6CookieBombsAreCheap: thousands of cookies, or one that fills the header,
// cost one quick refusal and leave nothing behind.
func TestSE6CookieBombsAreCheap(t *testing.T) {
	f := start(t, options{})
	bombs := map[string]string{
		"many tiny":      strings.TrimSuffix(strings.Repeat("a=; ", 3500), "; "),
		"many of ours":   strings.TrimSuffix(strings.Repeat("foregate=x; ", 3500), "; "),
		"many attempts":  strings.TrimSuffix(strings.Repeat("foregate-attempt-0=x; ", 2500), "; "),
		"one huge":       "foregate=" + strings.Repeat("A", 60_000),
		"chunk counts":   "foregate=chunks:99999999; foregate-0=x; foregate_chunks=-1; foregate-attempt-99999999=NaN",
		"only separator": strings.Repeat(";", 50_000),
	}
	ask := func(times int) {
		for what, cookie := range bombs {
			for range times {
				began := time.Now()
				status := statusOf(f.get("/x", cookie, "Accept: text/html"))
				if status != 302 && status != 400 && status != 431 {
					t.Errorf("%s: status %d", what, status)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s: took %v", what, took)
				}
			}
		}
	}
	ask(10)
	before := f.memory()
	ask(40)
	// Generous, since this binary has the race detector in it.
	if grown := f.memory() - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if status := statusOf(f.get("/x", strings.Repeat("a=1; ", 100_000))); status != 431 {
		t.Errorf("a header of half a megabyte: status %d, want 431", status)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %d times", len(heads))
	}
}
