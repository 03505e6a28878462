package cookies_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// expiring is alice with a token that is renewed after a while.
func expiring(after time.Duration) authn.Identity {
	id := alice
	id.Groups = []string{"ward-7"}
	id.Renew = time.Now().Add(after)
	id.Private = map[string]string{"refresh_token": "1"}
	return id
}

// provider counts renewals, and gives each a new token and another group.
type provider struct {
	calls atomic.Int32
	takes time.Duration
	err   error
	seen  sync.Map // tokens that were presented
}

func (p *provider) renew(ctx context.Context, id authn.Identity) (authn.Identity, error) {
	n := p.calls.Add(1)
	if _, again := p.seen.LoadOrStore(id.Private["refresh_token"], true); again {
		return authn.Identity{}, fmt.Errorf("token presented twice: %w", authn.ErrEnded)
	}
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return authn.Identity{}, ctx.Err()
	}
	if p.err != nil {
		return authn.Identity{}, p.err
	}
	id.Groups = []string{fmt.Sprint("ward-", n)}
	id.Renew = time.Now().Add(time.Hour)
	id.Private = map[string]string{"refresh_token": fmt.Sprint("after-", n)}
	return id, nil
}

func wantGroup(t *testing.T, s *cookies.Sessions, b *browser, group string) *cookies.Session {
	t.Helper()
	sess := wantUser(t, s, b, "alice")
	if g := sess.Identity.Groups; len(g) != 1 || g[0] != group {
		t.Fatalf("groups %q, want %q", g, group)
	}
	return sess
}

func TestOI9RenewedOnceByAHundredRequestsOfTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := sessions(t, store), sessions(t, store)
		defer here.Close()
		defer there.Close()
		b := newBrowser()
		signIn(t, here, b, expiring(time.Minute))
		p := &provider{takes: 25 * time.Second} // longer than a lease lasts unless it is prolonged
		if here.Due(wantUser(t, here, b, "alice")) {
			t.Fatal("due at once")
		}
		time.Sleep(time.Minute)
		var all sync.WaitGroup
		for i := range 100 {
			s := []*cookies.Sessions{here, there}[i%2]
			all.Go(func() {
				sess := wantUser(t, s, b, "alice")
				if !s.Due(sess) {
					t.Error("not due")
				}
				if err := s.Renew(t.Context(), sess, p.renew); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := p.calls.Load(); n != 1 {
			t.Errorf("renewed %d times", n)
		}
		for _, s := range []*cookies.Sessions{here, there} {
			if s.Due(wantGroup(t, s, b, "ward-1")) {
				t.Error("due again")
			}
		}
		time.Sleep(10 * time.Minute)
		sess := wantUser(t, there, b, "alice")
		if err := there.Renew(t.Context(), sess, p.renew); err != nil {
			t.Fatalf("the second time, with the new token: %v", err)
		}
		wantGroup(t, there, b, "ward-2")
	})
}

// sessions is open for a test that has its own time.
func sessions(t *testing.T, store cookies.Store) *cookies.Sessions {
	t.Helper()
	s, err := cookies.New(store, cookies.Config{Secrets: [][]byte{secret("a")}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFM20RenewalAndReentryKeepWhatALaterVersionAdded to the record.
func TestFM20RenewalAndReentryKeepWhatALaterVersionAdded(t *testing.T) {
	at := newClock()
	store := memstore.New()
	s := open(t, store, func(c *cookies.Config) { c.Clock = at.now })
	b := newBrowser()
	sess := signIn(t, s, b, expiring(0))
	rec, err := store.Load(t.Context(), sess.Key())
	if err != nil {
		t.Fatal(err)
	}
	rec.Data = cookies.WithField(t, sess, rec.Data, "next", `{"version":2}`)
	if err := store.Update(t.Context(), sess.Key(), rec); err != nil {
		t.Fatal(err)
	}
	s.ForgetAll()
	kept := func(deed string) {
		t.Helper()
		after, err := store.Load(t.Context(), sess.Key())
		if err != nil {
			t.Fatal(err)
		}
		if got := cookies.Field(t, sess, after.Data, "next"); got != `{"version":2}` || after.Version <= rec.Version {
			t.Errorf("%s: version %d, field %q", deed, after.Version, got)
		}
		rec = after
	}
	if err := s.Renew(t.Context(), wantUser(t, s, b, "alice"), new(provider).renew); err != nil {
		t.Fatal(err)
	}
	kept("renewal")
	at.step(limits.Idle)
	away, err := s.Away(t.Context(), b.request(), true, app)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reenter(t.Context(), away); err != nil {
		t.Fatal(err)
	}
	kept("re-entry")
	wantGroup(t, s, b, "ward-1")
}

func TestWithdrawnAuthorisationEndsTheSession(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess := signIn(t, s, b, expiring(-time.Second))
	p := &provider{err: fmt.Errorf("invalid_grant: %w", authn.ErrEnded)}
	wantError(t, s.Renew(t.Context(), sess, p.renew), cookies.ErrNoSession)
	wantNone(t, s, b)
}

func TestFM5OutageOfTheProviderEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessions(t, memstore.New())
		defer s.Close()
		b := newBrowser()
		sess := signIn(t, s, b, expiring(-time.Second))
		p := &provider{err: errors.New("connection refused")}
		if err := s.Renew(t.Context(), sess, p.renew); err == nil || errors.Is(err, cookies.ErrNoSession) {
			t.Fatalf("got %v", err)
		}
		sess = wantGroup(t, s, b, "ward-7")
		if s.Due(sess) {
			t.Error("the provider is asked again at once")
		}
		time.Sleep(31 * time.Second)
		if sess = wantUser(t, s, b, "alice"); !s.Due(sess) {
			t.Error("the provider is not asked again")
		}
		back := &provider{}
		if err := s.Renew(t.Context(), sess, back.renew); err != nil {
			t.Fatal(err)
		}
		wantGroup(t, s, b, "ward-1")
	})
}

