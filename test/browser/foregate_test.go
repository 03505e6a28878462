// Package browser signs people in with a real browser. Chromium asks the real
// binary, which guards the sample application and sends people to real OpenID
// Connect providers.
package browser

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/authn/local"
	"foregate/internal/demo"
	"foregate/internal/ldaptest"
	"foregate/internal/optest"
	"foregate/test/free"
)

var binary string // the program under test, built once

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foregate-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "foregate")
	build := exec.Command("go", "build", "-race", "-o", binary, "foregate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	return ldaptest.Main(m)
}

// program is one run of the binary. It ends with the test.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	began time.Time
	logs  *logBuffer
	out   io.Reader
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(binary, args...), logs: &logBuffer{}}
	p.cmd.Stderr = p.logs
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	var err error
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("foregate ended with %v", err)
	}
	logs := p.logs.String()
	if strings.Contains(logs, "DATA RACE") || strings.Contains(logs, "panic") || p.t.Failed() {
		p.t.Logf("foregate said:\n%s", logs)
	}
	if strings.Contains(logs, "DATA RACE") || strings.Contains(logs, "panic") {
		p.t.Error("a race or a panic")
	}
}

// hospital is a Foregate over https with several ways to sign in.
type hospital struct {
	*program
	t            *testing.T
	url          string // of an app that offers everything
	northURL     string // of an app that offers the first provider alone
	localURL     string // of an app that offers the form alone
	admin        string
	north, south *optest.Provider
	ca           *authority
}

// options of a hospital; the zero value is the plain one.
type options struct {
	idle      string // 20m if empty
	providers bool   // start those that can be reached
	gone      string // issuer of the provider that cannot be reached
	http3     bool   // beside https
}

const noraPassword = "nora-pass-1"

func openHospital(t *testing.T, o options) *hospital {
	t.Helper()
	dir, https := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(https)
	h := &hospital{
		t: t, ca: newAuthority(t, dir), admin: freeAddress(t),
		url: "https://app.test:" + port, northURL: "https://north.test:" + port, localURL: "https://local.test:" + port,
	}
	app := httptest.NewServer(demo.App())
	t.Cleanup(app.Close)
	// Where nobody answers: the address of a listener that is closed again.
	northIssuer, southIssuer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	if o.providers {
		h.north = h.provider("Northfield", "north")
		h.south = h.provider("Southmead", "south")
		northIssuer, southIssuer = h.north.Issuer, h.south.Issuer
	}
	if o.idle == "" {
		o.idle = "20m"
	}
	if o.gone == "" {
		o.gone = "http://" + freeAddress(t)
	}
	hash, err := local.Hash(noraPassword)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "foregate.yaml")
	yaml := fmt.Sprintf(hospitalFile, https, h.admin, o.idle, northIssuer, southIssuer, o.gone, hash, app.URL, app.URL, app.URL)
	if o.http3 {
		yaml = strings.Replace(yaml, "drain: 0s", "http3: true, drain: 0s", 1)
	}
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	h.program = start(t, "serve", "-c", path)
	return h
}

const hospitalFile = `
listen: {https: %q, drain: 0s, admin: %q}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
session: {idle: %s}
methods:
  - name: north
    title: Sign in with Northfield
    oidc: {issuer: %q, client_id: foregate, client_secret: secret, response_mode: form_post, scopes: [openid, profile, email, groups]}
  - name: south
    title: Sign in with Southmead
    oidc: {issuer: %q, client_id: foregate-post, client_secret: secret, client_auth: post, response_mode: query, scopes: [openid, profile, email, groups]}
  - name: gone
    title: Sign in with Westbury
    oidc: {issuer: %q, client_id: foregate, client_secret: secret, timeout: 1s}
  - name: local
    title: User name and password
    local:
      users:
        - {user: nora, name: Nora Nurse, email: nora@example.test, groups: [staff], password_hash: %q}
apps:
  - name: careplan
    hosts: [app.test]
    upstream: {url: %q}
    methods: [north, south, gone, local]
    rules:
      - {path: /admin/**, groups: [administrators]}
    page: {title: Careplan, help: "Trouble signing in? Call 4711."}
  - name: formulary
    hosts: [north.test]
    upstream: {url: %q}
    methods: [north]
  - name: pharmacy
    hosts: [local.test]
    upstream: {url: %q}
    methods: [local]
    rules:
      - {path: /health, allow: anyone}
`

func (h *hospital) provider(title, method string) *optest.Provider {
	h.t.Helper()
	o := optest.Options{Title: title}
	for _, url := range []string{h.url, h.northURL} {
		o.RedirectURIs = append(o.RedirectURIs, url+"/sso/callback/"+method)
		o.PostLogoutRedirectURIs = append(o.PostLogoutRedirectURIs, url+"/sso/sign-out")
	}
	return optest.Start(h.t, o)
}

// client trusts the hospital's authority and follows nothing.
func (h *hospital) client() *http.Client {
	dial := func(network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return net.Dial(network, "127.0.0.1:"+port)
	}
	return &http.Client{
		Transport:     &http.Transport{Dial: dial, TLSClientConfig: &tls.Config{RootCAs: h.ca.pool}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       5 * time.Second,
	}
}

// ready waits until Foregate serves.
func (h *hospital) ready() *hospital {
	h.t.Helper()
	eventually(h.t, "foregate is ready", func() bool {
		resp, err := http.Get("http://" + h.admin + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return h
}

// eventually asks until yes. What is asked is another process, whose clock no
// test can turn.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ask() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		<-time.After(30 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
