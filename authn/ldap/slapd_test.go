package ldap

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/ldaptest"
)

func TestContract(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		b := newBench(t, onSlapd(s))
		return authntest.Subject{
			Authenticator: b,
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				return b.Resume(ctx, a, answer("alice", ldaptest.Password))
			},
		}
	})
}

func TestIdentityOfASignIn(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	admin := s.Admin(t)
	staff := ldaptest.AddGroup(t, admin, "Ward 3", ldaptest.PersonDN("alice"))
	ldaptest.AddGroup(t, admin, "Everybody", staff)
	b := newBench(t, onSlapd(s), "cn", "nothing", "userPassword")
	got := b.enters(t, " ALICE", ldaptest.Password)
	want := authn.Identity{
		Method: "ward-ad", Issuer: "ldap:ward-ad", User: "alice", Email: "alice@hospital.example",
		PreferredUsername: "alice", Name: "alice Test", Groups: []string{"Everybody", "Ward 3"},
		Claims: map[string]any{"uid": "alice", "sn": "Test", "givenName": "alice", "mail": "alice@hospital.example", "cn": "alice Test"},
		AMR:    []string{"pwd"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(authn.Identity{}, "Subject", "Authenticated", "Renew")); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if len(got.Subject) != 36 || time.Since(got.Authenticated) > time.Minute || time.Until(got.Renew) > 5*time.Minute || time.Until(got.Renew) < 4*time.Minute {
		t.Errorf("subject %q, authenticated %v, renew %v", got.Subject, got.Authenticated, got.Renew)
	}
}
