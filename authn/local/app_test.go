package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

// household is people who have an account. The codes of their apps are numbers that
// count up; what was taken is spent.
type household struct {
	mu       sync.Mutex
	down     bool
	hash     string
	disabled map[string]bool
	apps     map[string]int // by subject: the last code that was taken
	recovery map[string]string
	pending  map[string]int
	begun    int
}

func newHousehold() *household {
	return &household{hash: quick, disabled: map[string]bool{}, apps: map[string]int{}, recovery: map[string]string{}, pending: map[string]int{}}
}

func (h *household) Credential(_ context.Context, name string) (authn.Credential, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return authn.Credential{}, authntest.ErrDown
	}
	c := authn.Credential{Key: name, Hash: authn.NewSecret(h.hash)}
	subject := map[string]string{"dora": "a-1", "dora@corp.example": "a-1", "erik": "a-2", "alice": "a-3"}[name]
	if subject == "" {
		return c, nil
	}
	c.Key, c.Open = subject, !h.disabled[subject]
	_, c.Code = h.apps[subject]
	c.Person = authn.Person{
		Issuer: "foregate:accounts", Subject: subject, User: "u-" + subject, Email: subject + "@corp.example", Name: "Dora Dahl",
		HasPassword: true, Groups: []string{"ward"}, Roles: []string{"nurse"}, Claims: map[string]any{"unit": "7", "private": "x"},
	}
	return c, nil
}

func (h *household) ByEmail(context.Context, string) (authn.Person, error) {
	return authn.Person{}, authn.ErrNoPerson
}

func (h *household) CheckPassword(context.Context, authn.Person, string) error {
	return authn.ErrWrongPassword
}

func (h *household) CheckCode(_ context.Context, p authn.Person, code string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, ok := h.apps[p.Subject]
	if h.recovery[p.Subject] != "" && code == h.recovery[p.Subject] {
		delete(h.recovery, p.Subject)
		return nil
	}
	if !ok || code != fmt.Sprintf("%06d", last+1) {
		return authn.ErrWrongCode
	}
	h.apps[p.Subject] = last + 1
	return nil
}

func (h *household) Enrol(_ context.Context, p authn.Person, title, mark string) (authn.Enrolment, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if mark == "" || mark != fmt.Sprint(h.pending[p.Subject]) {
		h.begun++
		h.pending[p.Subject] = h.begun
	}
	secret := fmt.Sprint("SECRET", h.pending[p.Subject])
	return authn.Enrolment{Secret: authn.NewSecret(secret), URL: authn.NewSecret("otpauth://totp/" + title + "?secret=" + secret), Mark: fmt.Sprint(h.pending[p.Subject])}, nil
}

func (h *household) Enrolled(_ context.Context, p authn.Person, code string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.pending[p.Subject]; n == 0 || code != fmt.Sprintf("9%05d", n) {
		return nil, authn.ErrWrongCode
	}
	delete(h.pending, p.Subject)
	h.apps[p.Subject] = 0
	return []string{"aaaa-bbbb", "cccc-dddd"}, nil
}

// home is a method whose people have accounts.
type home struct {
	bench
	people *household
}

func newHome(t *testing.T, c Config) home {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	h := home{people: newHousehold()}
	now := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	env := authntest.NewEnv("local")
	env.People, env.Claims = h.people, []string{"unit"}
	h.tries = authntest.NewTries(func() time.Time { return now })
	env.Tries = h.tries
	directory, err := c.directory(env)
	if err != nil {
		t.Fatal(err)
	}
	h.bench.method, h.clock = c.open(env, directory, func() time.Time { return now }), &now
	return h
}

func (h home) post(t *testing.T, a *authn.Attempt, fields ...string) authn.Reply {
	t.Helper()
	reply, err := h.tried(a, fields...)
	if err != nil {
		t.Fatalf("post %q: %v", fields, err)
	}
	return reply
}

func (h home) tried(a *authn.Attempt, fields ...string) (authn.Reply, error) {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return h.Resume(context.Background(), a, authntest.Post(values))
}

// entered is an attempt in which the password was right.
func (h home) entered(t *testing.T, name string) (*authn.Attempt, authn.Reply) {
	t.Helper()
	a := authntest.NewAttempt("local", "app.example")
	return a, h.post(t, a, userField, name, passwordField, right)
}

func stepOf(t *testing.T, reply authn.Reply) authn.Form {
	t.Helper()
	form, ok := reply.(authn.Form)
	if !ok {
		t.Fatalf("got %#v, want a form", reply)
	}
	return form
}

