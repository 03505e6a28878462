package cookies_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/cookies/sqlstore"
	"foregate/internal/database"
)

func wait(d time.Duration) { <-time.After(d) }

func TestSE3SessionEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New(), nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		wait(limits.Idle - time.Second)
		sess := wantUser(t, s, b, "alice")
		if s.Left(sess) != time.Second {
			t.Errorf("a second before: left %v", s.Left(sess))
		}
		wait(time.Second)
		_, err := load(t, s, b)
		wantError(t, err, cookies.ErrIdle)
		wantError(t, err, cookies.ErrNoSession)
		if s.Left(sess) != 0 {
			t.Errorf("then: left %v", s.Left(sess))
		}
		s.Touch(sess) // too late, by a request that was under way for long
		_, err = load(t, s, b)
		wantError(t, err, cookies.ErrIdle)
	})
}

func TestSE3OnlyTouchIsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New(), nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		for range 19 {
			wait(time.Minute)
			wantUser(t, s, b, "alice") // a page that polls
		}
		wait(time.Minute)
		_, err := load(t, s, b)
		wantError(t, err, cookies.ErrIdle)
	})
}

func TestSE3SessionEndsWithItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		s := open(t, store, nil)
		b := newBrowser()
		began := time.Now()
		sess := signIn(t, s, b, alice)
		for time.Since(began) < limits.Lifetime {
			s.Touch(wantUser(t, s, b, "alice"))
			wait(15 * time.Minute)
		}
		if got := sess.Ends().Sub(began).Round(time.Second); got != limits.Lifetime {
			t.Errorf("it ends after %v, want %v", got, limits.Lifetime)
		}
		for _, sessions := range []*cookies.Sessions{s, open(t, store, nil)} {
			_, err := load(t, sessions, b)
			wantError(t, err, cookies.ErrOver)
			wantError(t, err, cookies.ErrNoSession)
		}
		wait(2 * time.Hour)
		_, err := load(t, open(t, store, nil), b)
		wantError(t, err, cookies.ErrNoSession)
		if errors.Is(err, cookies.ErrOver) {
			t.Error("the record is kept for ever")
		}
	})
}

func TestIdleSessionCanStillBeEndedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New(), nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		wait(time.Hour)
		ended, err := s.End(t.Context(), httptest.NewRecorder(), b.request(), true)
		if err != nil || ended.Identity.User != "alice" {
			t.Errorf("got %v, %v", ended, err)
		}
		wantNone(t, s, b)
	})
}

func TestNobodyIsDeclaredIdleFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := open(t, store, nil), open(t, store, nil)
		b := newBrowser()
		signIn(t, here, b, alice)
		wantUser(t, there, b, "alice")
		for range 3 { // all activity is here
			wait(15 * time.Minute)
			here.Touch(wantUser(t, here, b, "alice"))
		}
		wait(time.Minute)
		wantUser(t, there, b, "alice")
		wait(18 * time.Minute)
		wantUser(t, there, b, "alice")
		wait(2 * time.Minute)
		_, err := load(t, there, b)
		wantError(t, err, cookies.ErrIdle)
	})
}

func TestActivityOnTwoReplicasIsMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		here, there := open(t, store, nil), open(t, store, nil)
		b := newBrowser()
		signIn(t, here, b, alice)
		wantUser(t, there, b, "alice")
		for range 20 {
			wait(2 * time.Minute)
			here.Touch(wantUser(t, here, b, "alice"))
			there.Touch(wantUser(t, there, b, "alice"))
		}
		wait(time.Minute)
		wait(18 * time.Minute)
		wantUser(t, open(t, store, nil), b, "alice")
		wait(2 * time.Minute)
		_, err := load(t, open(t, store, nil), b)
		wantError(t, err, cookies.ErrIdle)
	})
}

func TestActivityIsWrittenOverWhatAnotherReplicaWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := open(t, store, nil), open(t, store, nil)
		b := newBrowser()
		sess := signIn(t, here, b, alice)
		wait(5 * time.Minute)
		there.Touch(wantUser(t, there, b, "alice"))
		wait(5 * time.Minute)
		here.Touch(sess) // of a version that is out of date
		wait(limits.Idle - time.Second)
		wantUser(t, open(t, store, nil), b, "alice")
	})
}

func TestTouchesAreWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		before := store.calls.Load()
		for range 20 * 60 {
			s.Touch(wantUser(t, s, b, "alice"))
			wait(time.Second)
		}
		calls := store.calls.Load() - before
		if calls < 19 || calls > 20 { // every idle/20 = one minute
			t.Errorf("20 minutes of activity cost %d store calls, want one a minute", calls)
		}
		wait(18 * time.Minute)
		wantUser(t, open(t, store, nil), b, "alice")
	})
}

func TestTouchDuringAWriteIsNotWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		sess := signIn(t, s, newBrowser(), alice)
		wait(5 * time.Minute)
		store.updated = func() { s.Touch(sess) }
		before := store.calls.Load()
		s.Touch(sess)
		wait(30 * time.Second)
		if calls := store.calls.Load() - before; calls != 1 {
			t.Errorf("half a minute of activity cost %d store calls, want 1", calls)
		}
		s.Touch(sess)
		wait(time.Minute)
		s.Touch(sess)
		wait(time.Second)
		if calls := store.calls.Load() - before; calls != 2 {
			t.Errorf("then %d store calls, want 2", calls)
		}
	})
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		s := open(t, store, nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		wait(50 * time.Second)
		s.Touch(wantUser(t, s, b, "alice")) // not due yet
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wait(limits.Idle - 10*time.Second)
		wantUser(t, open(t, store, nil), b, "alice")
		wait(10 * time.Second)
		_, err := load(t, open(t, store, nil), b)
		wantError(t, err, cookies.ErrIdle)
	})
}

func TestFM12ActivityIsKeptWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		store.down.Store(true)
		for range 60 { // longer than the idle time
			wait(time.Minute)
			s.Touch(wantUser(t, s, b, "alice"))
		}
		last := time.Now()
		store.down.Store(false)
		wait(5 * time.Second)
		anew := open(t, store, nil)
		if got, want := anew.Left(wantUser(t, anew, b, "alice")), time.Until(last.Add(limits.Idle)); (got - want).Abs() > 10*time.Millisecond {
			t.Errorf("from the store it is idle in %v, want %v", got, want)
		}
	})
}

func TestFM12ClosingDoesNotWaitForADeadStoreAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		sessions := make([]*cookies.Session, 1200) // more than two batches
		for i := range sessions {
			sessions[i] = signIn(t, s, newBrowser(), alice)
		}
		wait(time.Second)
		for _, sess := range sessions {
			s.Touch(sess)
		}
		store.down.Store(true)
		before := store.calls.Load()
		if err := s.Close(); !errors.Is(err, errDown) {
			t.Errorf("got %v, want to know that activity was lost", err)
		}
		if calls := store.calls.Load() - before; calls > 500 {
			t.Errorf("%d calls of a dead store, want no more than one batch", calls)
		}
		if err := s.Close(); !errors.Is(err, errDown) {
			t.Errorf("the second time: got %v", err)
		}
	})
}

func TestSE14LongConnectionLearnsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := open(t, store, nil), open(t, store, nil)
		b := newBrowser()
		sess := signIn(t, here, b, alice)
		wait(15 * time.Minute)
		there.Touch(wantUser(t, there, b, "alice"))
		wait(15 * time.Minute)
		sess, err := here.Check(t.Context(), sess) // memory alone says idle
		if err != nil {
			t.Fatal(err)
		}
		if err := here.Revoke(t.Context(), sess.Key()); err != nil {
			t.Fatal(err)
		}
		_, err = here.Check(t.Context(), sess)
		wantError(t, err, cookies.ErrNoSession)
	})
}

func TestFM12StoreDownNeverMeansIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		b := newBrowser()
		signIn(t, s, b, alice)
		wait(limits.Idle)
		store.down.Store(true)
		_, err := load(t, s, b)
		wantError(t, err, errDown)
		if errors.Is(err, cookies.ErrNoSession) {
			t.Error("declared idle without having asked")
		}
	})
}

func TestLateTouchDoesNotBringBackASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		s := open(t, store, nil)
		b := newBrowser()
		sess := signIn(t, s, b, alice)
		wait(2 * time.Minute)
		s.Touch(sess) // waits to be written
		// Another replica ends it: this one's memory does not know.
		if err := store.Delete(t.Context(), sess.Key()); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Second)
		wantNone(t, s, b)
		if _, err := store.Load(t.Context(), sess.Key()); !errors.Is(err, cookies.ErrNotFound) {
			t.Errorf("the record is back: %v", err)
		}
	})
}

