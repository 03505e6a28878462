package handoff

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

const (
	blowfishKey = "00112233445566778899aabbccddeeff"
	macKey      = "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f"
	aesKey      = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	tripleKey   = "0123456789abcdef23456789abcdef01456789abcdef0123"
	otherKey    = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221101"

	host = "formulary.example"
)

// noon is when the vectors were made.
var noon = time.Unix(1767225600, 0).UTC()

// bench is one partner's method on a clock that stands, with its stores in memory.
type bench struct {
	*method
	clock *time.Time
	tries *authntest.Tries
}

// config is a good configuration of a format, changed by the caller.
func config(format string, change ...func(*Config)) *Config {
	c := &Config{
		Page: "https://intranet.st-elsewhere.example/sso.aspx", ReturnParameter: "return_to", Format: format,
		MaxAge: 2 * time.Minute, ClockTolerance: time.Minute, UserPrefix: "{partner}:",
		Keys: []Key{{Key: authn.NewSecret(aesKey)}},
	}
	switch format {
	case formatBlowfish:
		c.Keys[0] = Key{Key: authn.NewSecret(blowfishKey), MACKey: authn.NewSecret(macKey)}
	case formatTripleDES:
		c.Keys[0] = Key{Key: authn.NewSecret(tripleKey), MACKey: authn.NewSecret(macKey)}
	case formatAESCBC:
		c.Keys[0].MACKey = authn.NewSecret(macKey)
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// bare takes the HMAC away and accepts the risk.
func bare(c *Config) {
	for i := range c.Keys {
		c.Keys[i].MACKey = authn.Secret{}
	}
	c.InsecureUnauthenticatedToken = true
	c.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
}

func newBench(t testing.TB, c *Config) bench {
	t.Helper()
	return newBenchIn(t, c, authntest.NewEnv("st-elsewhere"))
}

func newBenchIn(t testing.TB, c *Config, env authn.Env) bench {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	now := noon
	clock := func() time.Time { return now }
	tries := authntest.NewTries(clock)
	if _, down := env.Tries.(authntest.Down); !down {
		env.Tries = tries
	}
	m, err := c.open(env, clock)
	if err != nil {
		t.Fatal(err)
	}
	return bench{method: m, clock: &now, tries: tries}
}

// mint makes a token for a user, now.
func (b bench) mint(t testing.TB, user string, change ...func(*Draft)) url.Values {
	t.Helper()
	d := Draft{User: user, Name: "Alice Archer", Made: *b.clock, Host: host}
	for _, f := range change {
		f(&d)
	}
	v, err := b.partner.Mint(d)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// attempt is one of a browser at 192.0.2.10.
func (b bench) attempt() *authn.Attempt { return authntest.NewAttempt(b.name, host) }

// arrive lets a browser come with these parameters.
func (b bench) arrive(values url.Values) (authn.Identity, error) {
	return b.arriveAs(b.attempt(), values)
}

func (b bench) arriveAs(a *authn.Attempt, values url.Values) (authn.Identity, error) {
	reply, err := b.Resume(context.Background(), a, authntest.Get(values))
	if err != nil {
		return authn.Identity{}, err
	}
	return reply.(authn.SignedIn).Identity, nil
}

// enters demands that the token signs in.
func (b bench) enters(t testing.TB, values url.Values) authn.Identity {
	t.Helper()
	id, err := b.arrive(values)
	if err != nil {
		t.Fatalf("the token is refused: %v", err)
	}
	return id
}

// refusedFor demands a refusal for this reason, in the words that there are for all.
func (b bench) refusedFor(t testing.TB, values url.Values, code Code) *Reason {
	t.Helper()
	_, err := b.arrive(values)
	return reasonOf(t, err, code)
}

const uniform = "This link from “Sign in with st-elsewhere” could not be used. Such a link can be used once, and only for a few minutes by the clocks of both sides. Go back to the page where you found it and follow the link again. " +
	"If that does not help, tell the people who look after that page."

func reasonOf(t testing.TB, err error, code Code) *Reason {
	t.Helper()
	var reason *Reason
	var public *authn.Error
	switch {
	case err == nil:
		t.Fatalf("signs in, want a refusal for %s", code)
	case !errors.As(err, &reason) || !errors.As(err, &public):
		t.Fatalf("error %v (%T), want a *Reason in an *authn.Error", err, err)
	case reason.Code != code:
		t.Fatalf("refused for %q, want %q", err, code)
	case public.Public != uniform || public.Status != http.StatusForbidden:
		t.Fatalf("%s: the browser is told %d %q, want what everybody is told", code, public.Status, public.Public)
	}
	return reason
}

func quietly(values url.Values, name string, change func(string) string) url.Values {
	changed := url.Values{}
	for k, v := range values {
		changed[k] = append([]string(nil), v...)
	}
	changed.Set(name, change(values.Get(name)))
	return changed
}

func TestContract(t *testing.T) {
	configs := map[string]*Config{"blowfish without HMAC": config(formatBlowfish, bare)}
	for _, format := range formats {
		configs[format] = config(format)
	}
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			authntest.Run(t, func(t *testing.T) authntest.Subject {
				b := newBench(t, c)
				return authntest.Subject{
					Authenticator: b,
					SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
						a.Host = host
						*b.clock = b.clock.Add(time.Second)
						if _, err := b.Begin(ctx, a); err != nil {
							return nil, err
						}
						return b.Resume(ctx, a, authntest.Get(b.mint(t, "alice")))
					},
				}
			})
		})
	}
}