func TestSignOutDuringRenewalWins(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess := signIn(t, s, b, expiring(-time.Second))
	err := s.Renew(t.Context(), sess, func(ctx context.Context, id authn.Identity) (authn.Identity, error) {
		if err := s.Revoke(ctx, sess.Key()); err != nil {
			t.Error(err)
		}
		return id, nil
	})
	wantError(t, err, cookies.ErrNoSession)
	wantNone(t, s, b)
}

func TestSE15ActivityDuringRenewalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := sessions(t, store), sessions(t, store)
		defer here.Close()
		defer there.Close()
		b := newBrowser()
		sess := signIn(t, here, b, expiring(-time.Second))
		time.Sleep(15 * time.Minute)
		p := &provider{takes: 4 * time.Second}
		done := make(chan error, 1)
		go func() { done <- here.Renew(t.Context(), sess, p.renew) }()
		time.Sleep(time.Second)
		there.Touch(wantUser(t, there, b, "alice"))
		here.Touch(wantUser(t, here, b, "alice"))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // 25 since the sign-in, 10 since the activity
		wantGroup(t, here, b, "ward-1")
		there.ForgetAll()
		wantGroup(t, there, b, "ward-1")
	})
}

func TestRenewalGoesOnWithoutWhoAskedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessions(t, memstore.New())
		defer s.Close()
		b := newBrowser()
		sess := signIn(t, s, b, expiring(-time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := &provider{takes: 5 * time.Second}
		wantError(t, s.Renew(ctx, sess, p.renew), context.DeadlineExceeded)
		wantGroup(t, s, b, "ward-7")
		time.Sleep(5 * time.Second)
		wantGroup(t, s, b, "ward-1")
	})
}

// What the provider gave once only must reach a store that stumbles.
func TestNewTokenIsNotLostWhenTheStoreStumbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := sessions(t, store)
		defer s.Close()
		b := newBrowser()
		sess := signIn(t, s, b, expiring(-time.Second))
		p := &provider{}
		err := s.Renew(t.Context(), sess, func(ctx context.Context, id authn.Identity) (authn.Identity, error) {
			store.down.Store(true)
			time.AfterFunc(5*time.Second, func() { store.down.Store(false) })
			return p.renew(ctx, id)
		})
		if err != nil {
			t.Fatal(err)
		}
		wantGroup(t, s, b, "ward-1")
	})
}

func TestRenewalMakesNobodyElseOfAPerson(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess := signIn(t, s, b, expiring(-time.Second))
	err := s.Renew(t.Context(), sess, func(_ context.Context, id authn.Identity) (authn.Identity, error) {
		id.Subject = bob.Subject
		return id, nil
	})
	wantError(t, err, cookies.ErrNoSession)
	wantNone(t, s, b)
}

func TestPersonWhoWasAwayReenters(t *testing.T) {
	at := newClock()
	s := open(t, memstore.New(), func(c *cookies.Config) { c.Clock = at.now })
	b := newBrowser()
	signIn(t, s, b, alice)
	_, err := away(t, s, b)
	wantError(t, err, cookies.ErrAlive)
	at.step(limits.Idle)
	_, err = load(t, s, b)
	wantError(t, err, cookies.ErrIdle)
	sess, err := away(t, s, b)
	if err != nil {
		t.Fatal(err)
	}
	if sess.Identity.User != "alice" {
		t.Errorf("away is %q", sess.Identity.User)
	}
	if err := s.Reenter(t.Context(), sess); err != nil {
		t.Fatal(err)
	}
	again := wantUser(t, s, b, "alice")
	if got := again.Ends(); !got.Equal(sess.Ends()) {
		t.Errorf("the lifetime changed from %v to %v", sess.Ends(), got)
	}
	at.step(limits.Lifetime)
	_, err = away(t, s, b)
	wantError(t, err, cookies.ErrOver)
}

func TestWhoSignedOutDoesNotReenter(t *testing.T) {
	at := newClock()
	s := open(t, memstore.New(), func(c *cookies.Config) { c.Clock = at.now })
	b := newBrowser()
	signIn(t, s, b, alice)
	at.step(limits.Idle)
	sess, err := away(t, s, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Reenter(t.Context(), sess), cookies.ErrNoSession)
	_, err = away(t, s, b)
	wantError(t, err, cookies.ErrNoSession)
}

func away(t *testing.T, s *cookies.Sessions, b *browser) (*cookies.Session, error) {
	t.Helper()
	return s.Away(t.Context(), b.request(), true, app)
}
