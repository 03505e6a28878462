package ldap

import (
	"errors"
	"fmt"
	"foregate/authn/authntest"
	"strings"
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

func TestFindsWhomATicketIsOf(t *testing.T) {
	b := newBench(t, onAD(ldaptest.AD(t)))
	want := b.enters(t, "alice", ldaptest.Password)
	entries, err := b.entries(t.Context(), "(sAMAccountName=alice)")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	sid := first(entries[0], "objectSid")
	for _, who := range []authn.Principal{{Name: "alice"}, {Name: "ALICE"}, {Name: "somebody else", SID: sid}} {
		got, err := b.Find(t.Context(), who)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(authn.Identity{}, "Authenticated", "Renew")); diff != "" || err != nil {
			t.Errorf("%+v: %v (-want +got):\n%s", who, err, diff)
		}
	}
	for name, who := range map[string]authn.Principal{
		"nobody": {Name: "zoe"}, "disabled": {Name: "bob"}, "expired account": {Name: "frank"}, "address": {Name: "alice@ad.example"},
		"domain": {Name: `AD\alice`}, "any": {Name: "*"}, "empty": {}, "injection": {Name: "alice)(cn=*"},
		"SID of nobody": {Name: "alice", SID: "S-1-5-21-1-2-3-4"}, "no SID": {Name: "alice", SID: "S-1-5-21-x"}, "SID of a group": {SID: "S-1-5-32-545"},
	} {
		if got, err := b.Find(t.Context(), who); !errors.Is(err, authn.ErrNoPerson) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSIDsComeBack(t *testing.T) {
	for _, text := range []string{"S-1-5-21-1-2-4294967295-500", "S-1-5-18", "S-1-0-0"} {
		if got := sidText(sidBytes(text)); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	}
	for _, none := range []string{"", "S", "S-1", "S-1-5", "S-2-5-18", "S-1-x-18", "S-1-5-4294967296", "S-1-5--1", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16"} {
		if got := sidBytes(none); got != nil && sidText(got) != none {
			t.Errorf("%q became %x", none, got)
		}
	}
}

func TestTryOutIsToldWhatTheDirectoryHas(t *testing.T) {
	c := onAD(ldaptest.AD(t))
	c.Attributes.Name = []string{"nickname"}
	b := newBench(t, c)
	a := authntest.NewAttempt("ward-ad", "app.example")
	a.Trial = new(authn.Trial)
	if reply, err := b.Resume(t.Context(), a, answer("alice", ldaptest.Password)); err != nil {
		t.Fatal(reply, err)
	}
	text := fmt.Sprintf("%+v", a.Trial)
	for _, want := range []string{"by a bind as " + ldaptest.ADPersonDN("alice"), "{Name:sn Values:[Test]}", "{Part:name From:[nickname] Value:}", "{Part:user name From:[sAMAccountName] Value:alice}", "g-inner"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, ldaptest.Password) {
		t.Errorf("the password is in %s", text)
	}
}
