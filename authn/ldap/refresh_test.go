package ldap

import (
	"errors"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

func TestLD10SessionsFollowTheDirectory(t *testing.T) {
	d := ldaptest.AD(t)
	admin := d.Admin(t)
	dn := d.AddUser(t, admin, "ld10")
	d.AddGroup(t, admin, "nurses", dn)
	b := newBench(t, onAD(d))
	id := b.enters(t, "ld10", ldaptest.Password)
	id.Private = map[string]string{"kept": "yes"}

	same, err := b.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if same.Renew.Before(id.Renew) {
		t.Errorf("renewed at %v, then at %v", id.Renew, same.Renew)
	}
	same.Renew = id.Renew
	if diff := cmp.Diff(id, same); diff != "" {
		t.Errorf("a refresh without a change (-want +got):\n%s", diff)
	}

	// Renamed, moved and in another group.
	d.AddGroup(t, admin, "managers", dn)
	if err := admin.ModifyDN(ldap.NewModifyDNRequest(dn, "CN=Somebody Else", true, "CN=Users,"+ldaptest.ADBase)); err != nil {
		t.Fatal(err)
	}
	dn = "CN=Somebody Else,CN=Users," + ldaptest.ADBase
	renewed, err := b.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Domain Users", "Users", "managers", "nurses"}, renewed.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}

	disable := ldap.NewModifyRequest(dn, nil)
	disable.Replace("userAccountControl", []string{"514"})
	if err := admin.Modify(disable); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Refresh(t.Context(), id); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("Refresh of who is disabled = %v, want ErrEnded", err)
	}
	if err := admin.Del(ldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Refresh(t.Context(), id); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("Refresh of who is gone = %v, want ErrEnded", err)
	}
}

func TestOutageEndsNobody(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	b := newBench(t, onSlapd(s))
	id := b.enters(t, "alice", ldaptest.Password)
	s.Kill()
	if _, err := b.Refresh(t.Context(), id); err == nil || errors.Is(err, authn.ErrEnded) {
		t.Errorf("Refresh without a directory = %v, want an error that is not ErrEnded", err)
	}
	waitFor(t, "the method is not healthy", func() bool { return b.Health() != nil })
}

// Somebody takes the right to read from the account that searches.
func TestDirectoryThatShowsNothingEndsNobody(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	c := onSlapd(s)
	id := newBench(t, c).enters(t, "alice", ldaptest.Password)
	blind := ldaptest.StartSlapd(t, ldaptest.Options{Database: `access to * by dn.exact="` + ldaptest.Service + `" none by * break`})
	c = onSlapd(blind)
	b := newBench(t, c)
	if _, err := b.Refresh(t.Context(), id); err == nil || errors.Is(err, authn.ErrEnded) {
		t.Errorf("Refresh = %v, want an error that is not ErrEnded", err)
	}
	if err := b.Everybody(t.Context(), func(authn.Identity, bool) error { return nil }); err == nil {
		t.Error("a directory that shows nothing has nobody")
	}
}

func TestRefreshOfAnotherDirectorysPersonEnds(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	b := newBench(t, onSlapd(s))
	id := b.enters(t, "alice", ldaptest.Password)
	for _, change := range []func(*authn.Identity){
		func(id *authn.Identity) { id.Issuer = "ldap:other" },
		func(id *authn.Identity) { id.Subject = "" },
		func(id *authn.Identity) { id.Subject = "*" },
		func(id *authn.Identity) { id.Subject = "00000000-0000-1000-8000-000000000000" },
	} {
		other := id
		change(&other)
		if _, err := b.Refresh(t.Context(), other); !errors.Is(err, authn.ErrEnded) {
			t.Errorf("Refresh of %q of %q = %v, want ErrEnded", other.Subject, other.Issuer, err)
		}
	}
	if _, err := b.Refresh(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestWhoMayUseTheAccount(t *testing.T) {
	now := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	const lastYear, nextYear = "133800000000000000", "134500000000000000"
	for _, test := range []struct {
		attribute, value string
		want             bool
	}{
		{"userAccountControl", "512", true}, {"userAccountControl", "514", false}, {"userAccountControl", "66050", false},
		{"accountExpires", "0", true}, {"accountExpires", "9223372036854775807", true}, {"accountExpires", lastYear, false}, {"accountExpires", nextYear, true},
		{"nsAccountLock", "TRUE", false}, {"nsAccountLock", "true", false}, {"nsAccountLock", "FALSE", true},
		{"pwdAccountLockedTime", "000001010000Z", false}, {"pwdAccountLockedTime", "20260301060000Z", true},
	} {
		p := person{entry: ldap.NewEntry("cn=x", map[string][]string{test.attribute: {test.value}})}
		if got := p.enabled(now); got != test.want {
			t.Errorf("%s %s: enabled %v", test.attribute, test.value, got)
		}
	}
}