func TestIdentityOfAHandOff(t *testing.T) {
	env := authntest.NewEnv("st-elsewhere")
	env.Claims = []string{"ward", "beds", "absent"}
	b := newBenchIn(t, config(formatAESGCM, func(c *Config) { c.EmailVerified = true }), env)
	id := b.enters(t, b.mint(t, `ward\alice`, func(d *Draft) {
		d.Email = "alice@st-elsewhere.example"
		d.Claims = map[string]any{"ward": "7", "beds": 12, "shoe_size": 40}
		d.Made = noon.Add(-30 * time.Second)
	}))
	want := authn.Identity{
		Method: "st-elsewhere", Issuer: "handoff:st-elsewhere", Subject: `ward\alice`, User: `st-elsewhere:ward\alice`,
		PreferredUsername: `ward\alice`, Name: "Alice Archer", Email: "alice@st-elsewhere.example", Checked: true,
		Claims: map[string]any{"ward": "7", "beds": 12.0}, Authenticated: noon.Add(-30 * time.Second),
	}
	if diff := diff(want, id); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestBeginSendsTheBrowserToThePageWithTheAddress(t *testing.T) {
	for page, want := range map[string]string{
		"https://i.example/sso":      "https://i.example/sso?return_to=https%3A%2F%2Fformulary.example%2Fdrugs%3Fq%3Da%2526b%26x%3D%2B",
		"https://i.example/sso?k=v":  "https://i.example/sso?k=v&return_to=https%3A%2F%2Fformulary.example%2Fdrugs%3Fq%3Da%2526b%26x%3D%2B",
		"http://intranet:8080/a.asp": "http://intranet:8080/a.asp?return_to=https%3A%2F%2Fformulary.example%2Fdrugs%3Fq%3Da%2526b%26x%3D%2B",
	} {
		b := newBench(t, config(formatAESGCM, func(c *Config) { c.Page = page }))
		a := b.attempt()
		a.Return = "/drugs?q=a%26b&x=+"
		reply, err := b.Begin(t.Context(), a)
		if err != nil || reply != (authn.Redirect{URL: want}) {
			t.Errorf("Begin = %v, %v, want %s", reply, err, want)
		}
	}
	b := newBench(t, config(formatAESGCM, func(c *Config) { c.ReturnParameter = "" }))
	if reply, err := b.Begin(t.Context(), b.attempt()); err != nil || reply != (authn.Redirect{URL: "https://intranet.st-elsewhere.example/sso.aspx"}) {
		t.Errorf("Begin = %v, %v, want the page and nothing else", reply, err)
	}
}

func TestStartPageOpensWhenItIsLocal(t *testing.T) {
	b := newBench(t, config(formatJWE, func(c *Config) { c.StartParameter = "goto" }))
	tests := []struct{ inside, beside, want string }{
		{"", "", "/asked"}, {"/drugs/5?x=1", "", "/drugs/5?x=1"}, {"", "/drugs/6", "/drugs/6"}, {"/in", "/beside", "/in"},
		{"//evil.example/", "", "/asked"}, {`/\evil.example`, "", "/asked"}, {"https://evil.example", "", "/asked"},
		{"", "//evil.example/", "/asked"}, {"", "/a\r\nb", "/asked"}, {"", "x", "/asked"},
	}
	for _, test := range tests {
		v := b.mint(t, "alice", func(d *Draft) { d.Start = test.inside })
		if test.beside != "" {
			v.Set("goto", test.beside)
		}
		a := b.attempt()
		a.Return = "/asked"
		if _, err := b.arriveAs(a, v); err != nil || a.Return != test.want {
			t.Errorf("start %q, parameter %q: opens %q, %v, want %q", test.inside, test.beside, a.Return, err, test.want)
		}
	}
}

func TestHealthTellsWhenNothingCanBeOpened(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) { c.RefuseLegacyAfter = "2026-01-31"; c.Keys[0].Until = "2026-03-31" }))
	if err := b.Health(); err != nil {
		t.Errorf("Health = %v", err)
	}
	*b.clock = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	b.enters(t, b.mint(t, "alice"))
	*b.clock = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	if err := b.Health(); err == nil {
		t.Error("Health is nil after refuse_legacy_after")
	}
	if reply, err := b.Begin(t.Context(), b.attempt()); err == nil {
		t.Errorf("Begin still sends the browser away: %v", reply)
	}
	b.refusedFor(t, b.mint(t, "alice"), Sunset)
	if !strings.Contains(b.Format(), "blowfish") {
		t.Errorf("Format = %q", b.Format())
	}
}

func diff(want, got any) string { return cmp.Diff(want, got) }

func TestTryOutIsToldWhatWasInTheToken(t *testing.T) {
	b := newBench(t, config(formatAESGCM))
	a := b.attempt()
	a.Trial = new(authn.Trial)
	values := b.mint(t, "alice")
	if _, err := b.arriveAs(a, values); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", a.Trial)
	for _, want := range []string{"{Name:Token Values:[format aes-gcm ", "{Name:user Values:[alice]}", "{Part:user name From:[user] Value:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	for _, v := range values {
		if strings.Contains(text, v[0]) {
			t.Errorf("the token itself is in %s", text)
		}
	}
}
