package mailcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/mail"
	"foregate/internal/mailtest"
)

const right = "correct horse battery staple"

// book is an authn.People in memory.
type book struct {
	mu      sync.Mutex
	persons map[string]authn.Person // by address in lower case
	down    error
	checked int // passwords
}

func newBook() *book {
	return &book{persons: map[string]authn.Person{
		"alice@hospital.example": {Issuer: "foregate:accounts", Subject: "a1", User: "aarcher", Email: "Alice@Hospital.example", Name: "Alice Archer", HasPassword: true, Groups: []string{"ward-7"}, Roles: []string{"nurse"}, Claims: map[string]any{"department": "A7", "phone": "4711"}},
		"bob@hospital.example":   {Issuer: "foregate:accounts", Subject: "b2", User: "bob", Email: "bob@hospital.example"},
	}}
}

func (b *book) ByEmail(ctx context.Context, email string) (authn.Person, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(ctx.Err(), b.down); err != nil {
		return authn.Person{}, err
	}
	p, ok := b.persons[email]
	if !ok {
		return authn.Person{}, authn.ErrNoPerson
	}
	return p, nil
}

func (b *book) CheckPassword(_ context.Context, p authn.Person, password string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checked++
	if b.down != nil {
		return b.down
	}
	if !p.HasPassword || password != right {
		return authn.ErrWrongPassword
	}
	return nil
}

// post keeps letters instead of sending them.
type post struct {
	mu      sync.Mutex
	letters []authn.Letter
	err     error
}

func (p *post) Send(_ context.Context, l authn.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.letters = append(p.letters, l)
	return nil
}

func (p *post) last(t testing.TB) authn.Letter {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.letters) == 0 {
		t.Fatal("no letter")
	}
	return p.letters[len(p.letters)-1]
}

func (p *post) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.letters)
}

