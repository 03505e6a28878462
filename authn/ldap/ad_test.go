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
	for user, words := range map[string]string{
		"bob":   "Your account is disabled. Ask your IT department.",
		"carol": "You must choose a new password before you can sign in. Change it at https://password.hospital.example and then sign in again.",
		"erin":  "Your password has expired. Change it at https://password.hospital.example and then sign in again.",
		"frank": "Your account has come to its end date. Ask your IT department to extend it.",
	} {
		b.refuses(t, user, ldaptest.Password, words)
		b.refuses(t, user, "wrong", noMatch)
	}
}
