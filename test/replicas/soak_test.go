package replicas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn/local"
	"foregate/internal/redistest"
)

// TestSE16Soak is "make soak": 500 people at two replicas at once, for ten minutes,
// while Redis pauses, freezes and dies and replicas are restarted. Every answer
// must be its own person's: somebody else's is the worst that can happen.
func TestSE16Soak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("FOREGATE_SOAK"))
	if err != nil {
		t.Skip("takes ten minutes: make soak")
	}
	const people = 500
	redis := redistest.Start(t)
	w := open(t, options{replicas: 2, redis: single(redis), session: ", idle: 30m"})
	hash, err := local.Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.replicas {
		r.stop()
		yaml, err := os.ReadFile(r.config())
		if err != nil {
			t.Fatal(err)
		}
		var users strings.Builder
		for i := range people {
			fmt.Fprintf(&users, "{user: user%d, password_hash: %q, groups: [ward-%d]}, ", i, hash, i)
		}
		r.write(strings.Replace(string(yaml), "users: [", "users: ["+users.String(), 1))
		r.start()
	}
	var cookies [people]string
	for i := range people {
		b := w.browser(w.replicas[i%2].addr)
		form := b.get("/sso/start/local?rd=/")
		in := b.post("/sso/start/local", url.Values{"attempt": {hidden(form.body, "attempt")}, "rd": {"/"}, "username": {fmt.Sprint("user", i)}, "password": {password}})
		if in.told.User != fmt.Sprint("user", i) {
			t.Fatalf("user%d signs in: %d, %+v", i, in.status, in.told)
		}
		cookies[i] = b.cookie()
		b.client.CloseIdleConnections()
	}
	s := &soak{t: t, w: w, until: time.Now().Add(length)}
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() { s.work(i, cookies[i]) })
	}
	s.disturb(redis)
	all.Wait()
	t.Logf("answers: %d right, %d times 503, %d times no connection, %d of another person", s.right.Load(), s.unavailable.Load(), s.unreached.Load(), s.wrong.Load())
	if s.wrong.Load() > 0 || s.lost.Load() > 0 {
		t.Errorf("%d answers of another person, %d people signed out", s.wrong.Load(), s.lost.Load())
	}
	if s.right.Load() < 1000 {
		t.Error("too few answers to tell anything")
	}
	for i, c := range cookies {
		if status, _, _ := ask(t, w.replicas[i%2], "/", c); status != http.StatusOK {
			t.Errorf("user%d is not signed in any more: %d", i, status)
		}
	}
}

// soak counts answers.
type soak struct {
	t     *testing.T
	w     *ward
	until time.Time

	right, unavailable, unreached, wrong, lost atomic.Int64
}

// work is one person, at both replicas in turn.
func (s *soak) work(i int, cookie string) {
	want := told{User: fmt.Sprint("user", i), Groups: fmt.Sprint("ward-", i)}
	for n := 0; time.Now().Before(s.until); n++ {
		time.Sleep(time.Duration(200+rand.IntN(800)) * time.Millisecond)
		req, err := http.NewRequest(http.MethodGet, "http://"+s.w.replicas[(i+n)%2].addr+"/", nil)
		if err != nil {
			s.t.Error(err)
			return
		}
		req.Host = "app.test"
		req.Header.Set("Cookie", "foregate="+cookie)
		req.Header.Set("Accept", "text/html")
		resp, err := plain.Transport.RoundTrip(req)
		if err != nil {
			s.unreached.Add(1) // the replica is being restarted
			continue
		}
		var got told
		decoded := json.NewDecoder(resp.Body).Decode(&got)
		_ = resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusOK && decoded == nil && got == want:
			s.right.Add(1)
		case resp.StatusCode == http.StatusOK && decoded == nil:
			s.wrong.Add(1)
			s.t.Errorf("%+v was answered as %+v", want, got)
		case resp.StatusCode == http.StatusServiceUnavailable:
			s.unavailable.Add(1)
		default:
			s.lost.Add(1)
		}
	}
}

// disturb does one thing after the other until the time is over, and leaves
// everything running.
func (s *soak) disturb(redis *redistest.Server) {
	faults := []func(){
		func() { redis.Do("client", "pause", "700", "all") },
		func() { redis.Freeze(); time.Sleep(2 * time.Second); redis.Thaw() },
		func() { redis.Do("client", "kill", "type", "normal") },
		func() { redis.Do("client", "kill", "type", "pubsub") },
		func() {
			time.Sleep(1200 * time.Millisecond)
			redis.Kill()
			time.Sleep(3 * time.Second)
			redis.Restart()
		},
		func() { s.w.replicas[0].stop(); s.w.replicas[0].start() },
		func() { s.w.replicas[1].stop(); s.w.replicas[1].start() },
	}
	for i := 0; time.Until(s.until) > 12*time.Second; i++ {
		time.Sleep(3 * time.Second)
		faults[i%len(faults)]()
	}
	time.Sleep(time.Until(s.until))
	redistest.Eventually(s.t, "all is well in the end", func() bool {
		return s.w.replicas[0].ready() && s.w.replicas[1].ready()
	})
}

func (r *replica) ready() bool {
	resp, err := http.Get("http://" + r.admin + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
