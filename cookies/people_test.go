package cookies_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// at is id in one of the provider's sessions.
func at(id authn.Identity, sid string) authn.Identity {
	id.SID = sid
	return id
}

// signedIn returns a browser for each identity.
func signedIn(t *testing.T, s *cookies.Sessions, ids ...authn.Identity) []*browser {
	t.Helper()
	browsers := make([]*browser, len(ids))
	for i, id := range ids {
		browsers[i] = newBrowser()
		signIn(t, s, browsers[i], id)
	}
	return browsers
}

func wantRevoked(t *testing.T, n int, err error, want int) {
	t.Helper()
	if err != nil || n != want {
		t.Fatalf("ended %d sessions, %v, want %d", n, err, want)
	}
}

func TestOI12AllSessionsOfOnePersonEnd(t *testing.T) {
	store := memstore.New()
	here, there := open(t, store, nil), open(t, store, nil)
	b := signedIn(t, here, alice, at(alice, "s1"), at(alice, "s2"), bob, at(bob, "s3"))
	namesake := alice
	namesake.Issuer = "https://other.example"
	b = append(b, signedIn(t, here, namesake)...)
	n, err := there.RevokePerson(t.Context(), alice.Issuer, alice.Subject)
	wantRevoked(t, n, err, 3)
	for _, one := range b[:3] {
		wantNone(t, there, one)
	}
	wantUser(t, here, b[3], "bob")
	wantUser(t, here, b[4], "bob")
	wantUser(t, here, b[5], "alice") // another issuer's alice is somebody else
	n, err = there.RevokePerson(t.Context(), alice.Issuer, alice.Subject)
	wantRevoked(t, n, err, 0)
}

func TestOI12SessionIDEndsItsOwnSessionOnly(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := signedIn(t, s, at(alice, "s1"), at(alice, "s2"), alice, at(bob, "s3"))
	n, err := s.RevokeSID(t.Context(), alice.Issuer, "", "s1")
	wantRevoked(t, n, err, 1)
	wantNone(t, s, b[0])
	for _, wrong := range [][3]string{
		{"https://other.example", "", "s2"},
		{alice.Issuer, alice.Subject, "s3"}, // bob's
		{alice.Issuer, bob.Subject, "s2"},
		{alice.Issuer, "", "s"},
		{alice.Issuer + "s", "", "2"},
		{alice.Issuer, "", alice.Subject}, // a person is no session ID
	} {
		n, err := s.RevokeSID(t.Context(), wrong[0], wrong[1], wrong[2])
		wantRevoked(t, n, err, 0)
	}
	for i, user := range map[int]string{1: "alice", 2: "alice", 3: "bob"} {
		wantUser(t, s, b[i], user)
	}
	n, err = s.RevokeSID(t.Context(), bob.Issuer, bob.Subject, "s3")
	wantRevoked(t, n, err, 1)
	wantNone(t, s, b[3])
}

func TestNobodyHasNoSessions(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := signedIn(t, s, alice)
	for _, who := range [][2]string{{"", ""}, {alice.Issuer, ""}, {"", alice.Subject}} {
		if _, err := s.RevokePerson(t.Context(), who[0], who[1]); err == nil {
			t.Errorf("%q: no error", who)
		}
		if _, err := s.RevokeSID(t.Context(), who[0], "", who[1]); err == nil {
			t.Errorf("session %q: no error", who)
		}
	}
	wantUser(t, s, b[0], "alice")
}

func TestSessionsAreFoundAfterSecretsRotate(t *testing.T) {
	store := memstore.New()
	b := signedIn(t, open(t, store, nil), at(alice, "s1"))
	rotated := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b"), secret("a")} })
	b = append(b, signedIn(t, rotated, at(alice, "s1"))...)
	n, err := rotated.RevokeSID(t.Context(), alice.Issuer, alice.Subject, "s1")
	wantRevoked(t, n, err, 2)
	wantNone(t, rotated, b[0])
	wantNone(t, rotated, b[1])
}

func TestSE17TagsTellNothingWithoutTheSecret(t *testing.T) {
	store := newSpy()
	first, second := open(t, store, nil), open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b")} })
	one := store.records[signIn(t, first, newBrowser(), at(alice, "s1")).Key()].Tags
	other := store.records[signIn(t, second, newBrowser(), at(alice, "s1")).Key()].Tags
	if len(one) != 2 || len(other) != 2 || one[0] == one[1] || one[0] == other[0] || one[1] == other[1] {
		t.Errorf("got %q and %q", one, other)
	}
	for _, tag := range append(one, other...) {
		if len(tag) != 32 || strings.Trim(tag, "0123456789abcdef") != "" {
			t.Errorf("tag %q", tag)
		}
	}
}

// plain hides everything that a store can do beside keeping records.
type plain struct{ cookies.Store }

func TestStoreWithoutListsSaysSo(t *testing.T) {
	s := open(t, plain{memstore.New()}, nil)
	b := signedIn(t, s, at(alice, "s1"))
	_, byPerson := s.RevokePerson(t.Context(), alice.Issuer, alice.Subject)
	_, bySID := s.RevokeSID(t.Context(), alice.Issuer, "", "s1")
	wantError(t, byPerson, cookies.ErrNoLister)
	wantError(t, bySID, cookies.ErrNoLister)
	wantUser(t, s, b[0], "alice")
}

// half is a store that cannot delete one record.
type half struct {
	*memstore.Store
	stuck string
}

func (h *half) Delete(ctx context.Context, key string) error {
	if key == h.stuck {
		return errDown
	}
	return h.Store.Delete(ctx, key)
}

func TestOneSessionThatCannotEndKeepsNoOtherAlive(t *testing.T) {
	store := &half{Store: memstore.New()}
	s := open(t, store, nil)
	b := signedIn(t, s, alice, alice, alice)
	store.stuck = wantUser(t, s, b[1], "alice").Key()
	n, err := s.RevokePerson(t.Context(), alice.Issuer, alice.Subject)
	if n != 2 || !errors.Is(err, errDown) {
		t.Errorf("got %d, %v", n, err)
	}
	wantNone(t, s, b[0])
	wantUser(t, s, b[1], "alice")
	wantNone(t, s, b[2])
}

func TestSessionsOfAPersonAreListed(t *testing.T) {
	store := memstore.New()
	here, there := open(t, store, nil), open(t, store, nil)
	signedIn(t, here, alice, at(alice, "s1"), bob)
	all, err := there.OfPerson(t.Context(), alice.Issuer, alice.Subject)
	if err != nil || len(all) != 2 || all[0].Key == all[1].Key || all[0].User != alice.User || all[0].Ends.IsZero() {
		t.Fatalf("got %+v, %v", all, err)
	}
	if err := there.Revoke(t.Context(), all[0].Key); err != nil {
		t.Fatal(err)
	}
	if left, err := here.OfPerson(t.Context(), alice.Issuer, alice.Subject); err != nil || len(left) != 1 || left[0].Key != all[1].Key {
		t.Errorf("after one was ended: %+v, %v", left, err)
	}
	if none, err := here.OfPerson(t.Context(), "https://other.example", alice.Subject); err != nil || len(none) != 0 {
		t.Errorf("somebody else: %+v, %v", none, err)
	}
	for _, nobody := range [][2]string{{"", "x"}, {"x", ""}} {
		if _, err := here.OfPerson(t.Context(), nobody[0], nobody[1]); err == nil {
			t.Errorf("%q: no error", nobody)
		}
	}
}
