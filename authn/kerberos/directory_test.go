package kerberos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
	"foregate/authn/authntest"
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
func (d *domain) inBook(t *testing.T, b *book, knownBy string) authn.Authenticator {
	t.Helper()
	env := authntest.NewEnv("domain-pc")
	env.Method = func(name string) (authn.Authenticator, error) {
		if name != "ward-ad" {
			return nil, fmt.Errorf("no method %q", name)
		}
		return b, nil
	}
	c := Config{Keytab: authn.Path(d.keytab), Networks: everywhere, Directory: "ward-ad", KnownBy: knownBy}
	m, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDirectorySaysWhoAPersonIs(t *testing.T) {
	d := newDomain(t)
	enter := func(m authn.Authenticator) (authn.Reply, error) {
		r := authntest.Get(nil)
		r.Header.Set("Authorization", token(t, d.Ticket(t, "alice"), host))
		return m.Resume(t.Context(), authntest.NewAttempt("domain-pc", host), r)
	}
	b := new(book)
	want := authn.Identity{Method: "domain-pc", Issuer: "ldap:ward-ad", Subject: "1", User: "alice.a", Groups: []string{"Ward"}}
	m := d.inBook(t, b, "")
	reply, err := enter(m)
	if diff := cmp.Diff(authn.Reply(authn.SignedIn{Identity: want}), reply, cmpopts.IgnoreFields(authn.Identity{}, "Authenticated")); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if since := time.Since(reply.(authn.SignedIn).Identity.Authenticated); since < -time.Second || since > time.Minute {
		t.Errorf("authenticated %v ago", since)
	}
	if diff := cmp.Diff(authn.Principal{Name: "alice"}, b.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if _, err := enter(d.inBook(t, b, keySID)); err != nil || len(b.asked.SID) < len("S-1-5-21-1-2-3-4") {
		t.Errorf("asked for %+v: %v", b.asked, err)
	}

	b.err = fmt.Errorf("gone: %w", authn.ErrNoPerson)
	if reply, err := enter(m); reply != (authn.Elsewhere{}) || err != nil {
		t.Errorf("who is not in the directory: %+v, %v", reply, err)
	}
	b.err = errors.New("no answer")
	var said *authn.Error
	if reply, err := enter(m); !errors.As(err, &said) || said.Status != http.StatusServiceUnavailable {
		t.Errorf("a directory that does not answer: %+v, %v", reply, err)
	}
}

func TestDirectoryIsAskedAgainWhileAPersonWorks(t *testing.T) {
	d := newDomain(t)
	b := new(book)
	r, ok := d.inBook(t, b, "").(authn.Refresher)
	if !ok {
		t.Fatal("nobody asks again")
	}
	got, err := r.Refresh(t.Context(), authn.Identity{Method: "domain-pc", Issuer: "ldap:ward-ad", Subject: "1"})
	if err != nil || got.Method != "domain-pc" || got.User != "alice.a" {
		t.Errorf("%+v, %v", got, err)
	}
	b.err = authn.ErrEnded
	if _, err := r.Refresh(t.Context(), got); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("who is disabled: %v", err)
	}
	if _, ok := authn.Authenticator(d.open(t, time.Now)).(authn.Refresher); ok {
		t.Error("without a directory there is nobody to ask")
	}
}

// Active Directory gives a ticket for a name in any case.
func TestNameIsSpeltAsItIsStored(t *testing.T) {
	d := newDomain(t)
	reply, err := resume(t, d.open(t, time.Now), host, token(t, d.Ticket(t, "ALICE"), host))
	in, ok := reply.(authn.SignedIn)
	if err != nil || !ok || in.Identity.Subject != "alice@AD.EXAMPLE" || in.Identity.User != "alice" {
		t.Errorf("%+v, %v", reply, err)
	}
}
