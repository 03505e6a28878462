// Package replicas tests several Foregates that share a Redis: the real binary,
// real servers behind and beside it, nginx in front, and faults of all of them.
// The identifiers in the names of tests are those of the cases they come from.
package replicas

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/authn/local"
	"foregate/internal/optest"
	"foregate/internal/redistest"
	"foregate/test/free"
)

var binary string // the program under test, built once; without the race detector, since times matter here

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "foregate")
	build := exec.Command("go", "build", "-o", binary, "foregate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	return m.Run()
}

const (
	origin   = "http://app.test"
	password = "nora-pass-1"
)

// ward is some Foregates that share everything.
type ward struct {
	t        *testing.T
	replicas []*replica
	app      *httptest.Server
	op       *optest.Provider // nil unless wanted
}

// options of a ward; the zero value has one replica with the embedded store.
type options struct {
	replicas int
	redis    string // YAML of storage.redis; empty: the embedded store, for one replica
	provider bool
	tokenTTL int
	session  string // further YAML of session
	top      string
	methods  string // YAML of further methods, one to a line
	offered  string // their names, each with a comma behind it
}

// replica is one Foregate.
type replica struct {
	t     *testing.T
	dir   string
	addr  string
	admin string
	cmd   *exec.Cmd
	logs  *logBuffer
}

func single(s *redistest.Server) string { return fmt.Sprintf("{addresses: [%q]}", s.Addr) }

func open(t *testing.T, o options) *ward {
	t.Helper()
	w := &ward{t: t, app: httptest.NewServer(http.HandlerFunc(tell))}
	t.Cleanup(w.app.Close)
	if o.provider {
		w.op = optest.Start(t, optest.Options{RedirectURIs: []string{origin + "/sso/callback/op"}, AccessTokenTTL: o.tokenTTL,
			PostLogoutRedirectURIs: []string{origin + "/sso/sign-out"}, BackchannelLogoutURI: w.backChannel()})
	}
	for range max(1, o.replicas) {
		w.add(o)
	}
	return w
}

// backChannel is an address on loopback that hands what the provider posts to it to
// the first replica, under the application's name.
func (w *ward) backChannel() string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequest(r.Method, "http://"+w.replicas[0].addr+"/sso/backchannel/op", r.Body)
		if err != nil {
			w.t.Error(err)
			return
		}
		req.Host, req.Header = "app.test", r.Header
		resp, err := plain.Do(req)
		if err != nil {
			w.t.Error(err)
			return
		}
		defer resp.Body.Close()
		rw.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(rw, resp.Body)
	}))
	w.t.Cleanup(s.Close)
	return s.URL
}

// tell is the application: it answers with what it was told.
func tell(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(told{
		User: r.Header.Get("X-Forwarded-User"), Groups: r.Header.Get("X-Forwarded-Groups"), Token: r.Header.Get("X-Token"),
	})
}

type told struct{ User, Groups, Token string }

func (w *ward) add(o options) *replica {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "fg") // short enough for the path of a socket
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &replica{t: w.t, dir: dir, addr: address(w.t), admin: address(w.t)}
	w.replicas = append(w.replicas, r)
	r.write(w.yaml(r, o))
	r.start()
	w.t.Cleanup(r.stop)
	return r
}

func (w *ward) yaml(r *replica, o options) string {
	hash, err := local.Hash(password)
	if err != nil {
		w.t.Fatal(err)
	}
	storage, methods, offered := "path: ./data", o.methods, o.offered+"local"
	if o.redis != "" {
		storage += ", redis: " + o.redis
	}
	if w.op != nil {
		methods += fmt.Sprintf("  - {name: op, oidc: {issuer: %q, client_id: foregate, client_secret: secret, scopes: [openid, email, profile, groups], claims: {user: [sub]}, clock_tolerance: 5s}}\n", w.op.Issuer)
		offered = "op, " + offered
	}
	return fmt.Sprintf(`
listen: {http: %q, drain: 0s, admin: %q}
trusted_proxies: [127.0.0.1]
storage: {%s}
session: {secrets: [%s]%s}
%s
methods:
%s  - {name: local, local: {users: [{user: nora, password_hash: %q, groups: [staff]}], hashing: {waiting: 2000}}}
apps:
  - name: app
    hosts: [app.test]
    upstream: {url: %q}
    methods: [%s]
    headers: {map: {X-Token: {claim: access_token}}}
    rules: [{path: /public/**, allow: anyone}, {path: /night/**, groups: [night]}]
`, r.addr, r.admin, storage, strings.Repeat("s", 40), o.session, o.top, methods, hash, w.app.URL, offered)
}

