package certificate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/certtest"
)

// book is a directory of one person.
type book struct {
	authn.Authenticator
	asked authn.Principal
	err   error
}

func (b *book) person() (authn.Identity, error) {
	return authn.Identity{Method: "ward-ad", Issuer: "ldap:ward-ad", Subject: "1", User: "alice.a", Groups: []string{"Ward"}, AMR: []string{"pwd"}}, b.err
}

func (b *book) Find(_ context.Context, p authn.Principal) (authn.Identity, error) {
	b.asked = p
	return b.person()
}

func (b *book) Refresh(context.Context, authn.Identity) (authn.Identity, error) { return b.person() }

// inBook is a method whose people are in b.
func (h *house) inBook(b *book, knownBy string) authn.Authenticator {
	h.t.Helper()
	env := authntest.NewEnv("card")
	env.Method = func(name string) (authn.Authenticator, error) {
		if name != "ward-ad" {
			return nil, fmt.Errorf("no method %q", name)
		}
		return b, nil
	}
	c := h.config()
	c.Directory, c.KnownBy = "ward-ad", knownBy
	m, err := c.Open(env)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = m.(interface{ Close() error }).Close() })
	return m
}

func TestDirectorySaysWhoAPersonIs(t *testing.T) {
	h := newHouse(t)
	b := new(book)
	const sid = "S-1-5-21-1004336348-1177238915-682003330-1104"
	alice := h.ca.Person("alice", "", certtest.SID(sid))
	a := h.attempt(alice)
	reply, err := h.inBook(b, fieldSID).Begin(t.Context(), a)
	want := authn.SignedIn{Identity: authn.Identity{
		Method: "card", Issuer: "ldap:ward-ad", Subject: "1", User: "alice.a", Groups: []string{"Ward"}, AMR: []string{"pop"}, Authenticated: a.Shown.Since,
	}}
	if diff := cmp.Diff(authn.Reply(want), reply); diff != "" || err != nil || b.asked != (authn.Principal{SID: sid}) {
		t.Errorf("asked for %+v, %v (-want +got):\n%s", b.asked, err, diff)
	}
	byName := h.inBook(b, "subject-cn")
	if _, err := byName.Begin(t.Context(), h.attempt(alice)); err != nil || b.asked != (authn.Principal{Name: "alice"}) {
		t.Errorf("asked for %+v, %v", b.asked, err)
	}
	b.err = fmt.Errorf("gone: %w", authn.ErrNoPerson)
	if _, err := byName.Begin(t.Context(), h.attempt(alice)); codeOfError(t, err) != Nobody {
		t.Errorf("who is not in the directory: %v", err)
	}
	b.err = errors.New("no answer")
	var said *authn.Error
	if _, err := byName.Begin(t.Context(), h.attempt(alice)); !errors.As(err, &said) || said.Status != http.StatusServiceUnavailable {
		t.Errorf("a directory that does not answer: %v", err)
	}
	b.err, b.asked = nil, authn.Principal{}
	if _, err := byName.Begin(t.Context(), h.attempt(certtest.New(t, "Hospital CA").Person("alice", ""))); codeOfError(t, err) != Unknown || b.asked != (authn.Principal{}) {
		t.Errorf("a forged certificate asks the directory for %+v: %v", b.asked, err)
	}
}

func TestDirectoryIsAskedAgainWhileAPersonWorks(t *testing.T) {
	h := newHouse(t)
	b := new(book)
	r, ok := h.inBook(b, fieldSID).(authn.Refresher)
	if !ok {
		t.Fatal("nobody asks again")
	}
	got, err := r.Refresh(t.Context(), authn.Identity{Method: "card", Issuer: "ldap:ward-ad", Subject: "1", Authenticated: time.Now()})
	if err != nil || got.Method != "card" || got.User != "alice.a" {
		t.Errorf("%+v, %v", got, err)
	}
	b.err = authn.ErrEnded
	if _, err := r.Refresh(t.Context(), got); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("who is disabled: %v", err)
	}
	if _, ok := authn.Authenticator(h.open(h.config())).(authn.Refresher); ok {
		t.Error("without a directory there is nobody to ask")
	}
}
