package ldap

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jimlambrt/gldap"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// signsIn is how long alice takes to sign in.
func (b bench) signsIn(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	b.enters(t, "alice", ldaptest.Password)
	return time.Since(start)
}

func twoServers(t *testing.T) (first, second *ldaptest.Slapd, b bench) {
	t.Helper()
	first, second = ldaptest.StartSlapd(t, ldaptest.Options{}), ldaptest.StartSlapd(t, ldaptest.Options{})
	c := onSlapd(first)
	c.Servers, c.InsecurePlain, c.CA = []string{first.Plain, second.Plain}, true, ""
	return first, second, newBench(t, c)
}

func TestFM8DeadServerIsPassedOver(t *testing.T) {
	first, _, b := twoServers(t)
	b.signsIn(t)
	first.Kill()
	for i := range 20 {
		if took := b.signsIn(t); took > time.Second {
			t.Errorf("sign-in %d after the server died takes %v", i, took)
		}
	}
}

func TestFM8FrozenServerCostsOneWait(t *testing.T) {
	first, _, b := twoServers(t)
	b.signsIn(t)
	first.Freeze(t)
	defer first.Thaw(t)
	if took := b.signsIn(t); took > 3*time.Second {
		t.Errorf("the first sign-in takes %v", took)
	}
	for i := range 20 {
		if took := b.signsIn(t); took > time.Second {
			t.Errorf("sign-in %d after that takes %v; log:\n%s", i, took, b.out)
		}
	}
	if until := b.servers.fixed[0].downUntil(); time.Until(until) < 20*time.Second {
		t.Errorf("the server is passed over for %v", time.Until(until))
	}
}

func TestFM8NewConnectionsToAFrozenServer(t *testing.T) {
	first, _, b := twoServers(t)
	first.Freeze(t)
	defer first.Thaw(t)
	if took := b.signsIn(t); took > 3*time.Second {
		t.Errorf("the first sign-in takes %v", took)
	}
	if took := b.signsIn(t); took > time.Second {
		t.Errorf("the second takes %v", took)
	}
}

func TestFM8AllDeadIsSaidAndCountsNothing(t *testing.T) {
	for name, end := range map[string]func(*ldaptest.Slapd){
		"killed": func(s *ldaptest.Slapd) { s.Kill() },
		"frozen": func(s *ldaptest.Slapd) { s.Freeze(t) },
	} {
		t.Run(name, func(t *testing.T) {
			first, second, b := twoServers(t)
			end(first)
			end(second)
			start := time.Now()
			reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, ward)
			if took := time.Since(start); reply != nil || status(t, err) != 503 || took > 3*time.Second {
				t.Errorf("sign in = %v, %v after %v, want an error of 503 within 3s", reply, err, took)
			}
			var e *authn.Error
			if errors.As(err, &e); e.Public != unreachable || e.RetryAfter <= 0 {
				t.Errorf("words %q, retry after %v", e.Public, e.RetryAfter)
			}
			if n := len(b.tries.Counts()); n != 0 {
				t.Errorf("%d counters", n)
			}
		})
	}
}

func TestFM8RestartedServerIsNotNoticed(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	c := onTap(tp)
	c.Lockout = Lockout{Failures: 100, AccountFailures: 30}
	b := newBench(t, c)
	// 25 at a time, so that connections wait in the pools when all are cut.
	for range 40 {
		var all sync.WaitGroup
		for range 25 {
			all.Go(func() { b.enters(t, "alice", ldaptest.Password) })
		}
		all.Wait()
		tp.cut()
	}
	s.Kill()
	s.Start(t)
	b.enters(t, "alice", ldaptest.Password)
}

func TestIdleConnectionsAreNotUsedForever(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	b := newBench(t, onTap(tp))
	b.enters(t, "alice", ldaptest.Password)
	before := len(tp.binds(t))
	b.searches.now = func() time.Time { return time.Now().Add(maxIdle + time.Second) }
	b.enters(t, "alice", ldaptest.Password)
	if got := len(tp.binds(t)) - before; got != 2 { // the service's and hers
		t.Errorf("%d binds, want a new connection for searches", got)
	}
}

