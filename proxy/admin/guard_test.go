package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"foregate/authn"
	"foregate/authn/accounts"
)

const (
	nightly  = "nightly-token-0123456789abcdef0123456789"
	deskOne  = "desk-token-0123456789abcdef0123456789abc"
	password = "correct horse battery staple"
)

var (
	rules = Rules{
		Tokens: []Token{
			{Name: "nightly", Role: Viewer, Secret: authn.NewSecret(nightly)},
			{Name: "desk-one", Role: Desk, Organisation: "st-elsewhere", Secret: authn.NewSecret(deskOne)},
		},
		Allowed: []Allowed{
			{User: "Alice", Role: Owner},
			{Email: "bob@st-elsewhere.example", Role: Desk, Organisation: "st-elsewhere"},
			{Group: "Foregate-Desk", Role: Viewer, Organisation: "county"},
		},
	}
	somewhere = netip.MustParseAddr("192.0.2.7")
)

func (w *world) withPassword(a accounts.Account) {
	w.t.Helper()
	if err := w.accounts.SetPassword(w.t.Context(), accounts.Context{Actor: "test"}, a.ID, password); err != nil {
		w.t.Fatal(err)
	}
}

// whoWith is whom the guard takes a bearer token for.
func (w *world) whoWith(bearer string) (Who, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	return w.guard.who(r)
}

func (w *world) pass(s SignIn) string {
	w.t.Helper()
	text, _, err := w.guard.SignIn(w.t.Context(), s, somewhere)
	if err != nil {
		w.t.Fatalf("sign in %q: %v", s.User, err)
	}
	return text
}

func TestTokenIsWhoItSays(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	for bearer, want := range map[string]Who{
		nightly:                    {Actor: "token nightly", Role: Viewer},
		deskOne:                    {Actor: "token desk-one", Role: Desk, Organisation: "st-elsewhere"},
		nightly + "x":              {},
		nightly[:len(nightly)-1]:   {},
		"":                         {},
		"nightly":                  {},
		strings.Repeat("A", 1<<16): {},
	} {
		got, err := w.whoWith(bearer)
		if got != want || (err != nil) != (want == Who{}) {
			t.Errorf("%.20q: %+v, %v", bearer, got, err)
		}
	}
	for _, header := range []string{nightly, "Basic " + nightly, "Bearer", "Bearer  ", "bearer\t" + nightly} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", header)
		if got, err := w.guard.who(r); !errors.Is(err, errNobody) {
			t.Errorf("%q is %+v, %v", header, got, err)
		}
	}
	w.guard.Use(Rules{})
	if got, err := w.whoWith(nightly); !errors.Is(err, errNobody) {
		t.Errorf("a token that was taken away: %+v, %v", got, err)
	}
}

// TestEmptyTokenIsNobody: a Secret that could not be read must not open the door.
func TestEmptyTokenIsNobody(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(Rules{Tokens: []Token{{Name: "broken", Role: Owner}}})
	if got, err := w.whoWith(""); !errors.Is(err, errNobody) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, _, err := w.guard.SignIn(t.Context(), SignIn{Token: ""}, somewhere); err == nil {
		t.Error("signed in with nothing")
	}
}

