package replicas

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/handoff"
	"foregate/internal/redistest"
)

const (
	pageKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	partner = `  - {name: st-elsewhere, handoff: {page: "http://intranet.test/sso", format: aes-gcm, keys: [{key: ` + pageKey + `}]}}` + "\n"
)

func withPartner(o options) options {
	o.methods, o.offered = partner, "st-elsewhere, "
	return o
}

// token is one as the partner's page makes it, made that long ago.
func token(t *testing.T, user string, ago time.Duration) url.Values {
	t.Helper()
	p, err := handoff.NewPartner(&handoff.Config{
		Page: "http://intranet.test/sso", Format: "aes-gcm", Keys: []handoff.Key{{Key: authn.NewSecret(pageKey)}},
	}, "st-elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Mint(handoff.Draft{User: user, Made: time.Now().Add(-ago), Host: "app.test"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// handed follows a link with a token in a new browser.
func (w *ward) handed(to string, v url.Values) page { return w.browser(to).get("/?" + v.Encode()) }

// TestTK1UsedOnceAcrossReplicas: at whichever replica it comes again, however these
// and Redis end in between.
func TestTK1UsedOnceAcrossReplicas(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, withPartner(options{replicas: 2, redis: single(redis)}))
	one, other := w.replicas[0], w.replicas[1]
	v := token(t, "alice", 0)
	b := w.browser(one.addr)
	if p := b.get("/?" + v.Encode()); p.told.User != "st-elsewhere:alice" {
		t.Fatalf("the first time: %d at %s", p.status, p.at)
	}
	refused := func(what string) {
		t.Helper()
		for _, r := range w.replicas {
			if p := w.handed(r.addr, v); p.status != http.StatusForbidden || p.told.User != "" {
				t.Errorf("%s: %d, the application is told %q", what, p.status, p.told.User)
			}
		}
	}
	refused("at once")
	if p := b.turn(other.addr).get("/?" + v.Encode()); p.told.User != "st-elsewhere:alice" {
		t.Errorf("her own browser at the other replica: %d", p.status)
	}
	one.stop()
	one.start()
	refused("after a restart")
	_ = other.cmd.Process.Kill()
	_ = other.cmd.Wait()
	other.start()
	refused("after a crash")
	<-time.After(1200 * time.Millisecond) // the append-only file is written each second
	redis.Kill()
	redis.Restart()
	redistest.Eventually(t, "Redis is used again", func() bool { return w.handed(one.addr, token(t, "bob", 0)).told.User == "st-elsewhere:bob" })
	refused("after Redis was gone")

	// Two at the same moment: one of them comes in.
	v = token(t, "carol", 0)
	came := make(chan string)
	for _, r := range w.replicas {
		b := w.browser(r.addr)
		go func() {
			resp, err := b.client.Get(origin + "/?" + v.Encode())
			if err != nil {
				came <- err.Error()
				return
			}
			_ = resp.Body.Close()
			came <- resp.Status
		}()
	}
	if both := (<-came)[:3] + (<-came)[:3]; both != "200403" && both != "403200" {
		t.Errorf("at the same moment: %s", both)
	}
}

// TestTK1WithoutTheStoreOfUsedTokensNobodyIsHandedOver, and no other way is harmed.
func TestTK1WithoutTheStoreOfUsedTokensNobodyIsHandedOver(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, withPartner(options{replicas: 1, redis: single(redis)}))
	r := w.replicas[0]
	v := token(t, "alice", 0)
	redis.Kill()
	for _, c := range []url.Values{v, token(t, "bob", 0), token(t, "bob", time.Hour)} {
		p := w.handed(r.addr, c)
		if p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" || p.header.Get("Set-Cookie") != "" {
			t.Errorf("%d, Retry-After %q", p.status, p.header.Get("Retry-After"))
		}
		for name, values := range c {
			if strings.Contains(p.body, values[0]) {
				t.Errorf("the page holds the %s", name)
			}
		}
		if !strings.Contains(p.body, "Wait a minute") || !strings.Contains(p.body, "/sso/sign-in?") {
			t.Errorf("the page says %.300s", p.body)
		}
	}
	stranger := w.browser(r.addr)
	for target, words := range map[string]string{"/public/x": "{", "/sso/sign-in?choose=1": `name="password"`} {
		if p := stranger.get(target); p.status != http.StatusOK || !strings.Contains(p.body, words) {
			t.Errorf("%s: %d", target, p.status)
		}
	}
	if n := r.metric(`foregate_handoff_tokens_total{format="aes-gcm",partner="st-elsewhere",result="unavailable"}`); n == 0 {
		t.Error("no figure tells of it")
	}
	redis.Restart()
	redistest.Eventually(t, "alice comes in", func() bool { return w.handed(r.addr, v).told.User == "st-elsewhere:alice" })
	if p := w.browser(r.addr).signIn(); p.told.User != "nora" {
		t.Errorf("nora: %d", p.status)
	}
}

// TestTK1UsedOnceThroughAFailover: Redis' replica knows what its master knew.
func TestTK1UsedOnceThroughAFailover(t *testing.T) {
	s := redistest.StartSentinel(t)
	w := open(t, withPartner(options{replicas: 1, redis: "{addresses: [" + strings.Join(s.Addresses, ", ") + "], sentinel: " + s.Master + "}"}))
	r := w.replicas[0]
	v := token(t, "alice", 0)
	if p := w.handed(r.addr, v); p.told.User != "st-elsewhere:alice" {
		t.Fatalf("the first time: %d", p.status)
	}
	redistest.Eventually(t, "the replica has what the master has", func() bool {
		return s.Second.Do("dbsize") == s.First.Do("dbsize")
	})
	s.First.Kill()
	redistest.Eventually(t, "the other took over", func() bool { return w.handed(r.addr, token(t, "bob", 0)).told.User == "st-elsewhere:bob" })
	if p := w.handed(r.addr, v); p.status != http.StatusForbidden || p.told.User != "" {
		t.Errorf("again: %d, the application is told %q", p.status, p.told.User)
	}
}