func amrOf(t *testing.T, reply authn.Reply) string {
	t.Helper()
	in, ok := reply.(authn.SignedIn)
	if !ok {
		t.Fatalf("got %#v, want to be signed in", reply)
	}
	return in.Identity.Subject + " " + strings.Join(in.Identity.AMR, " ")
}

func TestContractWithAccounts(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		h := newHome(t, Config{})
		h.people.apps["a-1"] = 0
		n := 0
		return authntest.Subject{
			Authenticator: h,
			Constant:      []string{keepStep, keepName, keepSubject},
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				if _, err := h.Resume(ctx, a, answer("dora", right)); err != nil {
					return nil, err
				}
				n++
				return h.Resume(ctx, a, authntest.Post(url.Values{codeField: {fmt.Sprintf("%06d", n)}}))
			},
		}
	})
}

func TestAccountsSignInByEitherOfTheirNames(t *testing.T) {
	h := newHome(t, Config{})
	for _, name := range []string{"dora", " DORA ", "Dora@corp.example"} {
		_, reply := h.entered(t, name)
		want := authn.SignedIn{Identity: authn.Identity{
			Method: "local", Issuer: "foregate:accounts", Subject: "a-1", User: "u-a-1", Email: "a-1@corp.example", Checked: true,
			PreferredUsername: "u-a-1", Name: "Dora Dahl", Groups: []string{"ward"}, Roles: []string{"nurse"},
			Claims: map[string]any{"unit": "7"}, AMR: []string{"pwd"}, Authenticated: *h.clock,
		}}
		if diff := cmp.Diff(authn.Reply(want), reply); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func TestLD5NamesOfAnAccountShareOneCounter(t *testing.T) {
	h := newHome(t, Config{})
	for i := range 10 {
		h.enters(t, []string{"dora", "DORA", "dora@corp.example"}[i%3], "wrong", ward)
	}
	for _, name := range []string{"dora", "dora@corp.example"} {
		if h.enters(t, name, right, ward) {
			t.Errorf("%q signs in after ten wrong passwords", name)
		}
	}
	if !h.enters(t, "erik", right, ward) || !h.enters(t, "dora", right, elsewhere) {
		t.Error("others are locked too")
	}
	// Nobody counts for an account by typing what it is counted under.
	for range 11 {
		h.enters(t, "account\x00a-2", right, ward)
	}
	if !h.enters(t, "erik", right, ward) {
		t.Error("erik was locked by a name that is not his")
	}
}

func TestLD7AccountsThatMayNotSignInCostAHashToo(t *testing.T) {
	h := newHome(t, Config{})
	h.people.disabled["a-2"] = true
	compared := 0
	h.compare = func(d digest, password string) bool { compared++; return d.matches(password) }
	for _, name := range []string{"erik", "nobody", "nobody@corp.example", "a\u200bb"} {
		if h.enters(t, name, right, ward) {
			t.Errorf("%q signs in", name)
		}
	}
	if compared != 4 {
		t.Errorf("%d comparisons, want 4", compared)
	}
}

func TestListedUsersComeBeforeAccounts(t *testing.T) {
	h := newHome(t, Config{Users: people(), Accounts: true})
	for name, want := range map[string]string{"alice": "alice pwd", "dora": "a-1 pwd"} {
		if _, reply := h.entered(t, name); amrOf(t, reply) != want {
			t.Errorf("%s: got %q", name, amrOf(t, reply))
		}
	}
	h.people.down = true
	if _, reply := h.entered(t, "bob"); amrOf(t, reply) != "bob pwd" {
		t.Error("a listed user needs the database")
	}
	_, err := h.signIn("dora", right, ward)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("account without the database: %v", err)
	}
	// Without accounts: true the listed users are all.
	listed := newHome(t, Config{Users: people()})
	if listed.enters(t, "dora", right, ward) {
		t.Error("an account signs in where only listed users may")
	}
	if password, app := listed.Keeps(); password || app {
		t.Error("says that it keeps what it does not")
	}
}

func TestCodeOfAnAppIsAskedForAfterThePassword(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	a, reply := h.entered(t, "dora")
	if f := stepOf(t, reply); f.Step != "totp" || f.Problem != "" || f.Fields[0].Autocomplete != "one-time-code" {
		t.Fatalf("got %+v", f)
	}
	if f := stepOf(t, h.post(t, a, codeField, "123456")); f.Problem != notTheCode {
		t.Errorf("wrong code: %+v", f)
	}
	if f := stepOf(t, h.post(t, a, userField, "dora", passwordField, right)); f.Step != "totp" || f.Problem != notTheCode {
		t.Errorf("the password once more: %+v", f)
	}
	kept := *a
	kept.Values = maps.Clone(a.Values)
	if got := amrOf(t, h.post(t, a, codeField, "000001")); got != "a-1 pwd otp" {
		t.Errorf("got %q", got)
	}
	// The cookie of the step is good for one sign-in.
	if _, err := h.tried(&kept, codeField, "000002"); err == nil || !strings.Contains(err.Error(), "already used") {
		t.Errorf("the step again: %v", err)
	}
	// And a code for one, in whichever attempt.
	again, _ := h.entered(t, "dora")
	if f := stepOf(t, h.post(t, again, codeField, "000001")); f.Problem != notTheCode {
		t.Errorf("the code again: %+v", f)
	}
}

func TestRecoveryCodeInPlaceOfTheApp(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"], h.people.recovery["a-1"] = 0, "aaaa-bbbb"
	a, _ := h.entered(t, "dora")
	if f := stepOf(t, h.post(t, a, recoveryButton, "1")); f.Step != "totp-recovery" || f.Fields[0].Kind != "text" {
		t.Fatalf("got %+v", f)
	}
	if f := stepOf(t, h.post(t, a, codeField, "zzzz")); f.Step != "totp-recovery" || f.Problem != notARecovery {
		t.Errorf("wrong: %+v", f)
	}
	if f := stepOf(t, h.post(t, a, appButton, "1")); f.Step != "totp" {
		t.Errorf("back to the app: %+v", f)
	}
	if got := amrOf(t, h.post(t, a, codeField, " aaaa-bbbb ")); got != "a-1 pwd otp" {
		t.Errorf("got %q", got)
	}
}

func TestGuessingOfCodesEnds(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	guess := func() error {
		a, _ := h.entered(t, "dora")
		_, err := h.tried(a, codeField, "999999")
		return err
	}
	refusedAfter := func(most int) int {
		for n := range most {
			if err := guess(); err != nil {
				var e *authn.Error
				if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
					t.Fatal(err)
				}
				return n
			}
		}
		return most
	}
	if n := refusedAfter(50); n != codeTries {
		t.Errorf("%d guesses in an hour", n)
	}
	// In another attempt, with the right code, all the same.
	a, _ := h.entered(t, "dora")
	if _, err := h.tried(a, codeField, "000001"); err == nil {
		t.Error("the right code is taken while guessing is over")
	}
	total := codeTries
	for range 6 {
		*h.clock = h.clock.Add(codeWindow)
		total += refusedAfter(50)
	}
	if total != daysTries {
		t.Errorf("%d guesses in a day, want %d", total, daysTries)
	}
	*h.clock = h.clock.Add(daysWindow)
	a, _ = h.entered(t, "dora")
	if got := amrOf(t, h.post(t, a, codeField, "000001")); got != "a-1 pwd otp" {
		t.Errorf("the next day: %q", got)
	}
}

