package cookies_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

func users(all []cookies.Listed) []string {
	var out []string
	for _, l := range all {
		out = append(out, l.User)
	}
	slices.Sort(out)
	return out
}

func everybody(cookies.Listed) bool { return true }

func TestListShowsWhoIsSignedIn(t *testing.T) {
	at := newClock()
	store := memstore.New()
	s := open(t, store, func(c *cookies.Config) { c.Clock = at.now })
	sess := signIn(t, s, newBrowser(), alice)
	b := newBrowser()
	signIn(t, s, b, bob)
	spent := cookies.Spent{Store: store}
	if err := spent.Spend(t.Context(), "code", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	all, err := s.List(t.Context(), func(l cookies.Listed) bool { return l.User == "alice" }, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []cookies.Listed{{
		Summary: cookies.Summary{User: "alice", Method: "entra", App: "careplan", Client: "192.0.2.10", Began: sess.Began().UnixMilli()},
		Key:     sess.Key(), Ends: sess.Ends(),
	}}
	if diff := cmp.Diff(want, all, cmp.Comparer(func(x, y time.Time) bool { return x.Equal(y) })); diff != "" {
		t.Errorf("alice's sessions (-want +got):\n%s", diff)
	}
	if all[0].Handle() != sess.Handle() {
		t.Error("the handle is another than in the log")
	}
	if all, _ = s.List(t.Context(), everybody, 1); len(all) != 1 {
		t.Errorf("asked for one, got %d", len(all))
	}
	n, err := s.RevokeMatching(t.Context(), func(l cookies.Listed) bool { return l.Method == "entra" && l.User == "bob" })
	if err != nil || n != 1 {
		t.Errorf("revoked %d, %v", n, err)
	}
	wantNone(t, s, b)
	at.step(limits.Lifetime)
	if all, _ = s.List(t.Context(), everybody, 10); len(all) != 0 {
		t.Errorf("listed although it is over: %v", users(all))
	}
}

func TestSE17SummaryIsSealed(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	id := alice
	id.Name, id.User = strings.Repeat("Äpfel ", 200), "alice-in-clear-text"
	first, second := signIn(t, s, newBrowser(), id), signIn(t, s, newBrowser(), bob)
	note := store.records[first.Key()].Note
	if len(note) > 512 || bytes.Contains(note, []byte("alice")) {
		t.Errorf("%d bytes: %q", len(note), note)
	}
	all, err := s.List(t.Context(), everybody, 10)
	if err != nil || len(all) != 2 {
		t.Fatalf("got %d, %v", len(all), err)
	}
	rotated := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b"), secret("a")} })
	if all, _ = rotated.List(t.Context(), everybody, 10); len(all) != 2 {
		t.Errorf("with the older secret %d are listed", len(all))
	}
	other := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("x")} })
	if all, _ = other.List(t.Context(), everybody, 10); len(all) != 0 {
		t.Errorf("with another secret: %v", users(all))
	}
	// Moved to another record it says nothing.
	r := store.records[second.Key()]
	r.Note = note
	if err := store.Delete(t.Context(), second.Key()); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), second.Key(), r); err != nil {
		t.Fatal(err)
	}
	if all, _ = s.List(t.Context(), everybody, 10); len(all) != 1 {
		t.Errorf("a summary of another record: %v", users(all))
	}
}

// TestNoteHoldsAnyName: JSON makes six bytes of one that it escapes.
func TestNoteHoldsAnyName(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	for name, text := range map[string]string{
		"long": strings.Repeat("a", 5000), "escaped": strings.Repeat("<&>", 100), "quoted": strings.Repeat(`"\`, 100),
		"wide": strings.Repeat("\U0001F512", 100), "no UTF-8": strings.Repeat("\xff", 300), "separators": strings.Repeat("\u2028", 100),
	} {
		id := alice
		id.User, id.Name = text, text
		sess := signIn(t, s, newBrowser(), id)
		if n := len(store.records[sess.Key()].Note); n > 512 {
			t.Errorf("%s: a note of %d bytes", name, n)
		}
		n, err := s.RevokeMatching(t.Context(), func(l cookies.Listed) bool { return l.Is(text) })
		if err != nil || n != 1 {
			t.Errorf("%s: by the whole name %d sessions ended, %v", name, n, err)
		}
	}
}

// TestLongNamesThatBeginAlikeAreTwoPeople: a summary has room for their beginning.
func TestLongNamesThatBeginAlikeAreTwoPeople(t *testing.T) {
	s := open(t, memstore.New(), nil)
	prefix := strings.Repeat("https://idp.example/people/", 10)
	for _, user := range []string{prefix + "alice", prefix + "bob", prefix} {
		id := alice
		id.User = user
		signIn(t, s, newBrowser(), id)
	}
	for _, user := range []string{prefix + "bob", prefix} {
		n, err := s.RevokeMatching(t.Context(), func(l cookies.Listed) bool { return l.Is(user) })
		if err != nil || n != 1 {
			t.Errorf("%d sessions ended, %v", n, err)
		}
	}
	if all, err := s.List(t.Context(), func(l cookies.Listed) bool { return l.Is(prefix + "alice") }, 10); err != nil || len(all) != 1 {
		t.Errorf("alice has %d sessions, %v", len(all), err)
	}
}

// TestRevokingAllEndsWhatNoListShows: a summary that is missing or damaged must not
// save a session, by whoever wrote to the store.
func TestRevokingAllEndsWhatNoListShows(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	for name, note := range map[string][]byte{"missing": nil, "damaged": []byte("nothing that opens, and long enough for it")} {
		b := newBrowser()
		key := signIn(t, s, b, alice).Key()
		r := store.records[key]
		r.Note = note
		if err := errors.Join(store.Delete(t.Context(), key), store.Create(t.Context(), key, r)); err != nil {
			t.Fatal(err)
		}
		wantUser(t, s, b, "alice")
		n, err := s.RevokeMatching(t.Context(), func(l cookies.Listed) bool { return l.Is("alice") })
		if err != nil || n != 0 {
			t.Errorf("%s: as alice's %d ended, %v", name, n, err)
		}
		if n, err = s.RevokeMatching(t.Context(), everybody); err != nil || n != 1 {
			t.Errorf("%s: of all %d ended, %v", name, n, err)
		}
		wantNone(t, s, b)
	}
}

func BenchmarkList(b *testing.B) {
	s := open(b, memstore.New(), nil)
	for i := range 10_000 {
		signIn(b, s, newBrowser(), authn.Identity{Method: "m", Issuer: "i", Subject: fmt.Sprint(i), User: fmt.Sprint("user", i)})
	}
	for b.Loop() {
		if _, err := s.List(b.Context(), func(l cookies.Listed) bool { return l.User == "user77" }, 100); err != nil {
			b.Fatal(err)
		}
	}
}
