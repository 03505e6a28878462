// Package optest starts a real OpenID Connect provider, test/op/op.mjs, for tests.
//
// The provider listens on loopback, knows two people and three clients, and ends
// with the test, also when the test is killed.
package optest

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Clients that every provider knows. The first two have Secret.
const (
	ClientBasic = "foregate"      // client_secret_basic
	ClientPost  = "foregate-post" // client_secret_post
	ClientKey   = "foregate-key"  // private_key_jwt, with Options.JWKS or JWKSURI
	Secret      = "secret"
)

// People who can sign in. Alice is in the groups staff and admins and has a
// verified e-mail address; Bob is in guests, and his is not verified.
const (
	Alice, AlicePassword = "alice", "pw-a"
	Bob, BobPassword     = "bob", "pw-b"
)

// Options of a provider. The zero value is a provider on a free port that sends
// nobody back anywhere.
type Options struct {
	Port                   int             `json:"port"`
	Title                  string          `json:"title,omitempty"`                     // heading of its sign-in page
	RedirectURIs           []string        `json:"redirect_uris,omitempty"`             // of every client
	PostLogoutRedirectURIs []string        `json:"post_logout_redirect_uris,omitempty"` // of every client
	BackchannelLogoutURI   string          `json:"backchannel_logout_uri,omitempty"`    // of every client
	JWKS                   json.RawMessage `json:"jwks,omitempty"`                      // public keys of ClientKey …
	JWKSURI                string          `json:"jwks_uri,omitempty"`                  // … or where they are
	AccessTokenTTL         int             `json:"access_token_ttl,omitempty"`          // seconds, 60
	IDTokenTTL             int             `json:"id_token_ttl,omitempty"`              // seconds, 300
	Entra                  string          `json:"entra,omitempty"`                     // a tenant ID: speak as Entra ID does for it
	Users                  map[string]User `json:"users,omitempty"`                     // in place of Alice and Bob
}

// User is the password and the claims of a person.
type User map[string]any

// Provider is a running provider.
type Provider struct {
	Issuer string // http://127.0.0.1:port, and the tenant's path

	cmd     *exec.Cmd
	rotated chan struct{}
	orders  io.Writer
	done    chan string
}

const patience = 30 * time.Second

// Start starts a provider that ends with the test. Without node or its modules
// the test is skipped, and on CI, where nothing may be skipped, it fails.
func Start(t testing.TB, o Options) *Provider {
	t.Helper()
	script := find(t)
	arg, err := json.Marshal(struct {
		Options
		Lifeline bool `json:"lifeline"`
	}{o, true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script, string(arg))
	complaints := &lines{}
	cmd.Stderr = complaints
	// The provider ends when this pipe does, however this process ends.
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Provider{cmd: cmd, rotated: make(chan struct{}, 8), orders: lifeline, done: make(chan string, 1)}
	ready, ended := make(chan string, 1), make(chan struct{})
	go p.listen(out, ready, ended)
	t.Cleanup(func() {
		_ = lifeline.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider said: %s", complaints)
		}
	})
	select {
	case p.Issuer = <-ready:
	case <-ended:
		t.Fatalf("the provider ended at once: %s", complaints)
	case <-time.After(patience):
		t.Fatalf("the provider is not ready after %s", patience)
	}
	return p
}

// listen reads what the provider prints until it ends.
func (p *Provider) listen(out io.Reader, ready chan<- string, ended chan<- struct{}) {
	defer close(ended)
	for in := bufio.NewScanner(out); in.Scan(); {
		var said struct{ Issuer, Rotated, Done string }
		if json.Unmarshal(in.Bytes(), &said) != nil {
			continue
		}
		if said.Issuer != "" {
			ready <- said.Issuer
		}
		if said.Done != "" {
			p.done <- said.Done
		}
		if said.Rotated != "" {
			p.rotated <- struct{}{}
		}
	}
}

// Rotate makes the provider sign with a new key. The old one stays published.
func (p *Provider) Rotate(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGHUP)
	select {
	case <-p.rotated:
	case <-time.After(patience):
		t.Fatal("the provider did not change its key")
	}
}

// Say changes claims of a person from now on, such as {"groups": ["staff"]}.
func (p *Provider) Say(t testing.TB, user string, claims map[string]any) {
	t.Helper()
	p.order(t, map[string]any{"user": user, "claims": claims})
}

// Revoke takes back all that a person granted: no refresh token of theirs is good
// any more.
func (p *Provider) Revoke(t testing.TB, user string) {
	t.Helper()
	p.order(t, map[string]any{"revoke": user})
}

// Delay makes the token endpoint slow.
func (p *Provider) Delay(t testing.TB, d time.Duration) {
	t.Helper()
	p.order(t, map[string]any{"token_delay": d.Milliseconds()})
}

// Renewals is how often tokens were renewed.
func (p *Provider) Renewals(t testing.TB) int {
	t.Helper()
	n, err := strconv.Atoi(p.order(t, map[string]any{"count": true}))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Freeze stops the provider in its tracks; Thaw lets it go on.
func (p *Provider) Freeze(t testing.TB) { p.signal(t, syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (p *Provider) Thaw(t testing.TB) { p.signal(t, syscall.SIGCONT) }

func (p *Provider) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *Provider) order(t testing.TB, order map[string]any) string {
	t.Helper()
	if err := json.NewEncoder(p.orders).Encode(order); err != nil {
		t.Fatal(err)
	}
	select {
	case done := <-p.done:
		return done
	case <-time.After(patience):
		t.Fatal("the provider does not obey")
		return ""
	}
}

// find returns the script's path.
func find(t testing.TB) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("node is needed for the OpenID Connect provider: %v", err)
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	// Node looks for modules in the script's folder and in those above it.
	if _, err := os.Stat(filepath.Join(root, "test", "node_modules", "oidc-provider")); err != nil {
		missing("the OpenID Connect provider is not installed: run test/needs")
		return ""
	}
	return filepath.Join(root, "test", "op", "op.mjs")
}

// moduleRoot goes up from the test's folder, since a trimmed binary does not
// know where its source is.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = up
	}
}

// lines gathers what the provider complains about.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