func TestParallelGuessesAreCountedBeforeTheyAreJudged(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	a, _ := h.entered(t, "dora")
	var judged sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 100 {
		judged.Go(func() {
			mine := *a
			mine.Values = maps.Clone(a.Values)
			if _, err := h.tried(&mine, codeField, "999999"); err == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	judged.Wait()
	if n != codeTries {
		t.Errorf("%d of 100 guesses were judged, want %d", n, codeTries)
	}
}

func TestWhatChangesDuringTheSecondStepEndsIt(t *testing.T) {
	another, err := Hash("another")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(h *household){
		"disabled":         func(h *household) { h.disabled["a-1"] = true },
		"another password": func(h *household) { h.hash = another },
	} {
		h := newHome(t, Config{})
		h.people.apps["a-1"] = 0
		a, _ := h.entered(t, "dora")
		change(h.people)
		if _, err := h.tried(a, codeField, "000001"); err == nil || !strings.Contains(err.Error(), "since the first step") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A step cannot be lent to another attempt.
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	a, _ := h.entered(t, "dora")
	other := authntest.NewAttempt("local", "app.example")
	other.Values = a.Values
	if _, err := h.tried(other, codeField, "000001"); err == nil {
		t.Error("the values of an attempt are good in another")
	}
}

func TestStartAgainForgetsThePassword(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	a, _ := h.entered(t, "dora")
	if f := stepOf(t, h.post(t, a, restartButton, "1")); f.Step != "password" || f.Fields[0].Value != "dora" {
		t.Errorf("got %+v", f)
	}
	if f := stepOf(t, h.post(t, a, codeField, "000001")); f.Step != "password" || len(a.Values) != 0 {
		t.Errorf("a code without a password: %+v, %v", f, a.Values)
	}
}

func TestRequiredAppIsSetUpBeforeTheSession(t *testing.T) {
	h := newHome(t, Config{TOTP: "required"})
	a, reply := h.entered(t, "dora")
	f := stepOf(t, reply)
	if f.Step != "enrol" || f.Facts["secret"] != "SECRET1" || f.Facts["url"] != "otpauth://totp/Careplan?secret=SECRET1" {
		t.Fatalf("got %+v", f)
	}
	// A code that is wrong leaves the picture as it is.
	if f := stepOf(t, h.post(t, a, codeField, "123456")); f.Step != "enrol" || f.Facts["secret"] != "SECRET1" || f.Problem != notTheNewCode {
		t.Errorf("wrong code: %+v", f)
	}
	if f := stepOf(t, h.post(t, a, codeField, "900001")); f.Step != "recovery-codes" || f.Facts["codes"] != "aaaa-bbbb\ncccc-dddd" {
		t.Fatalf("right code: %+v", f)
	}
	if got := amrOf(t, h.post(t, a)); got != "a-1 pwd otp" {
		t.Errorf("got %q", got)
	}
	if _, err := h.tried(a); err == nil {
		t.Error("the last step is good twice")
	}
	if _, reply := h.entered(t, "dora"); stepOf(t, reply).Step != "totp" {
		t.Error("the app is not asked for at the next sign-in")
	}
}

func TestNobodyIsShownWhatAnotherBrowserHasBegun(t *testing.T) {
	h := newHome(t, Config{TOTP: "required"})
	hers, _ := h.entered(t, "dora")
	thiefs, reply := h.entered(t, "dora") // who knows her password
	known := stepOf(t, reply).Facts["secret"]
	f := stepOf(t, h.post(t, hers, codeField, "900001"))
	if f.Facts["secret"] == known || f.Problem != begunElsewhere {
		t.Fatalf("she is shown %+v, which somebody else knows", f)
	}
	if f := stepOf(t, h.post(t, thiefs, codeField, "900002")); f.Step != "enrol" {
		t.Errorf("a void secret sets up an app: %+v", f)
	}
	h.post(t, hers) // her picture is void again; she takes the new one
	if f := stepOf(t, h.post(t, hers, codeField, fmt.Sprintf("9%05d", h.people.pending["a-1"]))); f.Step != "recovery-codes" {
		t.Fatalf("got %+v", f)
	}
	if f := stepOf(t, h.post(t, thiefs, codeField, "900003")); f.Step != "totp" {
		t.Errorf("an app that is set up can be replaced with the password alone: %+v", f)
	}
}

func TestAppsAreNotAskedForWhereTheyAreOff(t *testing.T) {
	h := newHome(t, Config{TOTP: "off"})
	h.people.apps["a-1"] = 0
	if _, reply := h.entered(t, "dora"); amrOf(t, reply) != "a-1 pwd" {
		t.Errorf("got %+v", reply)
	}
	if password, app := h.Keeps(); !password || app {
		t.Errorf("keeps %v, %v", password, app)
	}
}

func TestFaultsOfTOTP(t *testing.T) {
	var fault *authn.Fault
	for _, c := range []Config{{TOTP: "sometimes"}, {TOTP: "required", Users: people(), Accounts: true}} {
		if err := c.Validate(); !errors.As(err, &fault) || fault.Path != "totp" {
			t.Errorf("%q: %v", c.TOTP, err)
		}
	}
	for want, c := range map[bool]*Config{true: {}, false: {Users: people()}} {
		if c.NeedsPeople() != want {
			t.Errorf("%d users: needs accounts: %v", len(c.Users), !want)
		}
	}
	if !(&Config{Users: people(), Accounts: true}).NeedsPeople() {
		t.Error("accounts: true does not need them")
	}
}

func TestStoreThatIsDownLetsNobodyThroughTheSecondStep(t *testing.T) {
	h := newHome(t, Config{})
	h.people.apps["a-1"] = 0
	a, _ := h.entered(t, "dora")
	for what, fail := range map[string]func(m *method){
		"tries": func(m *method) { m.env.Tries = authntest.Down{} },
		"once":  func(m *method) { m.env.Once = authntest.Down{} },
	} {
		m := *h.method
		fail(&m)
		b := home{bench: bench{method: &m}, people: h.people}
		mine := *a
		mine.Values = maps.Clone(a.Values)
		mine.Client = netip.MustParseAddr(ward)
		_, err := b.tried(&mine, codeField, fmt.Sprintf("%06d", h.people.apps["a-1"]+1))
		var e *authn.Error
		if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}
