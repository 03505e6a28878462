package ldap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/ldaptest"
)

func TestLD5SpellingsAreOneCounterOneSubjectAndOneName(t *testing.T) {
	d := ldaptest.AD(t)
	c := onAD(d)
	c.Lockout = Lockout{Failures: 100, AccountFailures: 30}
	b := newBench(t, c)
	spellings := []string{
		"alice", "ALICE", " alice", "alice ", "Alice", "\uff41lice", `HOSPITAL\alice`, `hospital\ALICE`, `ad.example\alice`,
		"alice@ad.example", "ALICE@AD.EXAMPLE", "alice@AD.example ", "\u3000alice",
	}
	var first authn.Identity
	for i, s := range spellings {
		got := b.enters(t, s, ldaptest.Password)
		if i == 0 {
			first = got
		}
		if got.Subject != first.Subject || got.User != "alice" || got.PreferredUsername != "alice" {
			t.Errorf("%q is %q, %q", s, got.Subject, got.User)
		}
	}
	if n := len(b.tries.Counts()); n != 0 {
		t.Fatalf("%d counters after successes", n)
	}
	// Nobody with these names is asked in the domain.
	for _, s := range []string{`OTHER\alice`, `a\b\alice`, "alice@other.example", "al\u200bice"} {
		b.refuses(t, s, ldaptest.Password, noMatch)
	}
}

func TestLD5FailuresOfAllSpellingsAddUp(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	c := onSlapd(s)
	c.Names.Domains, c.Names.Netbios = []string{"hospital.example"}, []string{"HOSPITAL"}
	b := newBench(t, c)
	var all sync.WaitGroup
	for _, s := range []string{"alice", "ALICE", "alice ", `hospital\alice`, "alice@hospital.example"} {
		all.Go(func() { b.refuses(t, s, "wrong", noMatch) })
	}
	all.Wait()
	counts := slices.Sorted(maps.Values(b.tries.Counts()))
	if diff := cmp.Diff([]int{5, 5, 5}, counts); diff != "" { // pair, account, network
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	b.refuses(t, "alice", ldaptest.Password, noMatch)
}

func TestLD6DirectoryIsNotAskedDuringABan(t *testing.T) {
	d := ldaptest.AD(t)
	admin := d.Admin(t)
	dn := d.AddUser(t, admin, "ld6")
	c := onAD(d)
	c.Lockout = Lockout{Failures: 2, AccountFailures: 2} // the domain locks at 3
	b := newBench(t, c)
	for range 6 {
		b.refuses(t, "ld6", "wrong", noMatch)
	}
	b.refuses(t, `HOSPITAL\ld6`, ldaptest.Password, noMatch)
	e := read(t, admin, dn, "badPwdCount", "lockoutTime")
	if got := e.GetAttributeValue("badPwdCount"); got != "2" {
		t.Errorf("the domain counts %s wrong passwords, want 2", got)
	}
	if got := e.GetAttributeValue("lockoutTime"); got != "" && got != "0" {
		t.Errorf("the domain has locked the account: %s", got)
	}
	// The ban is in the shared store: another replica knows of it.
	other := newBench(t, c)
	other.Method.lockout = b.Method.lockout
	other.refuses(t, "ld6", ldaptest.Password, noMatch)
}

func TestLD6OneNetworkCannotLockTheAccountForOthers(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	b := newBench(t, onSlapd(s))
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() { b.refuses(t, "alice", "wrong", noMatch) })
	}
	all.Wait()
	reply, err := b.signIn(t.Context(), "alice", ldaptest.Password, elsewhere)
	if _, in := reply.(authn.SignedIn); !in {
		t.Errorf("sign in from elsewhere = %v, %v", reply, err)
	}
}

func TestLD6NobodySignsInWhenTriesCannotBeCounted(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	tp := newTap(t, s.Plain)
	c := onTap(tp)
	env := authntest.NewEnv("ward-ad")
	env.Tries = authntest.Down{}
	m, err := open(&c, env, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	for _, user := range []string{"alice", "nobody"} {
		reply, err := bench{Method: m}.signIn(t.Context(), user, ldaptest.Password, ward)
		if reply != nil || status(t, err) != 503 {
			t.Errorf("sign in as %s = %v, %v, want an error of 503", user, reply, err)
		}
	}
	for _, r := range tp.binds(t) {
		if r.password == ldaptest.Password {
			t.Error("the password was sent")
		}
	}
}

func TestSuccessForgetsFailures(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	b := newBench(t, onSlapd(s))
	for range 3 {
		for range 4 {
			b.refuses(t, "alice", "wrong", noMatch)
		}
		b.enters(t, "alice", ldaptest.Password)
	}
}

// read reads attributes of one entry.
func read(t testing.TB, l *ldap.Conn, dn string, attributes ...string) *ldap.Entry {
	t.Helper()
	result, err := l.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 1, 0, false, "(objectClass=*)", attributes, nil))
	if err != nil || len(result.Entries) != 1 {
		t.Fatalf("read %s: %v", dn, err)
	}
	return result.Entries[0]
}

func TestLD7RefusalsTakeTheSameTime(t *testing.T) {
	const trials = 60
	s := ldaptest.StartSlapd(t, ldaptest.Options{People: trials})
	admin := s.Admin(t)
	c := onSlapd(s)
	c.Lockout = Lockout{Failures: 1, AccountFailures: 1, NetworkFailures: 100_000}
	b := newBench(t, c)
	locked := ldap.NewModifyRequest(ldaptest.PersonDN("bob"), nil)
	locked.Replace("pwdAccountLockedTime", []string{"000001010000Z"})
	if err := admin.Modify(locked); err != nil {
		t.Fatal(err)
	}
	b.refuses(t, "alice", "wrong", noMatch) // alice is locked here from now on
	kinds := []func(i int) (user, password string){
		func(i int) (string, string) { return fmt.Sprintf("u%05d", i), "wrong" },        // exists
		func(i int) (string, string) { return fmt.Sprintf("nobody%d", i), "wrong" },     // does not
		func(i int) (string, string) { return "alice", ldaptest.Password },              // locked here, right password
		func(i int) (string, string) { return "bob", ldaptest.Password },                // locked there
		func(i int) (string, string) { return fmt.Sprintf(`OTHER\%d`, i), "wrong" },     // of another domain
		func(i int) (string, string) { return strings.Repeat("n", 200), "wrong again" }, // nobody, long
	}
	c.Names.Netbios = []string{"HOSPITAL"}
	var mu sync.Mutex
	took := make([][]time.Duration, len(kinds))
	var all sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range trials {
		for k, kind := range kinds {
			turns <- struct{}{}
			all.Go(func() {
				defer func() { <-turns }()
				user, password := kind(i)
				start := time.Now()
				b.refuses(t, user, password, noMatch)
				mu.Lock()
				took[k] = append(took[k], time.Since(start))
				mu.Unlock()
			})
		}
	}
	all.Wait()
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	first := median(took[0])
	for k := range kinds {
		got := median(took[k])
		t.Logf("kind %d: %v", k, got)
		if diff := (got - first).Abs(); diff > 10*time.Millisecond || diff > max(got, first)/10 {
			t.Errorf("kind %d takes %v, the first %v", k, got, first)
		}
	}
}
