package local

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

// bench is a method on a clock that stands, with counters in memory, quick
// hashes and a count of comparisons.
type bench struct {
	*method
	clock    *time.Time
	tries    *authntest.Tries
	compared *atomic.Int64
}

func people() []User {
	hash := authn.NewSecret(quick)
	return []User{
		{User: "Alice", PasswordHash: hash, Name: "Alice Archer", Email: "alice@corp.example", EmailVerified: true, Groups: []string{"Ward 3"}},
		{User: "bob", PasswordHash: hash},
		{User: "carol", PasswordHash: hash, Disabled: true},
	}
}

func newBench(t *testing.T, c Config) bench {
	t.Helper()
	if c.Users == nil {
		c.Users = people()
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	directory, err := openUsers(string(c.UsersFile), c.Users, slog.New(slog.DiscardHandler), clock)
	if err != nil {
		t.Fatal(err)
	}
	env := authntest.NewEnv("local")
	tries := authntest.NewTries(clock)
	env.Tries = tries
	b := bench{method: c.open(env, directory, clock), clock: &now, tries: tries, compared: new(atomic.Int64)}
	b.compare = func(d digest, password string) bool {
		b.compared.Add(1)
		return d.matches(password)
	}
	return b
}

func answer(user, password string) *http.Request {
	return authntest.Post(url.Values{userField: {user}, passwordField: {password}})
}

// signIn posts name and password from an address.
func (b bench) signIn(user, password, from string) (authn.Reply, error) {
	a := authntest.NewAttempt("local", "app.example")
	a.Client = netip.MustParseAddr(from)
	return b.Resume(context.Background(), a, answer(user, password))
}

// enters reports whether name and password sign in from an address. What is
// not a sign-in must be the form, with the one answer that there is.
func (b bench) enters(t *testing.T, user, password, from string) bool {
	t.Helper()
	reply, err := b.signIn(user, password, from)
	if err != nil {
		t.Fatalf("sign in as %q from %s: %v", user, from, err)
	}
	if _, in := reply.(authn.SignedIn); in {
		return true
	}
	if diff := cmp.Diff(authn.Reply(form(user, noMatch)), reply); diff != "" {
		t.Fatalf("answer to %q (-want +got):\n%s", user, diff)
	}
	return false
}

const ward, elsewhere = "192.0.2.10", "198.51.100.20"

func TestContract(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		b := newBench(t, Config{})
		return authntest.Subject{
			Authenticator: b,
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				return b.Resume(ctx, a, answer("alice", right))
			},
		}
	})
}

func TestIdentityOfASignIn(t *testing.T) {
	b := newBench(t, Config{})
	reply, err := b.signIn(" ALICE", right, ward)
	if err != nil {
		t.Fatal(err)
	}
	want := authn.SignedIn{Identity: authn.Identity{
		Method: "local", Issuer: "foregate:local/local", Subject: "alice", User: "Alice",
		Email: "alice@corp.example", Checked: true, PreferredUsername: "Alice", Name: "Alice Archer",
		Groups: []string{"Ward 3"}, AMR: []string{"pwd"}, Authenticated: *b.clock,
	}}
	if diff := cmp.Diff(authn.Reply(want), reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestFormAsksForNameAndPassword(t *testing.T) {
	a := authntest.NewAttempt("local", "app.example")
	a.Hint = "ali\x00ce\n" + strings.Repeat("x", 200)
	reply, err := newBench(t, Config{}).Begin(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Form{Step: "password", Fields: []authn.Field{
		{Name: "username", Kind: "text", Label: "User name", Autocomplete: "username", Value: "alice" + strings.Repeat("x", 200)},
		{Name: "password", Kind: "password", Label: "Password", Autocomplete: "current-password"},
	}}
	if diff := cmp.Diff(authn.Reply(want), reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestPasswordInTheQueryIsNotRead(t *testing.T) {
	b := newBench(t, Config{})
	r := authntest.Get(url.Values{userField: {"alice"}, passwordField: {right}})
	reply, err := b.Resume(t.Context(), authntest.NewAttempt("local", "app.example"), r)
	if _, isForm := reply.(authn.Form); err != nil || !isForm {
		t.Errorf("Resume = %T, %v, want the form again", reply, err)
	}
	if n := b.compared.Load(); n != 0 {
		t.Errorf("%d passwords compared", n)
	}
}

func TestLD1EmptyPasswordsAreRefusedBeforeAnyHash(t *testing.T) {
	b := newBench(t, Config{})
	for _, password := range []string{"", "\x00", "\x00" + right, right + "\x00", strings.Repeat("a", 1<<20)} {
		if b.enters(t, "alice", password, ward) {
			t.Errorf("%.20q signs in", password)
		}
	}
	for _, user := range []string{"", " ", "\xff"} {
		if b.enters(t, user, right, ward) {
			t.Errorf("user %q signs in", user)
		}
	}
	if n, counted := b.compared.Load(), b.tries.Counts(); n != 0 || len(counted) != 0 {
		t.Errorf("%d passwords compared, %d counters", n, len(counted))
	}
}

func TestRepeatedFieldsAreRefused(t *testing.T) {
	b := newBench(t, Config{})
	r := authntest.Post(url.Values{userField: {"bob", "alice"}, passwordField: {right}})
	reply, err := b.Resume(t.Context(), authntest.NewAttempt("local", "app.example"), r)
	var e *authn.Error
	if reply != nil || !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Errorf("Resume = %v, %v, want an error of 400", reply, err)
	}
}

func TestLD7EveryRefusalCostsOneHashAndSaysTheSame(t *testing.T) {
	b := newBench(t, Config{})
	for range 11 { // locks bob for the last case
		b.enters(t, "bob", "wrong", ward)
	}
	for name, user := range map[string]string{
		"wrong password": "alice", "unknown": "mallory", "disabled": "carol",
		"locked": "bob", "domain spelling": `corp\alice`, "e-mail": "alice@corp.example",
	} {
		before := b.compared.Load()
		if b.enters(t, user, "wrong", elsewhereFor(user)) {
			t.Errorf("%s: signed in", name)
		}
		if n := b.compared.Load() - before; n != 1 {
			t.Errorf("%s: %d comparisons, want 1", name, n)
		}
	}
	if b.enters(t, "carol", right, elsewhere) {
		t.Error("a disabled account signs in with its password")
	}
}

func elsewhereFor(user string) string {
	if user == "bob" {
		return ward
	}
	return elsewhere
}

func TestLD7UnknownNamesTakeTheTimeOfKnownOnes(t *testing.T) {
	hash, err := Hash(right)
	if err != nil {
		t.Fatal(err)
	}
	secret := authn.NewSecret(hash)
	b := newBench(t, Config{
		Users:   []User{{User: "alice", PasswordHash: secret}, {User: "carol", PasswordHash: secret, Disabled: true}, {User: "old", PasswordHash: authn.NewSecret(quick)}},
		Lockout: Lockout{Failures: 25, NetworkFailures: 1000},
	})
	names := []string{"alice", "carol", "mallory"}
	took := make(map[string][]time.Duration)
	for range 15 {
		for _, name := range names {
			start := time.Now()
			b.enters(t, name, "wrong", ward)
			took[name] = append(took[name], time.Since(start))
		}
	}
	median := func(name string) time.Duration { slices.Sort(took[name]); return took[name][len(took[name])/2] }
	known := median("alice")
	for _, name := range names[1:] {
		// A missing hash is a hundredth, the quick one a tenth.
		if other := median(name); other < known/3 || other > known*3 {
			t.Errorf("%s takes %v, alice %v", name, other, known)
		}
	}
}
