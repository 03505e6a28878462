package ldap

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/jimlambrt/gldap"

	"foregate/authn"
	"foregate/internal/ldaptest"
	"foregate/internal/lockout"
)

// onTap is the configuration for a slapd behind a tap, in clear text.
func onTap(tp *tap) Config {
	return Config{
		Preset: "openldap", Servers: []string{tp.URL}, InsecurePlain: true,
		BindDN: ldaptest.Service, BindPassword: authn.NewSecret(ldaptest.ServicePassword), BaseDN: ldaptest.Base,
	}
}

var emptyPasswords = []string{"", " ", "\t \n", "\x00", "\x00abc", "abc\x00", "\u200b", "\u00a0\u3000", "\ufeff\u200d", "\xff", strings.Repeat("a", 1025)}

func TestLD1EmptyPasswordsAreNeverSent(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	b := newBench(t, onTap(tp))
	for _, password := range emptyPasswords {
		b.refuses(t, "alice", password, noMatch)
	}
	for _, user := range []string{"", " ", "\u3000", "\x00", "al\x00ice", `HOSPITAL\`, "@"} {
		reply, err := b.signIn(t.Context(), user, ldaptest.Password, ward)
		if _, in := reply.(authn.SignedIn); in || err != nil {
			t.Errorf("user %q: %v, %v", user, reply, err)
		}
	}
	b.enters(t, "alice", ldaptest.Password) // the wire is looked at while it works
	binds := tp.binds(t)
	for _, r := range binds {
		if r.dn == "" || r.password == "" || r.password != ldaptest.Password && r.password != ldaptest.ServicePassword {
			t.Errorf("a bind was sent for %q with %q", r.dn, r.password)
		}
	}
	if len(binds) < 2 {
		t.Errorf("%d binds seen: the test looks at the wrong wire", len(binds))
	}
}

func TestLD1YesToNobodyIsNoSession(t *testing.T) {
	yes := fake{bind: says(gldap.ResultSuccess, ""), search: knows(fakeAlice)}
	b := newBench(t, onFake(yes.start(t)))
	for _, password := range emptyPasswords {
		b.refuses(t, "alice", password, noMatch)
	}
	b.enters(t, "alice", "something") // the fake does say yes
}

func TestLD1EntryWithoutNameIsNobody(t *testing.T) {
	nameless := fake{bind: says(gldap.ResultSuccess, ""), search: func(w *gldap.ResponseWriter, r *gldap.Request) {
		_ = w.Write(r.NewSearchResponseEntry("", gldap.WithAttributes(fakeAlice)))
		_ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}}
	newBench(t, onFake(nameless.start(t))).refuses(t, "alice", "something", noMatch)
}

func TestOnlyBindsAndSearchesAreSent(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	b := newBench(t, onTap(tp))
	id := b.enters(t, "alice", ldaptest.Password)
	b.refuses(t, "alice", "wrong", noMatch)
	b.refuses(t, "nobody", "wrong", noMatch)
	if _, err := b.Refresh(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.Everybody(t.Context(), func(authn.Identity, bool) error { return nil }); err != nil {
		t.Fatal(err)
	}
	seen := map[any]int{}
	for _, r := range tp.requests(t) {
		seen[r.op]++
		if r.op != ldap.ApplicationBindRequest && r.op != ldap.ApplicationSearchRequest {
			t.Errorf("operation %d was sent", r.op)
		}
	}
	if len(seen) != 2 {
		t.Errorf("operations seen: %v", seen)
	}
}

// fuzzed are the first of the usual lists for LDAP injection, and what else has a
// meaning in a filter or a DN.
var fuzzed = []string{
	"*", "*)(&", "*)(uid=*))(|(uid=*", "a)(|(objectClass=*)", "*)(|(mail=*))", "*)(uid=*", "*))%00", "admin*", "admin*)((|userPassword=*)",
	"x' or name()='username", "!", "%21", "%26", "%28", "%29", "%2A%28%7C%28mail%3D%2A%29%29", "%2A%28%7C%28objectclass%3D%2A%29%29", "%2A%7C", "%7C", "&",
	"(", ")", "*(|(mail=*))", "*(|(objectclass=*))", "*/*", "*|", "/", "//", "//*", "@*", "|", `\`, `\2a`, `\29`, `\00`, "(objectClass=*)", "alice)(cn=*",
	",", "+", `"`, "<", ">", ";", "=", "#", " #alice", "alice ;", "uid=alice," + ldaptest.People, "Ω", "‮alice", "alice\u0301", "ali ce",
}

func TestLD2NothingTypedChangesTheFilter(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	c := onTap(tp)
	c.Lockout = Lockout{NetworkFailures: 10_000}
	b := newBench(t, c)
	b.enters(t, "alice", ldaptest.Password)
	var all sync.WaitGroup
	for i, user := range fuzzed {
		all.Go(func() {
			reply, err := b.signIn(t.Context(), user, fmt.Sprintf("%s-%d", ldaptest.Password, i), ward)
			if _, in := reply.(authn.SignedIn); in || err != nil {
				t.Errorf("user %q: %v, %v", user, reply, err)
			}
		})
	}
	all.Wait()
	typed := map[string]bool{"alice": true}
	for _, user := range fuzzed {
		whole, _ := lockout.Canonical(user)
		typed[whole] = true
		if _, account, found := strings.Cut(whole, `\`); found {
			typed[account] = true
		}
	}
	searched := map[string]bool{}
	for _, r := range tp.requests(t) {
		if r.op != ldap.ApplicationSearchRequest || !strings.Contains(r.filter, "(uid=") && !strings.Contains(r.filter, "(mail=") {
			continue
		}
		if r.parsed.Tag != ldap.FilterAnd || len(r.parsed.Children) != 2 || r.parsed.Children[1].Tag != ldap.FilterOr {
			t.Errorf("filter %q has another shape", r.filter)
			continue
		}
		for _, equal := range r.parsed.Children[1].Children {
			value := equal.Children[1].Data.String()
			if equal.Tag != ldap.FilterEqualityMatch || !typed[value] {
				t.Errorf("filter %q looks for %q, which nobody typed", r.filter, value)
			}
			searched[value] = true
		}
	}
	if len(searched) < len(fuzzed)*3/4 {
		t.Errorf("only %d names were looked for: %v", len(searched), searched)
	}
	for _, r := range tp.binds(t) {
		if strings.HasPrefix(r.password, ldaptest.Password+"-") && r.dn != ldaptest.PersonDN("alice") {
			t.Errorf("a fuzzed name led to %q", r.dn)
		}
	}
}

func TestLD2NameOfSeveralEntriesIsNobodys(t *testing.T) {
	twin := "dn: cn=twin," + ldaptest.People + "\nobjectClass: inetOrgPerson\ncn: twin\nsn: Twin\nuid: alice\nuserPassword: " + ldaptest.Password + "\n\n"
	s := ldaptest.StartSlapd(t, ldaptest.Options{LDIF: twin})
	b := newBench(t, onSlapd(s))
	b.refuses(t, "alice", ldaptest.Password, noMatch)
	if !strings.Contains(b.out.String(), "several entries") {
		t.Errorf("the log does not say why:\n%s", b.out)
	}
	b.enters(t, "bob", ldaptest.Password)
}

func TestLD8PasswordsAreBoundedBeforeAnythingIsDone(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	b := newBench(t, onSlapd(s))
	long := strings.Repeat("a", 1<<20)
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if reply, err := b.signIn(t.Context(), "alice", long, ward); err != nil || reply == nil {
				t.Errorf("sign in: %v, %v", reply, err)
			}
		})
	}
	all.Wait()
	if n := len(b.tries.Counts()); n != 0 {
		t.Errorf("%d counters", n)
	}
}
