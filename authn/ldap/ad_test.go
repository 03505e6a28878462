package ldap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// onAD is the configuration for a domain.
func onAD(d *ldaptest.DC) Config {
	return Config{
		Preset: presetAD, Servers: []string{d.Address}, CA: authn.Path(d.PKI.CA),
		BindDN: ldaptest.ADService, BindPassword: authn.NewSecret(ldaptest.ServicePassword),
		BaseDN: ldaptest.ADBase,
		Names:  Names{Domains: []string{"ad.example"}, Netbios: []string{ldaptest.ADDomain}},
	}
}

func TestIdentityFromActiveDirectory(t *testing.T) {
	b := newBench(t, onAD(ldaptest.AD(t)))
	got := b.enters(t, "alice", ldaptest.Password)
	want := authn.Identity{
		Method: "ward-ad", Issuer: "ldap:ward-ad", User: "alice", Email: "alice@hospital.example",
		PreferredUsername: "alice", Name: "alice Test",
		// Her primary group and what that is in, and a circle of three.
		Groups: []string{"Domain Users", "Users", "g-inner", "g-middle", "g-outer"},
		Claims: map[string]any{"sAMAccountName": "alice", "sn": "Test", "givenName": "alice", "mail": "alice@hospital.example", "userAccountControl": "512"},
		AMR:    []string{"pwd"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(authn.Identity{}, "Subject", "Authenticated", "Renew")); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if len(got.Subject) != 36 {
		t.Errorf("subject %q", got.Subject)
	}
}

func TestLD3EachStateOfActiveDirectoryHasItsSentence(t *testing.T) {
	c := onAD(ldaptest.AD(t))
	c.PasswordPage = "https://password.hospital.example"
	b := newBench(t, c)
	for user, want := range map[string]verdict{"bob": disabled, "carol": mustChange, "erin": expired, "frank": over} {
		reply, err := b.signIn(t.Context(), user, ldaptest.Password, ward)
		if diff := cmp.Diff(authn.Reply(b.refusalForm(user, want)), reply); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", user, err, diff)
		}
		b.refuses(t, user, "wrong", noMatch)
	}
	want := authn.Form{Step: "password", Fields: form("erin", "").Fields,
		Problem: "Your password has expired, and you must choose a new one. Do that on your organisation's own page, then sign in again.",
		Facts:   map[string]string{"change": "https://password.hospital.example"}}
	if diff := cmp.Diff(want, b.refusalForm("erin", expired)); diff != "" {
		t.Errorf("an expired password (-want +got):\n%s", diff)
	}
}