func TestPassOfAnAccountIsWhatTheRulesSay(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	for _, a := range []accounts.Account{w.alice, w.bob, w.stranger} {
		w.withPassword(a)
	}
	for user, want := range map[string]Who{
		"ALICE":                    {Actor: "admin alice", Role: Owner},
		"alice@hospital.example":   {Actor: "admin alice", Role: Owner},
		"bob@st-elsewhere.example": {Actor: "admin bob", Role: Desk, Organisation: "st-elsewhere"},
	} {
		text, who, err := w.guard.SignIn(t.Context(), SignIn{User: user, Password: password}, somewhere)
		if err != nil || who != want {
			t.Errorf("%s: %+v, %v", user, who, err)
		}
		if got, err := w.whoWith(text); got != want || err != nil {
			t.Errorf("the pass of %s: %+v, %v", user, got, err)
		}
	}
	if _, _, err := w.guard.SignIn(t.Context(), SignIn{User: "carol", Password: password}, somewhere); !errors.Is(err, errSignIn) {
		t.Errorf("carol is in no group: %v", err)
	}
	on := accounts.Context{Actor: "scim:county"}
	if _, err := w.accounts.CreateGroup(t.Context(), on, accounts.Group{Organisation: "county", Name: "foregate-desk", Members: []string{w.stranger.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, who, err := w.guard.SignIn(t.Context(), SignIn{User: "carol", Password: password}, somewhere); err != nil || who.Organisation != "county" || who.Role != Viewer {
		t.Errorf("carol is in the group: %+v, %v", who, err)
	}
}

// TestOrganisationCannotMakeAnOwnerOfAll: who keeps the accounts of an organisation, by
// SCIM or as its owner, can give them any free name, address and group.
func TestOrganisationCannotMakeAnOwnerOfAll(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(Rules{Allowed: []Allowed{{User: "root", Role: Owner}, {Email: "root@hospital.example", Role: Owner}, {Group: "Owners", Role: Owner}}})
	evil := w.create(accounts.Account{Username: "root", Email: "root@hospital.example", Organisation: "county"})
	w.withPassword(evil)
	if _, err := w.accounts.CreateGroup(t.Context(), accounts.Context{}, accounts.Group{Organisation: "county", Name: "Owners", Members: []string{evil.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, who, err := w.guard.SignIn(t.Context(), SignIn{User: "root", Password: password}, somewhere); !errors.Is(err, errSignIn) {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestPassEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end func(t *testing.T, w *world, pass string)
	}{
		"when idle":       {func(_ *testing.T, w *world, _ string) { w.guard.now = later(passIdle) }},
		"at the sign-out": {func(_ *testing.T, w *world, pass string) { w.guard.SignOut(pass) }},
		"with the rule":   {func(_ *testing.T, w *world, _ string) { w.guard.Use(Rules{}) }},
		"with the account": {func(t *testing.T, w *world, _ string) {
			try(t, w.accounts.Disable(t.Context(), accounts.Context{}, w.alice.ID))
		}},
		"when it is deleted": {func(t *testing.T, w *world, _ string) {
			try(t, w.accounts.Delete(t.Context(), accounts.Context{}, w.alice.ID))
		}},
		"with a new password": {func(t *testing.T, w *world, _ string) {
			try(t, w.accounts.SetPassword(t.Context(), accounts.Context{}, w.alice.ID, "another horse altogether"))
		}},
		"with the organisation": {func(t *testing.T, w *world, _ string) {
			_, err := w.accounts.Update(t.Context(), accounts.Context{}, w.alice.ID, func(a *accounts.Account) error { a.Organisation = "county"; return nil })
			try(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.guard.Use(rules)
			w.withPassword(w.alice)
			pass := w.pass(SignIn{User: "alice", Password: password})
			if who, err := w.whoWith(pass); err != nil || who.Role != Owner {
				t.Fatalf("%+v, %v", who, err)
			}
			renewed, err := w.guard.Renew(pass)
			try(t, err)
			test.end(t, w, pass)
			for _, text := range []string{pass, renewed} {
				if who, err := w.whoWith(text); !errors.Is(err, errNobody) {
					t.Errorf("it goes on: %+v, %v", who, err)
				}
			}
		})
	}
}

func later(d time.Duration) func() time.Time {
	at := time.Now().Add(d)
	return func() time.Time { return at }
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRenewedPassGoesOnForEightHoursAtMost(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	pass := w.pass(SignIn{Token: deskOne})
	began := time.Now()
	var lived time.Duration
	for lived < passLife+time.Hour {
		at := began.Add(lived + 20*time.Minute)
		w.guard.now = func() time.Time { return at }
		next, err := w.guard.Renew(pass)
		if err != nil {
			break
		}
		if who, err := w.whoWith(next); err != nil || who.Actor != "token desk-one" {
			t.Fatalf("after %v: %+v, %v", lived, who, err)
		}
		pass, lived = next, lived+20*time.Minute
	}
	if lived < passLife-20*time.Minute || lived >= passLife {
		t.Errorf("it lived for %v", lived)
	}
}

// TestPassOfAChangedTokenIsVoid: a token that leaked is replaced under its name.
func TestPassOfAChangedTokenIsVoid(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	pass := w.pass(SignIn{Token: nightly})
	w.guard.Use(Rules{Tokens: []Token{{Name: "nightly", Role: Viewer, Secret: authn.NewSecret(nightly + "2")}}})
	if who, err := w.whoWith(pass); !errors.Is(err, errNobody) {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestPassCannotBeMade(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	w.withPassword(w.alice)
	pass := w.pass(SignIn{User: "alice", Password: password})
	stranger, err := NewGuard([][]byte{[]byte("another key, of thirty-two bytes")}, w.accounts, w.tries, w.api.Log)
	try(t, err)
	forged, err := stranger.box().seal(stranger.newPass("", w.alice.ID, "hash"))
	try(t, err)
	for i := 0; i < len(pass); i += 7 {
		changed := []byte(pass)
		changed[i] ^= 1
		if who, err := w.whoWith(string(changed)); err == nil {
			t.Errorf("with character %d changed it is %+v", i, who)
		}
	}
	for _, text := range []string{forged, pass[:len(pass)-1], pass + "A", "", "."} {
		if who, err := w.whoWith(text); !errors.Is(err, errNobody) {
			t.Errorf("%.20q: %+v, %v", text, who, err)
		}
	}
}

func TestAuthenticatorAppIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	w.withPassword(w.alice)
	on := accounts.Context{Actor: "alice"}
	made, err := w.accounts.EnrolTOTP(t.Context(), on, w.alice.ID, "Foregate")
	try(t, err)
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(made.Secret.Reveal(), at)
		try(t, err)
		return c
	}
	recovery, err := w.accounts.ConfirmTOTP(t.Context(), on, w.alice.ID, code(time.Now().Add(-30*time.Second)))
	try(t, err)
	for _, wrong := range []string{"", "000000", "recovery"} {
		if _, _, err := w.guard.SignIn(t.Context(), SignIn{User: "alice", Password: password, Code: wrong}, somewhere); !errors.Is(err, errSignIn) {
			t.Errorf("with the code %q: %v", wrong, err)
		}
	}
	right := code(time.Now())
	w.pass(SignIn{User: "alice", Password: password, Code: right})
	if _, _, err := w.guard.SignIn(t.Context(), SignIn{User: "alice", Password: password, Code: right}, somewhere); !errors.Is(err, errSignIn) {
		t.Errorf("the same code again: %v", err)
	}
	w.pass(SignIn{User: "alice", Password: password, Code: recovery[0]})
}

func TestGuessingAnAdministratorsPasswordEnds(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	w.withPassword(w.alice)
	var locked int
	for i := range signInTries + 3 {
		_, _, err := w.guard.SignIn(t.Context(), SignIn{User: []string{"alice", "ALICE", "alice@hospital.example"}[i%3], Password: "guess"}, somewhere)
		if errors.Is(err, errTooMany) {
			locked++
		}
	}
	if locked != 3 {
		t.Errorf("locked %d times, want 3", locked)
	}
	if _, _, err := w.guard.SignIn(t.Context(), SignIn{User: "alice", Password: password}, somewhere); !errors.Is(err, errTooMany) {
		t.Errorf("the right password when locked: %v", err)
	}
	lines := w.trailOf(w.alice.ID)
	if n := strings.Count(strings.Join(lines, "\n"), "admin_sign_in locked"); n != 1 {
		t.Errorf("%d lines of the lock in %q", n, lines)
	}
	if strings.Contains(w.log.String(), "guess") || strings.Contains(w.log.String(), password) {
		t.Error("the log shows a password")
	}
}

func TestGuessingManyNamesFromOneAddressEnds(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	g := w.guard
	for i := range signInFrom {
		c, err := w.accounts.Credential(t.Context(), fmt.Sprint("nobody", i))
		try(t, err)
		try(t, g.counted(t.Context(), &c, "nobody", somewhere))
	}
	c, err := w.accounts.Credential(t.Context(), "alice")
	try(t, err)
	if err := g.counted(t.Context(), &c, "alice", somewhere); !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
	if err := g.counted(t.Context(), &c, "alice", netip.MustParseAddr("192.0.2.8")); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestConsoleCookieIsAPass(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: PassCookie, Value: w.pass(SignIn{Token: nightly})})
	if who, err := w.guard.who(r); err != nil || who.Actor != "token nightly" {
		t.Errorf("%+v, %v", who, err)
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: PassCookie, Value: nightly}) // the token itself is no cookie
	if who, err := w.guard.who(r); !errors.Is(err, errNobody) {
		t.Errorf("%+v, %v", who, err)
	}
}
