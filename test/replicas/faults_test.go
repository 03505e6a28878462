package replicas

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/internal/redistest"
)

// load keeps asking for pages of signed-in people until it is stopped, and takes
// notes.
type load struct {
	stop chan struct{}
	all  sync.WaitGroup
	mu   sync.Mutex
	seen map[int]int // answers by status
	slow time.Duration
	bad  []string
}

func (w *ward) load(people int, cookies []string) *load {
	l := &load{stop: make(chan struct{}), seen: make(map[int]int)}
	for i := range people {
		l.all.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				status, header, took := ask(w.t, w.replicas[i%len(w.replicas)], "/", cookies[i%len(cookies)])
				l.note(status, header, took)
			}
		})
	}
	return l
}

func (l *load) note(status int, header http.Header, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[status]++
	l.slow = max(l.slow, took)
	switch {
	case status == http.StatusOK:
	case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
	default:
		l.bad = append(l.bad, "status "+strconv.Itoa(status))
	}
	if header.Get("Set-Cookie") != "" {
		l.bad = append(l.bad, "a cookie was set")
	}
}

func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.all.Wait()
	if len(l.bad) > 0 {
		t.Errorf("%d wrong answers, the first: %s", len(l.bad), l.bad[0])
	}
}

// outage is how long Redis is gone in TestFM1: 20 seconds in a thorough run.
func outage() time.Duration {
	if os.Getenv("FOREGATE_SOAK") != "" { // make soak
		return 20 * time.Second
	}
	return 6 * time.Second
}

// TestFM1RedisKilled under load: 503 soon, nobody signed out, all back by itself.
func TestFM1RedisKilled(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{replicas: 2, redis: single(redis)})
	var cookies []string
	for range 5 {
		b := w.browser(w.replicas[0].addr)
		b.signIn()
		cookies = append(cookies, b.cookie())
	}
	<-time.After(1200 * time.Millisecond) // the append-only file is written each second
	l := w.load(20, cookies)
	<-time.After(time.Second)
	redis.Kill()
	began := time.Now()
	redistest.Eventually(t, "503", func() bool {
		s, _, _ := ask(t, w.replicas[0], "/", cookies[0])
		return s == http.StatusServiceUnavailable
	})
	t.Logf("first 503 after %v", time.Since(began).Round(time.Millisecond))
	if time.Since(began) > 2500*time.Millisecond {
		t.Error("that is too late")
	}
	stranger := w.browser(w.replicas[1].addr)
	if p := stranger.get("/public/x"); p.status != http.StatusOK || p.took > time.Second {
		t.Errorf("a public page: %d after %v", p.status, p.took)
	}
	if p := stranger.get("/sso/sign-in"); p.status != http.StatusOK {
		t.Errorf("the sign-in page: %d", p.status)
	}
	<-time.After(time.Until(began.Add(outage())))
	redis.Restart()
	back := time.Now()
	for _, c := range cookies {
		redistest.Eventually(t, "everybody is back", func() bool { s, _, _ := ask(t, w.replicas[1], "/", c); return s == http.StatusOK })
	}
	t.Logf("all back %v after Redis was", time.Since(back).Round(time.Millisecond))
	if time.Since(back) > 5*time.Second {
		t.Error("that is too late")
	}
	l.end(t)
	t.Logf("answers: %v, the slowest took %v", l.seen, l.slow.Round(time.Millisecond))
	if l.slow > time.Second {
		t.Errorf("a request took %v", l.slow)
	}
	if n := w.replicas[0].metric("foregate_store_errors_total"); n == 0 {
		t.Error("no figure tells of it")
	}
}

// TestFM2RedisFrozen costs a request half a second at most.
func TestFM2RedisFrozen(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{replicas: 1, redis: single(redis)})
	b := w.browser(w.replicas[0].addr)
	b.signIn()
	cookies := []string{b.cookie()}
	redis.Freeze()
	<-time.After(1500 * time.Millisecond) // the notices are missed
	l := w.load(50, cookies)
	<-time.After(3 * time.Second)
	redis.Thaw()
	redistest.Eventually(t, "it goes on", func() bool { s, _, _ := ask(t, w.replicas[0], "/", cookies[0]); return s == http.StatusOK })
	l.end(t)
	t.Logf("answers: %v, the slowest took %v", l.seen, l.slow.Round(time.Millisecond))
	if l.slow > 900*time.Millisecond {
		t.Errorf("a request took %v, want half a second at most (and what this machine adds)", l.slow)
	}
	if l.seen[503] == 0 {
		t.Error("nobody was refused, so this test shows nothing")
	}
}