func TestFM8SecondDomainController(t *testing.T) {
	first := ldaptest.AD(t)
	second := first.Twin(t)
	third := first.Twin(t)
	c := onAD(first)
	c.Servers = []string{third.Address, second.Address}
	b := newBench(t, c)
	id := b.enters(t, "alice", ldaptest.Password)
	third.Kill()
	start := time.Now()
	if got := b.enters(t, "alice", ldaptest.Password); got.Subject != id.Subject {
		t.Errorf("subject %q, then %q", id.Subject, got.Subject)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the sign-in after a controller died takes %v", took)
	}
	if _, err := b.Refresh(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestFM8SlowBindsDoNotPileUp(t *testing.T) {
	var now, peak atomic.Int64
	release := make(chan struct{})
	slow := fake{search: knows(fakeAlice), bind: func(w *gldap.ResponseWriter, r *gldap.Request) {
		if m, err := r.GetSimpleBindMessage(); err == nil && m.UserName != "cn=svc,"+fakeBase {
			peak.Store(max(peak.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-release:
			case <-time.After(10 * time.Second):
			}
		}
		_ = w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}}
	url := slow.start(t)
	defer close(release)
	c := onFake(url)
	c.Wait, c.Timeouts.Bind = time.Second, 6*time.Second
	c.Lockout = Lockout{Failures: 100, AccountFailures: 30}
	b := newBench(t, c)
	start := time.Now()
	var busyOnes, late atomic.Int64
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			reply, err := b.signIn(ctx, "alice", "something", ward)
			var e *authn.Error
			switch {
			case reply != nil || !errors.As(err, &e) || e.Status != 503:
				t.Errorf("sign in = %v, %v, want an error of 503", reply, err)
			case e.Public == busy:
				busyOnes.Add(1)
			default:
				late.Add(1)
			}
		})
	}
	all.Wait()
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("the last of 500 is answered after %v", took)
	}
	if n := peak.Load(); n > 10 || n == 0 {
		t.Errorf("%d binds at a time, want 10 at most", n)
	}
	if busyOnes.Load() < 400 || late.Load() == 0 {
		t.Errorf("%d were told to wait, %d that the directory does not answer", busyOnes.Load(), late.Load())
	}
}

func TestServersOfADomainComeFromDNS(t *testing.T) {
	var fails atomic.Bool
	now := time.Now()
	r := &records{domain: "hospital.example", startTLS: true, now: func() time.Time { return now },
		lookUp: func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
			if fails.Load() {
				return "", nil, errors.New("no name server")
			}
			if service != "ldap" || proto != "tcp" || name != "hospital.example" {
				t.Errorf("looked up _%s._%s.%s", service, proto, name)
			}
			return "", []*net.SRV{
				{Target: "dc.evil.example.", Port: 389}, {Target: "evilhospital.example.", Port: 389},
				{Target: "DC1.hospital.example.", Port: 389}, {Target: "dc2.hospital.example.", Port: 3268},
			}, nil
		}}
	addresses := func() []string {
		list, err := r.servers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, one := range list {
			all = append(all, one.address)
		}
		return all
	}
	if diff := cmp.Diff([]string{"dc1.hospital.example:389", "dc2.hospital.example:3268"}, addresses()); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	known := r.found[0]
	now = now.Add(recordsLast)
	addresses()
	if r.found[0] != known {
		t.Error("what was known of a server is forgotten")
	}
	fails.Store(true)
	now = now.Add(recordsLast)
	if diff := cmp.Diff([]string{"dc1.hospital.example:389", "dc2.hospital.example:3268"}, addresses()); diff != "" {
		t.Errorf("servers without DNS (-want +got):\n%s", diff)
	}
	r.startTLS, r.found = false, nil
	now = now.Add(recordsLast)
	if _, err := r.servers(t.Context()); err == nil {
		t.Error("servers without DNS, although none were known")
	}
	fails.Store(false)
	now = now.Add(recordsSoon)
	if diff := cmp.Diff([]string{"dc1.hospital.example:636", "dc2.hospital.example:3269"}, addresses()); diff != "" {
		t.Errorf("servers by LDAPS (-want +got):\n%s", diff)
	}
}