// bench is a method on a clock that stands until it is moved.
type bench struct {
	*method
	people *book
	post   *post
	log    *lines
	clock  atomic.Pointer[time.Time]
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newBench(t testing.TB, c Config, change ...func(*authn.Env)) *bench {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	b := &bench{people: newBook(), post: &post{}, log: &lines{}}
	b.pass(0)
	env := authntest.NewEnv("code")
	env.Tries, env.People, env.Mail = authntest.NewTries(b.time), b.people, b.post
	env.Claims = []string{"department", "unknown"}
	env.Log = slog.New(slog.NewTextHandler(b.log, nil))
	for _, f := range change {
		f(&env)
	}
	m, err := c.open(env, b.time)
	if err != nil {
		t.Fatal(err)
	}
	b.method = m
	return b
}

func (b *bench) time() time.Time { return *b.clock.Load() }

func (b *bench) pass(d time.Duration) {
	now := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	if before := b.clock.Load(); before != nil {
		now = before.Add(d)
	}
	b.clock.Store(&now)
}

func newAttempt() *authn.Attempt { return authntest.NewAttempt("code", "app.example") }

func copied(a *authn.Attempt) *authn.Attempt {
	c := *a
	c.Values = maps.Clone(a.Values)
	return &c
}

// answer posts fields to an attempt. An error fails the test.
func (b *bench) answer(t testing.TB, a *authn.Attempt, fields ...string) authn.Reply {
	t.Helper()
	reply, err := b.Resume(t.Context(), a, posted(fields...))
	if err != nil {
		t.Fatalf("Resume with %q: %v", fields, err)
	}
	return reply
}

// posted is a form with these names and values.
func posted(fields ...string) *http.Request {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return authntest.Post(values)
}

// ask begins an attempt and asks for a code, which it returns; empty if none was sent.
func (b *bench) ask(t testing.TB, email string) (*authn.Attempt, string) {
	t.Helper()
	a := newAttempt()
	before := b.post.count()
	want := b.codeForm(&authn.Attempt{Values: map[string]string{"onetime.address": strings.ToLower(email)}}, "")
	if diff := cmp.Diff(authn.Reply(want), b.answer(t, a, "email", email)); diff != "" {
		t.Fatalf("answer to %s (-want +got):\n%s", email, diff)
	}
	if b.post.count() == before {
		return a, ""
	}
	return a, b.post.last(t).Values["code"]
}

func problemOf(t testing.TB, reply authn.Reply, step string) string {
	t.Helper()
	form, ok := reply.(authn.Form)
	if !ok || form.Step != step {
		t.Fatalf("reply %+v, want a form of step %s", reply, step)
	}
	return form.Problem
}

func other(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestContract(t *testing.T) {
	for name, c := range map[string]Config{"code alone": {}, "with password": {SecondFactor: requiredPassword}} {
		t.Run(name, func(t *testing.T) {
			authntest.Run(t, func(t *testing.T) authntest.Subject {
				b := newBench(t, c)
				return authntest.Subject{Authenticator: b, SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
					if _, err := b.Begin(ctx, a); err != nil {
						return nil, err
					}
					if _, err := b.Resume(ctx, a, posted("email", "alice@hospital.example")); err != nil {
						return nil, err
					}
					reply, err := b.Resume(ctx, a, posted("code", b.post.last(t).Values["code"]))
					if _, asks := reply.(authn.Form); asks && err == nil {
						return b.Resume(ctx, a, posted("password", right))
					}
					return reply, err
				}}
			})
		})
	}
}

func TestCodeSignsIn(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	want := authn.SignedIn{Identity: authn.Identity{
		Method: "code", Issuer: "foregate:accounts", Subject: "a1", User: "aarcher", Email: "Alice@Hospital.example", Checked: true,
		PreferredUsername: "aarcher", Name: "Alice Archer", Groups: []string{"ward-7"}, Roles: []string{"nurse"},
		Claims: map[string]any{"department": "A7"}, AMR: []string{"otp"}, Authenticated: b.time(),
	}}
	if diff := cmp.Diff(authn.Reply(want), b.answer(t, a, "code", code[:3]+" "+code[3:])); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestLetterThatIsSent(t *testing.T) {
	b := newBench(t, Config{Lifetime: 5 * time.Minute, Length: 8})
	r := posted("email", " ALICE@hospital.EXAMPLE\n")
	r.Header.Set("Accept-Language", "de-AT;q=0.9, en")
	if _, err := b.Resume(t.Context(), newAttempt(), r); err != nil {
		t.Fatal(err)
	}
	got := b.post.last(t)
	code := got.Values["code"]
	if !regexp.MustCompile(`^[0-9]{8}$`).MatchString(code) {
		t.Errorf("code %q", code)
	}
	// OT4: to the address as the account has it, and not as it was typed.
	want := authn.Letter{To: "Alice@Hospital.example", Kind: "code", App: "careplan", Language: "de-AT", Values: map[string]string{
		"code": code, "minutes": "5", "app": "Careplan", "name": "Alice Archer",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	if s := b.log.String(); strings.Contains(s, code) || strings.Contains(strings.ToLower(s), "alice@") {
		t.Errorf("log:\n%s", s)
	}
}

func TestOT3EveryAddressGetsTheSameAnswer(t *testing.T) {
	b := newBench(t, Config{})
	var shapes []map[string]int
	for _, email := range []string{"alice@hospital.example", "carol@hospital.example", "blocked@elsewhere.example"} {
		if strings.HasPrefix(email, "blocked") {
			b.people.persons[email] = authn.Person{Issuer: "i", Subject: "s", User: "u", Email: email}
			b.post.err = mail.ErrDomain
		}
		a, _ := b.ask(t, email) // compares the form
		shape := make(map[string]int)
		for key, value := range a.Values {
			shape[key] = len(strings.ReplaceAll(value, email, ""))
		}
		shapes = append(shapes, shape)
		// Wrong codes, a sixth one and a code for nobody are told apart by nothing.
		var said []string
		for range 7 {
			said = append(said, problemOf(t, b.answer(t, a, "code", "000000"), stepCode))
		}
		if want := []string{notTheCode, notTheCode, notTheCode, notTheCode, notTheCode, deadCode, deadCode}; !slices.Equal(said, want) {
			t.Errorf("%s: %q", email, said)
		}
	}
	for _, other := range shapes[1:] {
		if diff := cmp.Diff(shapes[0], other); diff != "" {
			t.Errorf("the attempts differ (-known +other):\n%s", diff)
		}
	}
	if n := b.post.count(); n != 1 {
		t.Errorf("%d letters, want 1", n)
	}
}

func TestOT3EveryAddressTakesTheSameTime(t *testing.T) {
	b := newBench(t, Config{NetworkCodes: 100_000})
	took := make(map[string][]time.Duration)
	for i := range 300 {
		b.pass(2 * time.Hour) // no limit is met
		for _, who := range []string{"known", "unknown"} {
			email := fmt.Sprintf("user%d@unknown.example", i)
			if who == "known" {
				email = "alice@hospital.example"
			}
			a := newAttempt()
			start := time.Now()
			b.answer(t, a, "email", email)
			took[who] = append(took[who], time.Since(start))
		}
	}
	median := func(who string) time.Duration { slices.Sort(took[who]); return took[who][len(took[who])/2] }
	// Neither waits for anything: both are far below a millisecond, and a mail server
	// that is asked would be far above.
	if known, unknown := median("known"), median("unknown"); known > 5*unknown+500*time.Microsecond || unknown > 5*known+500*time.Microsecond {
		t.Errorf("a known address takes %v, an unknown one %v", known, unknown)
	}
}

func TestOT3MailThatCannotBeSentChangesNothing(t *testing.T) {
	b := newBench(t, Config{})
	b.post.err = mail.ErrFull
	a, code := b.ask(t, "alice@hospital.example")
	if code != "" || a.Values[keepStep] != stepCode {
		t.Errorf("code %q, step %q", code, a.Values[keepStep])
	}
	if !strings.Contains(b.log.String(), mail.ErrFull.Error()) {
		t.Errorf("log:\n%s", b.log)
	}
}

func TestOT4AddressesThatAreNone(t *testing.T) {
	b := newBench(t, Config{})
	for _, typed := range []string{
		"", "alice", "a@corp.test\r\nBcc:x@y.test", "alice@hospital.example,bob@hospital.example", `"a"@hospital.example`, "a@[127.0.0.1]",
		"alice@evil.example@hospital.example", "Alice <alice@hospital.example>", strings.Repeat("a", 10<<10) + "@hospital.example", "\xff@hospital.example",
		strings.Repeat("(", 60<<10), strings.Repeat("a@", 30<<10),
	} {
		a := newAttempt()
		if got := problemOf(t, b.answer(t, a, "email", typed), stepEmail); got != notAddress {
			t.Errorf("%.40q: %q", typed, got)
		}
		if len(a.Values) != 0 {
			t.Errorf("%.40q: the attempt keeps %v", typed, a.Values)
		}
	}
	for _, lookalike := range []string{"alice+x@hospital.example", "alice@hоspital.example", "al.ice@hospital.example"} {
		b.answer(t, newAttempt(), "email", lookalike)
	}
	if n := b.post.count(); n != 0 {
		t.Errorf("%d letters", n)
	}
}

func TestOT1GuessingEnds(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	var all sync.WaitGroup
	var judged atomic.Int64
	for range 100 {
		mine := copied(a)
		all.Go(func() {
			reply, err := b.Resume(context.Background(), mine, posted("code", other(code)))
			if form, ok := reply.(authn.Form); err == nil && ok && form.Problem == notTheCode {
				judged.Add(1)
			}
		})
	}
	all.Wait()
	if judged.Load() != 5 {
		t.Errorf("%d guesses judged, want 5", judged.Load())
	}
	if got := problemOf(t, b.answer(t, a, "code", code), stepCode); got != deadCode {
		t.Errorf("the right code after them: %q", got)
	}
}

func TestOT1LimitsOfCodes(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	for range 4 {
		problemOf(t, b.answer(t, a, "again", "1"), stepCode)
	}
	last := b.post.last(t).Values["code"]
	if got := problemOf(t, b.answer(t, a, "again", "1"), stepCode); got != enoughHeld || b.post.count() != 5 {
		t.Errorf("sixth code: %q, %d letters", got, b.post.count())
	}
	if got := problemOf(t, b.answer(t, newAttempt(), "email", "alice@hospital.example"), stepEmail); got != enoughSent {
		t.Errorf("another browser: %q", got)
	}
	// As for an address that nobody has.
	for range 5 {
		b.answer(t, newAttempt(), "email", "nobody@hospital.example")
	}
	if got := problemOf(t, b.answer(t, newAttempt(), "email", "nobody@hospital.example"), stepEmail); got != enoughSent {
		t.Errorf("nobody's address: %q", got)
	}
	if last == code {
		t.Skip("two equal codes, one time in a million")
	}
	if got := problemOf(t, b.answer(t, copied(a), "code", code), stepCode); got != notTheCode {
		t.Errorf("the first code: %q", got)
	}
	if _, in := b.answer(t, a, "code", last).(authn.SignedIn); !in {
		t.Error("the last code does not hold after a refused one")
	}

	b = newBench(t, Config{NetworkCodes: 3})
	for i := range 3 {
		b.answer(t, newAttempt(), "email", fmt.Sprintf("user%d@hospital.example", i))
	}
	if got := problemOf(t, b.answer(t, newAttempt(), "email", "alice@hospital.example"), stepEmail); got != enoughHere {
		t.Errorf("fourth code for a network: %q", got)
	}
	elsewhere := newAttempt()
	elsewhere.Client = netip.MustParseAddr("198.51.100.1")
	if got := problemOf(t, b.answer(t, elsewhere, "email", "alice@hospital.example"), stepCode); got != "" {
		t.Errorf("elsewhere: %q", got)
	}
}

func TestOT2OneCodeOneSignIn(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	var all sync.WaitGroup
	var in atomic.Int64
	for range 50 {
		mine := copied(a)
		all.Go(func() {
			if reply, err := b.Resume(context.Background(), mine, posted("code", code)); err == nil {
				if _, ok := reply.(authn.SignedIn); ok {
					in.Add(1)
				}
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d of 50 signed in, want 1", in.Load())
	}
}

func TestOT2CodeOfAnotherBrowser(t *testing.T) {
	b := newBench(t, Config{})
	_, code := b.ask(t, "alice@hospital.example")
	here, its := b.ask(t, "alice@hospital.example")
	if code == its {
		t.Skip("two equal codes, one time in a million")
	}
	if got := problemOf(t, b.answer(t, here, "code", code), stepCode); got != notTheCode {
		t.Errorf("another browser's code: %q", got)
	}
}

func TestOT2NewCodeKillsTheOldAndOldOnesEnd(t *testing.T) {
	b := newBench(t, Config{})
	a, first := b.ask(t, "alice@hospital.example")
	before := copied(a)
	b.answer(t, a, "again", "1")
	if got := problemOf(t, b.answer(t, before, "code", first), stepCode); got != deadCode {
		t.Errorf("the old code with the old cookie: %q", got)
	}
	b.pass(10 * time.Minute)
	if got := problemOf(t, b.answer(t, a, "code", b.post.last(t).Values["code"]), stepCode); got != deadCode {
		t.Errorf("after ten minutes: %q", got)
	}
}

func TestAnotherAddress(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	if got := problemOf(t, b.answer(t, a, "other", "1", "code", code), stepEmail); got != "" {
		t.Errorf("problem %q", got)
	}
	if problemOf(t, b.answer(t, a, "email", "bob@hospital.example"), stepCode); b.post.last(t).To != "bob@hospital.example" {
		t.Errorf("letter to %s", b.post.last(t).To)
	}
	reply := b.answer(t, a, "code", b.post.last(t).Values["code"])
	if in, ok := reply.(authn.SignedIn); !ok || in.Identity.Subject != "b2" {
		t.Errorf("reply %+v", reply)
	}
}

func TestOT5OpeningAnAddressUsesUpNothing(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	for range 20 { // a scanner that follows whatever it finds
		reply, err := b.Resume(t.Context(), a, authntest.Get(url.Values{"code": {code}, "again": {"1"}, "email": {"bob@hospital.example"}}))
		if err != nil {
			t.Fatal(err)
		}
		problemOf(t, reply, stepCode)
	}
	if _, in := b.answer(t, a, "code", code).(authn.SignedIn); !in || b.post.count() != 1 {
		t.Errorf("signed in %v, %d letters", in, b.post.count())
	}
}

func TestRepeatedFieldsAreRefused(t *testing.T) {
	b := newBench(t, Config{})
	for _, name := range []string{"email", "code", "password", "again", "other"} {
		reply, err := b.Resume(t.Context(), newAttempt(), posted(name, "a", name, "b"))
		var e *authn.Error
		if reply != nil || !errors.As(err, &e) || e.Status != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
}

func TestSomebodyWhoIsGoneSince(t *testing.T) {
	b := newBench(t, Config{})
	a, code := b.ask(t, "alice@hospital.example")
	delete(b.people.persons, "alice@hospital.example")
	if got := problemOf(t, b.answer(t, a, "code", code), stepCode); got != deadCode {
		t.Errorf("problem %q", got)
	}
}

func TestStoresThatDoNotAnswer(t *testing.T) {
	ask := posted("email", "alice@hospital.example")
	for name, f := range map[string]func(t *testing.T) error{
		"accounts, asking": func(t *testing.T) error {
			b := newBench(t, Config{})
			b.people.down = authntest.ErrDown
			_, err := b.Resume(t.Context(), newAttempt(), ask)
			return err
		},
		"accounts, code": func(t *testing.T) error {
			b := newBench(t, Config{})
			a, code := b.ask(t, "alice@hospital.example")
			b.people.down = authntest.ErrDown
			_, err := b.Resume(t.Context(), a, posted("code", code))
			return err
		},
		"accounts, password": func(t *testing.T) error {
			b := newBench(t, Config{SecondFactor: requiredPassword})
			a, code := b.ask(t, "alice@hospital.example")
			b.answer(t, a, "code", code)
			b.people.down = authntest.ErrDown
			_, err := b.Resume(t.Context(), a, posted("password", right))
			return err
		},
		"counters, asking": func(t *testing.T) error {
			b := newBench(t, Config{}, func(e *authn.Env) { e.Tries = authntest.Down{} })
			_, err := b.Resume(t.Context(), newAttempt(), ask)
			return err
		},
		"marks, code": func(t *testing.T) error {
			b := newBench(t, Config{}, func(e *authn.Env) { e.Once = authntest.Down{} })
			a, code := b.ask(t, "alice@hospital.example")
			_, err := b.Resume(t.Context(), a, posted("code", code))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var e *authn.Error
			if err := f(t); !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || !errors.Is(err, authntest.ErrDown) {
				t.Errorf("%v, want 503", err)
			}
		})
	}
}

func TestWhatOpenNeeds(t *testing.T) {
	env := authntest.NewEnv("code")
	env.People, env.Mail = newBook(), &post{}
	for name, change := range map[string]func(*authn.Env){
		"section mail": func(e *authn.Env) { e.Mail = nil },
		"accounts":     func(e *authn.Env) { e.People = nil },
		"key":          func(e *authn.Env) { e.Keys = nil },
	} {
		lacking := env
		change(&lacking)
		if _, err := new(Config).Open(lacking); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := new(Config).Open(env); err != nil {
		t.Error(err)
	}
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	for path, c := range map[string]Config{
		"second_factor": {SecondFactor: "password"}, "length": {Length: 5}, "lifetime": {Lifetime: time.Hour}, "network_codes": {NetworkCodes: -1},
	} {
		var fault *authn.Fault
		if err := c.Validate(); !errors.As(err, &fault) || fault.Path != path || fault.Remedy == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFormAsksForTheAddressThatIsKnown(t *testing.T) {
	b := newBench(t, Config{})
	a := newAttempt()
	a.Hint = "alice@hospital.example\x00"
	reply, err := b.Begin(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := reply.(authn.Form); !ok || f.Fields[0].Value != "alice@hospital.example" {
		t.Errorf("reply %+v", reply)
	}
	if diff := cmp.Diff(emailForm("", ""), b.Asks()); diff != "" {
		t.Errorf("Asks (-want +got):\n%s", diff)
	}
}

func TestLanguageOfTheBrowser(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "de": "de", " de-CH , en;q=0.8": "de-CH", "fr;q=0.3,en": "fr", "*": "", strings.Repeat("x", 100): "",
	} {
		r := posted()
		r.Header.Set("Accept-Language", header)
		if got := authn.LanguageOf(r); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// TestFromPageToMailServerAndBack uses the real mailer and a mail server.
func TestFromPageToMailServerAndBack(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	mailer, err := mail.Open(mail.Config{
		SMTP: mail.SMTP{Address: server.Addr, CA: authn.Path(server.CA)}, From: "Careplan <no-reply@careplan.example>", Queue: 10,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mailer.Close() })
	b := newBench(t, Config{}, func(e *authn.Env) { e.Mail = mailer })
	if err := b.Health(); err != nil {
		t.Errorf("Health: %v", err)
	}
	a := newAttempt()
	problemOf(t, b.answer(t, a, "email", "alice@hospital.example"), stepCode)
	letter := server.Next()
	if letter.To != "Alice@Hospital.example" || letter.Header.Get("Subject") != "Your code for Careplan" {
		t.Errorf("letter to %s, %q", letter.To, letter.Header.Get("Subject"))
	}
	code := regexp.MustCompile(`(?m)^    ([0-9]{6})\r?$`).FindStringSubmatch(letter.Raw)
	if code == nil {
		t.Fatalf("no code in\n%s", letter.Raw)
	}
	if in, ok := b.answer(t, a, "code", code[1]).(authn.SignedIn); !ok || in.Identity.User != "aarcher" {
		t.Errorf("not signed in")
	}
}
