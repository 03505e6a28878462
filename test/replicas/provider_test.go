package replicas

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/internal/optest"
	"foregate/internal/redistest"
)

// The provider's tokens last 31 seconds in these tests: Foregate renews them after
// 30, the least it allows itself.
const (
	tokenTTL = 31
	due      = 30 * time.Second
)

// TestOI9RenewedOnceByAHundredRequests: at two replicas, by a provider that takes
// its time; what it says then reaches the application and the rules.
func TestOI9RenewedOnceByAHundredRequests(t *testing.T) {
	t.Parallel()
	w := open(t, options{replicas: 2, redis: single(redistest.Start(t)), provider: true, tokenTTL: tokenTTL})
	b := w.browser(w.replicas[0].addr)
	b.signInAtProvider()
	before := b.in("alice")
	signedIn := time.Now()
	if before.told.Groups != "admins,staff" || before.told.Token == "" {
		t.Fatalf("told %+v", before.told)
	}
	if p := b.get("/night/"); p.status != http.StatusForbidden {
		t.Errorf("not in the group: %d", p.status)
	}
	cookie := b.cookie()
	w.op.Say(t, optest.Alice, map[string]any{"groups": []string{"night"}})
	<-time.After(time.Until(signedIn.Add(due)))
	w.op.Delay(t, 5*time.Second) // longer than a request waits for it
	var refused atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if status, _, _ := ask(t, w.replicas[i%2], "/", cookie); status != http.StatusOK {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	redistest.Eventually(t, "the session is renewed", func() bool { return b.in("alice").told.Groups == "night" })
	w.op.Delay(t, 0)
	if refused.Load() > 0 {
		t.Errorf("%d of 100 requests were refused meanwhile", refused.Load())
	}
	if n := w.op.Renewals(t); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	for _, r := range w.replicas {
		after := b.turn(r.addr).in("alice")
		if after.told.Groups != "night" || after.told.Token == before.told.Token || after.told.Token == "" {
			t.Errorf("told %+v", after.told)
		}
		if p := b.get("/night/"); p.status != http.StatusOK {
			t.Errorf("in the group now: %d", p.status)
		}
	}
}

// TestFM5ProviderDown: who is signed in works on past their token's end, others are
// told, and all is well when it is back. Who is shut out there is signed out here.
func TestFM5ProviderDown(t *testing.T) {
	t.Parallel()
	w := open(t, options{replicas: 2, redis: single(redistest.Start(t)), provider: true, tokenTTL: tokenTTL})
	b, other := w.browser(w.replicas[0].addr), w.browser(w.replicas[1].addr)
	b.signInAtProvider()
	signedIn := time.Now()
	b.in("alice")
	w.op.Freeze(t)
	<-time.After(time.Until(signedIn.Add(due + 2*time.Second)))
	longest := time.Duration(0)
	for range 20 {
		longest = max(longest, b.in("alice").took)
	}
	t.Logf("the slowest of 20 requests took %v while the provider was frozen", longest.Round(time.Millisecond))
	if longest > 4*time.Second {
		t.Errorf("a request took %v", longest)
	}
	if p := other.get("/sso/sign-in?choose=1"); p.took > 5*time.Second || p.status != http.StatusOK {
		t.Errorf("the sign-in page: %d after %v", p.status, p.took)
	}
	if other.signIn(); !other.signedIn() {
		t.Error("the other way to sign in does not work")
	}
	w.op.Thaw(t)
	redistest.Eventually(t, "the session is renewed again", func() bool {
		b.in("alice")
		return w.op.Renewals(t) > 0
	})

	w.op.Revoke(t, optest.Alice)
	<-time.After(due)
	redistest.Eventually(t, "who is shut out is signed out", func() bool { return b.get("/").told.User == "" })
	wantRefused(t, w.replicas[1], b.cookie())
	redistest.Eventually(t, "the log says why", func() bool {
		return strings.Contains(w.replicas[0].logs.String(), "session ended by provider")
	})
}

// TestOI12SignedOutAtTheProvider: the provider's server says so to one replica, and
// the session is over on all.
func TestOI12SignedOutAtTheProvider(t *testing.T) {
	t.Parallel()
	w := open(t, options{replicas: 2, redis: single(redistest.Start(t)), provider: true})
	b := w.browser(w.replicas[0].addr)
	b.signInAtProvider()
	b.in("alice")
	b.turn(w.replicas[1].addr).in("alice")
	cookie := b.cookie()
	ended := b.get(w.op.Issuer + "/session/end?client_id=foregate&post_logout_redirect_uri=" + origin + "/sso/sign-out")
	if !strings.Contains(ended.body, "xsrf") {
		t.Fatalf("the provider asks nothing: %d %.300s", ended.status, ended.body)
	}
	b.post(w.op.Issuer+"/session/end/confirm", map[string][]string{"xsrf": {hidden(ended.body, "xsrf")}, "logout": {"yes"}})
	for _, r := range w.replicas {
		wantRefused(t, r, cookie)
	}
}

// TestReentryAsksTheProvider where the sign-in itself has run out, and it must be
// asked to prove who the person is where it does not renew it.
func TestReentryAsksTheProvider(t *testing.T) {
	t.Parallel()
	w := open(t, options{redis: single(redistest.Start(t)), provider: true, session: ", idle: 2s"})
	b := w.browser(w.replicas[0].addr)
	b.signInAtProvider()
	b.in("alice")
	<-time.After(2500 * time.Millisecond)
	page := b.get("/wards/7")
	if page.told.User != "" || !strings.Contains(page.body, "Continue as Alice Archer") {
		t.Fatalf("after being away: %d at %s: %.300s", page.status, page.at, page.body)
	}
	if again := b.get(fmt.Sprint(page.at)); again.told.User != "alice" || again.at.Path != "/wards/7" {
		t.Errorf("the refresh leads to %s, %+v", again.at, again.told)
	}
}
