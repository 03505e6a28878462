package ldap

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
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
	"foregate/internal/ldaptest"
)

const ward, elsewhere = "192.0.2.10", "198.51.100.20"

// logged is what a method wrote to its log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// bench is a method, its counters and its log.
type bench struct {
	*Method
	tries *authntest.Tries
	out   *logged
}

func newBench(t testing.TB, c Config, claims ...string) bench {
	t.Helper()
	b := bench{tries: authntest.NewTries(time.Now), out: new(logged)}
	env := authntest.NewEnv("ward-ad")
	env.Tries, env.Claims = b.tries, claims
	env.Log = slog.New(slog.NewTextHandler(b.out, nil))
	m, err := open(&c, env, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Close()
		for _, secret := range []string{ldaptest.Password, ldaptest.ServicePassword} {
			if strings.Contains(b.out.String(), secret) {
				t.Errorf("the log has the password %q:\n%s", secret, b.out)
			}
		}
	})
	b.Method = m
	return b
}

// onSlapd is the configuration for a slapd.
func onSlapd(s *ldaptest.Slapd) Config {
	return Config{
		Preset: "openldap", Servers: []string{s.TLS}, CA: authn.Path(s.PKI.CA),
		BindDN: ldaptest.Service, BindPassword: authn.NewSecret(ldaptest.ServicePassword),
		BaseDN: ldaptest.Base,
	}
}

func answer(user, password string) *http.Request {
	return authntest.Post(url.Values{userField: {user}, passwordField: {password}})
}

// signIn posts name and password from an address.
func (b bench) signIn(ctx context.Context, user, password, from string) (authn.Reply, error) {
	a := authntest.NewAttempt("ward-ad", "app.example")
	a.Client = netip.MustParseAddr(from)
	return b.Resume(ctx, a, answer(user, password))
}

// enters is the identity of who must get in.
func (b bench) enters(t testing.TB, user, password string) authn.Identity {
	t.Helper()
	reply, err := b.signIn(context.Background(), user, password, ward)
	in, ok := reply.(authn.SignedIn)
	if !ok {
		t.Fatalf("sign in as %q = %+v, %v; log:\n%s", user, reply, err, b.out)
	}
	return in.Identity
}

// refuses checks that somebody gets the form again, with these words.
func (b bench) refuses(t testing.TB, user, password, words string) {
	t.Helper()
	reply, err := b.signIn(context.Background(), user, password, ward)
	if err != nil {
		t.Fatalf("sign in as %q: %v; log:\n%s", user, err, b.out)
	}
	if diff := cmp.Diff(authn.Reply(form(user, words)), reply); diff != "" {
		t.Fatalf("answer to %q (-want +got):\n%s\nlog:\n%s", user, diff, b.out)
	}
}

// status is that of an error which must be one for people.
func status(t testing.TB, err error) int {
	t.Helper()
	var e *authn.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *authn.Error", err)
	}
	return e.Status
}

// waitFor waits for what must become true soon.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ldaptest.Eventually(t, what, holds)
}
