package cookies_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

func byDirectory(method string) bool { return method == "ward-ad" }

// movable is alice, whose method can say who she is now.
func movable() authn.Identity {
	id := expiring(time.Hour)
	id.Method = "ward-ad"
	return id
}

func wantOvertaken(t *testing.T, s *cookies.Sessions, b *browser) *cookies.Session {
	t.Helper()
	sess := wantUser(t, s, b, "alice")
	if !sess.Overtaken() || !s.Due(sess) {
		t.Fatalf("overtaken %v, due %v", sess.Overtaken(), s.Due(sess))
	}
	return sess
}

func TestChangedPersonKeepsTheSessionsThatAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		here, there := sessions(t, store), sessions(t, store)
		defer here.Close()
		defer there.Close()
		byPassword, byCode := movable(), alice
		byCode.Method = "code"
		b := signedIn(t, here, byPassword, byCode, bob)
		wantUser(t, there, b[0], "alice") // is in the other one's memory too
		if err := here.RenewPerson(t.Context(), alice.Issuer, alice.Subject, byDirectory); err != nil {
			t.Fatal(err)
		}
		wantNone(t, here, b[1]) // nobody can be asked who that is now
		if here.Due(wantUser(t, here, b[2], "bob")) {
			t.Error("bob is renewed")
		}
		sess := wantOvertaken(t, here, b[0])
		there.Forget(sess.Key()) // a store that replicas share says so
		here.Touch(sess)         // activity does not take the mark away
		time.Sleep(time.Minute)
		there.ForgetAll()
		here.ForgetAll()
		p := new(provider)
		if err := there.Renew(t.Context(), wantOvertaken(t, there, b[0]), p.renew); err != nil {
			t.Fatal(err)
		}
		here.ForgetAll()
		for _, s := range []*cookies.Sessions{here, there} {
			if sess := wantGroup(t, s, b[0], "ward-1"); sess.Overtaken() || s.Due(sess) {
				t.Error("to be renewed again")
			}
		}
		if n := p.calls.Load(); n != 1 {
			t.Errorf("renewed %d times", n)
		}
	})
}

func TestChangeDuringARenewalIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessions(t, memstore.New())
		defer s.Close()
		b := signedIn(t, s, movable())
		mark := func() {
			if err := s.RenewPerson(t.Context(), alice.Issuer, alice.Subject, byDirectory); err != nil {
				t.Fatal(err)
			}
		}
		mark()
		p := &provider{takes: time.Second}
		go func() {
			time.Sleep(500 * time.Millisecond)
			mark() // after the directory was asked
		}()
		if err := s.Renew(t.Context(), wantOvertaken(t, s, b[0]), p.renew); err != nil {
			t.Fatal(err)
		}
		if err := s.Renew(t.Context(), wantOvertaken(t, s, b[0]), p.renew); err != nil {
			t.Fatal(err)
		}
		if wantGroup(t, s, b[0], "ward-2").Overtaken() {
			t.Error("still overtaken")
		}
	})
}

// TestOvertakenSessionDoesNotCountWhileTheDirectoryIsDown: it is neither what it was
// nor over.
func TestOvertakenSessionDoesNotCountWhileTheDirectoryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessions(t, memstore.New())
		defer s.Close()
		b := signedIn(t, s, movable())
		if err := s.RenewPerson(t.Context(), alice.Issuer, alice.Subject, byDirectory); err != nil {
			t.Fatal(err)
		}
		asked, down := 0, errors.New("the directory does not answer")
		renew := func(_ context.Context, id authn.Identity) (authn.Identity, error) {
			asked++
			return id, down
		}
		for range 10 {
			if err := s.Renew(t.Context(), wantOvertaken(t, s, b[0]), renew); err == nil || errors.Is(err, cookies.ErrNoSession) {
				t.Fatalf("got %v", err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times in a moment", asked)
		}
		down = nil
		time.Sleep(3 * time.Second)
		if err := s.Renew(t.Context(), wantOvertaken(t, s, b[0]), renew); err != nil {
			t.Fatal(err)
		}
		if wantUser(t, s, b[0], "alice").Overtaken() {
			t.Error("still overtaken")
		}
	})
}

// TestSessionThatCannotBeRenewedEnds: its method can renew, but was given nothing to do
// it with.
func TestSessionThatCannotBeRenewedEnds(t *testing.T) {
	s := open(t, memstore.New(), nil)
	id := movable()
	id.Renew = time.Time{}
	b := signedIn(t, s, id)
	if err := s.RenewPerson(t.Context(), alice.Issuer, alice.Subject, byDirectory); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, b[0])
	if all, err := s.OfPerson(t.Context(), alice.Issuer, alice.Subject); err != nil || len(all) != 0 {
		t.Errorf("left %v, %v", all, err)
	}
}
