package ldap

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/internal/ldaptest"
)

// everybody reads all, by user name, and checks that nobody comes twice.
func (b bench) everybody(t testing.TB) map[string]authn.Identity {
	t.Helper()
	all := make(map[string]authn.Identity)
	err := b.Everybody(t.Context(), func(id authn.Identity, enabled bool) error {
		if _, twice := all[id.User]; twice {
			t.Errorf("%s comes twice", id.User)
		}
		if !enabled {
			id.ACR = "disabled" // where the tests find it
		}
		all[id.User] = id
		return nil
	})
	if err != nil {
		t.Fatalf("%v; log:\n%s", err, b.out)
	}
	return all
}

const withoutPages = `limits dn.exact="` + ldaptest.Service + `" size=1000 size.prtotal=disabled`

func TestLD11EverybodyIsRead(t *testing.T) {
	const many = 2500
	for name, test := range map[string]struct {
		options ldaptest.Options
		page    int
		letters bool
	}{
		"in pages":                     {},
		"in pages larger than allowed": {page: 2000},
		"by letters":                   {options: ldaptest.Options{Database: withoutPages}, letters: true},
		"by letters that are unusual":  {options: ldaptest.Options{Database: withoutPages, Names: "ωμ%05d"}, letters: true},
		"after pages that end early":   {options: ldaptest.Options{Database: `limits dn.exact="` + ldaptest.Service + `" size=1000 size.pr=500 size.prtotal=1000`}, letters: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.People = many
			test.options.LDIF = groupEntries(map[string][]string{"a": {ldaptest.PersonDN("alice")}, "b": {groupDN("a")}, "c": {groupDN("b")}})
			s := ldaptest.StartSlapd(t, test.options)
			c := onSlapd(s)
			c.PageSize = test.page
			b := newBench(t, c)
			all := b.everybody(t)
			if len(all) != many+2 {
				t.Fatalf("%d people, want %d", len(all), many+2)
			}
			if got := strings.Contains(b.out.String(), "reading by letters"); got != test.letters {
				t.Errorf("read by letters: %v", got)
			}
			want := b.enters(t, "alice", ldaptest.Password)
			got := all["alice"]
			want.Authenticated, want.Renew = got.Authenticated, got.Renew
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("alice (-sign-in +everybody):\n%s", diff)
			}
		})
	}
}

func TestEverybodyInActiveDirectory(t *testing.T) {
	b := newBench(t, onAD(ldaptest.AD(t)))
	start := time.Now()
	all := b.everybody(t)
	t.Logf("%d people in %v", len(all), time.Since(start))
	for user, state := range map[string]string{"alice": "", "bob": "disabled", "carol": "", "erin": "", "frank": "disabled"} {
		if id, there := all[user]; !there || id.ACR != state {
			t.Errorf("%s: %v, %q, want %q", user, there, id.ACR, state)
		}
	}
	want := b.enters(t, "alice", ldaptest.Password)
	if diff := cmp.Diff(want.Groups, all["alice"].Groups); diff != "" {
		t.Errorf("groups of alice (-sign-in +everybody):\n%s", diff)
	}
	if want.Subject != all["alice"].Subject {
		t.Errorf("subject %q, then %q", want.Subject, all["alice"].Subject)
	}
}

func TestHalfReadDirectoryIsAnError(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{People: 2000})
	b := newBench(t, onSlapd(s))
	n := 0
	err := b.Everybody(t.Context(), func(authn.Identity, bool) error {
		if n++; n == 700 {
			s.Kill()
		}
		return nil
	})
	if err == nil {
		t.Errorf("no error after %d people", n)
	}
}

func TestErrorOfYieldEndsTheReading(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{People: 100})
	b := newBench(t, onSlapd(s))
	enough := errors.New("enough")
	n := 0
	err := b.Everybody(t.Context(), func(authn.Identity, bool) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("Everybody = %v after %d", err, n)
	}
}

func TestEntriesThatAreNobodyAreLeftOutAndSaid(t *testing.T) {
	odd := fmt.Sprintf("dn: cn=Odd,%s\nobjectClass: person\ncn: Odd\nsn: Odd\n\n", ldaptest.People)
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: odd})
	b := newBench(t, onSlapd(s))
	if all := b.everybody(t); len(all) != 2 {
		t.Errorf("%d people", len(all))
	}
	if !strings.Contains(b.out.String(), "were left out") {
		t.Errorf("the log says nothing:\n%s", b.out)
	}
}