func TestFM13ClockSetBackEndsNothing(t *testing.T) {
	for _, store := range []string{"in memory", "at the store"} {
		t.Run(store, func(t *testing.T) {
			records, at := memstore.New(), newClock()
			withClock := func(c *cookies.Config) { c.Clock = at.now }
			s := open(t, records, withClock)
			b := newBrowser()
			signIn(t, s, b, alice)
			at.step(-2 * time.Hour)
			if store == "at the store" {
				s = open(t, records, withClock)
			}
			s.Touch(wantUser(t, s, b, "alice"))
			at.step(limits.Idle - time.Second)
			wantUser(t, s, b, "alice")
			at.step(time.Second)
			_, err := load(t, s, b)
			wantError(t, err, cookies.ErrIdle)
		})
	}
}

func TestFM13ClockSetBackDoesNotSilenceActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, at := newSpy(), newClock()
		s := open(t, store, func(c *cookies.Config) { c.Clock = at.now })
		b := newBrowser()
		signIn(t, s, b, alice)
		at.step(-2 * time.Hour)
		before := store.calls.Load()
		s.Touch(wantUser(t, s, b, "alice"))
		wait(time.Second)
		if store.calls.Load() == before {
			t.Error("activity is not written until the clock has caught up")
		}
	})
}

func TestFM13ClockForwardAndBackMakesNoEternalSession(t *testing.T) {
	store, at := memstore.New(), newClock()
	withClock := func(c *cookies.Config) { c.Clock = at.now }
	b := newBrowser()
	at.step(2 * time.Hour)
	s := open(t, store, withClock)
	signIn(t, s, b, alice)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at.step(-2 * time.Hour)
	s = open(t, store, withClock)
	wantUser(t, s, b, "alice")
	at.step(limits.Idle)
	_, err := load(t, s, b) // the store says seen in the future, and memory knows better
	wantError(t, err, cookies.ErrIdle)
}

func TestTouchesReachTheDatabase(t *testing.T) {
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := sqlstore.Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at := newClock()
	withClock := func(c *cookies.Config) { c.Clock = at.now }
	s := open(t, store, withClock)
	browsers := make([]*browser, 20)
	for i := range browsers {
		browsers[i] = newBrowser()
		signIn(t, s, browsers[i], alice)
	}
	at.step(10 * time.Minute)
	for _, b := range browsers {
		s.Touch(wantUser(t, s, b, "alice"))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at.step(15 * time.Minute)
	again := open(t, store, withClock)
	for _, b := range browsers {
		wantUser(t, again, b, "alice")
	}
}

// TestTokensStayInTheStoreUntilTheEnd: what a method keeps is not in memory, is
// not lost when activity is written, and is there when the session ends.
func TestTokensStayInTheStoreUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		s := open(t, store, nil)
		b := newBrowser()
		id := alice
		id.Private = map[string]string{"id_token": "e30"}
		signIn(t, s, b, id)
		for range 5 {
			wait(5 * time.Minute)
			sess := wantUser(t, s, b, "alice")
			if sess.Identity.Private != nil {
				t.Fatal("tokens are in memory")
			}
			s.Touch(sess)
			wait(time.Minute)
		}
		other := open(t, store, nil)
		wantUser(t, other, b, "alice") // the activity arrived
		w := httptest.NewRecorder()
		ended, err := other.End(t.Context(), w, b.request(), true)
		if err != nil || ended.Identity.Private["id_token"] != "e30" {
			t.Errorf("at the end: %v, %v", err, ended.Identity.Private)
		}
	})
}

// A process of this version touches what one of the next version wrote.
func TestFM20TouchKeepsWhatALaterVersionAdded(t *testing.T) {
	at := newClock()
	store := memstore.New()
	here := open(t, store, func(c *cookies.Config) { c.Clock = at.now })
	b := newBrowser()
	sess := signIn(t, here, b, alice)
	rec, err := store.Load(t.Context(), sess.Key())
	if err != nil {
		t.Fatal(err)
	}
	rec.Data = cookies.WithField(t, sess, rec.Data, "next", `"version"`)
	if err := store.Update(t.Context(), sess.Key(), rec); err != nil {
		t.Fatal(err)
	}
	here.ForgetAll()
	at.step(limits.Idle / 2)
	here.Touch(wantUser(t, here, b, "alice"))
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := store.Load(t.Context(), sess.Key())
	if err != nil {
		t.Fatal(err)
	}
	if after.Version != rec.Version+2 || cookies.Field(t, sess, after.Data, "next") != `"version"` {
		t.Errorf("version %d, field %q", after.Version, cookies.Field(t, sess, after.Data, "next"))
	}
}