// TestFM3MasterDies in the middle of a sign-in.
func TestFM3MasterDies(t *testing.T) {
	s := redistest.StartSentinel(t)
	redis := "{addresses: [" + strings.Join(s.Addresses, ", ") + "], sentinel: " + s.Master + "}"
	w := open(t, options{replicas: 2, redis: redis, provider: true})
	signedIn := w.browser(w.replicas[0].addr)
	signedIn.signIn()
	<-time.After(500 * time.Millisecond) // replication is not waited for
	b := w.browser(w.replicas[0].addr)
	form := b.get("/sso/start/op?rd=/")
	s.First.Kill()
	began := time.Now()
	redistest.Eventually(t, "another master answers", func() bool { st, _, _ := ask(t, w.replicas[1], "/", signedIn.cookie()); return st == http.StatusOK })
	t.Logf("served again %v after the master died", time.Since(began).Round(time.Millisecond))
	if time.Since(began) > 10*time.Second {
		t.Error("that is too late")
	}
	redistest.Eventually(t, "the other replica too", func() bool { st, _, _ := ask(t, w.replicas[0], "/", signedIn.cookie()); return st == http.StatusOK })
	if p := b.post(form.at.String(), url.Values{"user": {"alice"}, "password": {"pw-a"}}); p.told.User != "alice" {
		t.Errorf("the sign-in that had begun ends with %d at %s: %.300s", p.status, p.at, p.body)
	}
}

// TestFM4RedisFull: nobody new comes in, who is in stays in.
func TestFM4RedisFull(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{redis: single(redis)})
	b := w.browser(w.replicas[0].addr)
	b.signIn()
	redis.Do("config", "set", "maxmemory", "1")
	b.in("nora")
	late := w.browser(w.replicas[0].addr)
	if p := late.signIn(); p.status != http.StatusServiceUnavailable || late.cookie() != "" {
		t.Errorf("signing in: %d", p.status)
	}
	redis.Do("config", "set", "maxmemory", "0")
	redistest.Eventually(t, "it is possible again", func() bool { return late.signIn().told.User == "nora" })
	redis.Do("config", "set", "maxmemory-policy", "allkeys-lru")
	w.replicas[0].stop()
	w.replicas[0].start()
	redistest.Eventually(t, "the start warns of eviction", func() bool { return strings.Contains(w.replicas[0].logs.String(), "may throw sessions away") })
	b.in("nora")
}

// TestFM22Garbage in Redis costs its person a sign-in and nobody else anything.
func TestFM22Garbage(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{redis: single(redis)})
	victim := w.browser(w.replicas[0].addr)
	victim.signIn()
	record := redis.Do("--scan", "--pattern", "foregate:r:{*")
	record, _, _ = strings.Cut(strings.Trim(strings.ReplaceAll(strings.ReplaceAll(record, "foregate:r:{secrets:known}", ""), "\"", ""), "\n "), "\n")
	if !strings.HasPrefix(record, "foregate:r:{") {
		t.Fatalf("found %q", record)
	}
	other := w.browser(w.replicas[0].addr)
	other.signIn()
	for _, garbage := range []string{"x", strings.Repeat("y", 5000)} {
		redis.Do("set", record, garbage)
		w.replicas[0].stop()
		w.replicas[0].start()
		redistest.Eventually(t, "the others are served", func() bool { return other.get("/").told.User == "nora" })
		if p := victim.get("/"); p.told.User != "" || p.status != http.StatusOK {
			t.Errorf("with garbage: %d, %+v", p.status, p.told)
		}
	}
	redis.Do("del", record)
	redis.Do("lpush", record, "a list") // of another type
	if p := victim.get("/"); p.told.User != "" || p.status >= 500 && p.status != http.StatusServiceUnavailable {
		t.Errorf("with a list: %d, %+v", p.status, p.told)
	}
	other.in("nora")
}

// TestSessionsMoveBetweenStores, there and back, and nobody is signed out.
func TestSessionsMoveBetweenStores(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{})
	r := w.replicas[0]
	b := w.browser(r.addr)
	b.signIn()
	r.stop()
	embedded, err := os.ReadFile(r.config())
	if err != nil {
		t.Fatal(err)
	}
	moved := r.command("", "sessions", "export")
	shared := strings.Replace(string(embedded), "path: ./data", "path: ./data, redis: "+single(redis), 1)
	r.write(shared)
	r.command(moved, "sessions", "import")
	r.start()
	b.in("nora")
	late := w.browser(r.addr)
	late.signIn()
	r.stop()
	moved = r.command("", "sessions", "export")
	if err := os.RemoveAll(filepath.Join(r.dir, "data")); err != nil {
		t.Fatal(err)
	}
	r.write(string(embedded))
	r.command(moved, "sessions", "import")
	r.start()
	b.in("nora")
	late.in("nora")
	if said := r.command("", "sessions", "revoke", "--user", "nora"); said != "2 sessions ended\n" {
		t.Errorf("said %q", said)
	}
}