func (r *replica) write(yaml string) {
	r.t.Helper()
	if err := os.WriteFile(r.config(), []byte(yaml), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) config() string { return filepath.Join(r.dir, "foregate.yaml") }

// start returns when the replica answers, ready or not.
func (r *replica) start() {
	r.t.Helper()
	r.logs = &logBuffer{}
	r.cmd = exec.Command(binary, "serve", "-c", r.config())
	r.cmd.Stderr = r.logs
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	redistest.Eventually(r.t, "foregate answers", func() bool {
		resp, err := http.Get("http://" + r.admin + "/healthz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return true
	})
}

func (r *replica) stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("foregate ended with %v", err)
	}
	r.cmd = nil
	if logs := r.logs.String(); strings.Contains(logs, "panic") || r.t.Failed() {
		r.t.Logf("foregate said:\n%s", logs)
	}
}

// command runs another command on the replica's configuration.
func (r *replica) command(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(binary, append(args, "-c", r.config())...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("foregate %q: %v\n%s", args, err, errs.String())
	}
	return out.String()
}

// metric is a figure of the replica.
func (r *replica) metric(name string) float64 {
	r.t.Helper()
	resp, err := http.Get("http://" + r.admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var sum float64
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			var v float64
			_, _ = fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v)
			sum += v
		}
	}
	return sum
}

// browser is a browser whose requests go to one replica, or to what stands before
// them.
type browser struct {
	t      *testing.T
	client *http.Client
	jar    *cookiejar.Jar
	mu     sync.Mutex
	to     string
}

func (w *ward) browser(to string) *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{t: w.t, jar: jar, to: to}
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "app.test:80" {
			addr = b.target()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	w.t.Cleanup(transport.CloseIdleConnections)
	b.client = &http.Client{Jar: jar, Transport: asBrowser{transport}, Timeout: 30 * time.Second}
	return b
}

type asBrowser struct{ next http.RoundTripper }

func (a asBrowser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "text/html")
	if r.Method == http.MethodPost {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return a.next.RoundTrip(r)
}

func (b *browser) target() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.to
}

// turn sends the next requests elsewhere.
func (b *browser) turn(to string) *browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
	return b
}

// page is an answer with its body read.
type page struct {
	status int
	at     *url.URL
	header http.Header
	body   string
	took   time.Duration
	told   told
}

func (b *browser) read(began time.Time, resp *http.Response, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	p := page{status: resp.StatusCode, at: resp.Request.URL, header: resp.Header, body: string(body), took: time.Since(began)}
	_ = json.Unmarshal(body, &p.told) // or it is not the application's
	return p
}

// get follows redirects as a browser does.
func (b *browser) get(target string) page {
	b.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = origin + target
	}
	began := time.Now()
	resp, err := b.client.Get(target)
	return b.read(began, resp, err)
}

func (b *browser) post(target string, v url.Values) page {
	b.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = origin + target
	}
	began := time.Now()
	resp, err := b.client.PostForm(target, v)
	return b.read(began, resp, err)
}

// signIn with the password of nora.
func (b *browser) signIn() page {
	b.t.Helper()
	form := b.get("/sso/start/local?rd=/")
	return b.post("/sso/start/local", url.Values{"attempt": {hidden(form.body, "attempt")}, "rd": {"/"}, "username": {"nora"}, "password": {password}})
}

// signInAtProvider as alice.
func (b *browser) signInAtProvider() page {
	b.t.Helper()
	form := b.get("/sso/start/op?rd=/")
	if !strings.Contains(form.body, `name="password"`) {
		return form // the provider knows her
	}
	return b.post(form.at.String(), url.Values{"user": {optest.Alice}, "password": {optest.AlicePassword}})
}

func hidden(body, name string) string {
	_, after, _ := strings.Cut(body, `name="`+name+`" value="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// in wants to be told of user.
func (b *browser) in(user string) page {
	b.t.Helper()
	p := b.get("/")
	if p.told.User != user {
		b.t.Fatalf("the application is told %q, want %q (status %d at %s: %.200s)", p.told.User, user, p.status, p.at, p.body)
	}
	return p
}

func (b *browser) signedIn() bool { return b.get("/").told.User != "" }

func (b *browser) cookie() string {
	u, _ := url.Parse(origin)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == "foregate" {
			return c.Value
		}
	}
	return ""
}

func (b *browser) signOut() {
	b.t.Helper()
	if p := b.post("/sso/sign-out", url.Values{}); p.status != http.StatusOK {
		b.t.Fatalf("signing out: %d", p.status)
	}
}

func address(t *testing.T) string {
	t.Helper()
	a, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// logBuffer gathers what a process says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
