// Package gate tests the real binary from outside: raw sockets before it, an
// application behind it that records every byte. The identifiers in the names of
// tests are those of the cases they come from.
package gate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/test/free"
)

var binary string // the program under test, built once

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foregate-gate-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "foregate")
	if err := lookAtSources(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-race", "-o", binary, "foregate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	flag.Parse()
	// Most tests wait for something: more of them run at once than there are cores. Those that
	// measure are not parallel, and run before.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// lookAtSources reads the module's folders. Go keeps the result of a test until
// something changes that it has read, and does not know what it builds.
func lookAtSources() error {
	return filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		return err
	})
}

// Passwords of the people in every fixture, with hashes that are cheap to check.
const (
	alicePassword = "alice-pass-1"
	rootPassword  = "root-pass-1"
)

var hashes = sync.OnceValues(func() (map[string]string, error) {
	out := make(map[string]string)
	for user, password := range map[string]string{"alice": alicePassword, "root": rootPassword} {
		cmd := exec.Command(binary, "hash-password")
		cmd.Stdin = strings.NewReader(password + "\n")
		b, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		out[user] = strings.TrimSpace(string(b))
	}
	return out, nil
})

// foregate is one running Foregate with one recording application behind it.
type foregate struct {
	t     *testing.T
	addr  string // of the public listener
	https string // of the one with TLS, if there is one
	admin string
	dir   string
	up    *application
	cmd   *exec.Cmd
	under []string // command and arguments that run it
	env   []string
	logs  *logBuffer
}

// options of a fixture; the zero value is the plain one.
type options struct {
	top     string // further top-level YAML
	idle    string
	session string // further YAML of the session: ", lifetime: 3s"
	users   string // further YAML of the users, one to a line
	app     string // further YAML of the app
	headers string
	rules   string
	apps    string           // further apps, with APPLICATION for the address of the application
	tls     bool             // https beside http, which then redirects
	http3   bool             // by UDP too, beside tls
	prepare func(dir string) // puts into the folder of the configuration what that names
	up      *application
	under   []string // command and arguments that run it by exec, in the place of a plain start
	env     []string // further variables
	program string   // in the place of the one with the race detector
}

const defaultRules = `
      - {path: /public/**, allow: anyone}
      - {path: /api/*/status, allow: anyone}
      - {path: /admin/**, groups: [admins]}
      - {allow: signed_in}`

func start(t *testing.T, o options) *foregate {
	t.Helper()
	hash, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	f := &foregate{t: t, addr: freeAddress(t), admin: freeAddress(t), dir: t.TempDir(), up: o.up, env: o.env}
	program := cmp.Or(o.program, binary)
	f.under = append(slices.Clone(o.under), program)
	if f.up == nil {
		f.up = newApplication(t)
	}
	if o.idle == "" {
		o.idle = "20m"
	}
	if o.rules == "" {
		o.rules = defaultRules
	}
	if o.headers == "" {
		o.headers = "{preset: forwarded, assertion: true}"
	}
	listen := fmt.Sprintf("drain: 0s, http: %q, admin: %q", f.addr, f.admin)
	if o.tls {
		f.https = freeAddress(t)
		cert, key := certificate(t, f.dir)
		listen += fmt.Sprintf(", https: %q", f.https)
		o.top += fmt.Sprintf("\ntls: {certificates: [{cert: %q, key: %q}]}", cert, key)
	}
	if o.http3 {
		listen += ", http3: true"
	}
	if o.prepare != nil {
		o.prepare(f.dir)
	}
	f.write(fmt.Sprintf(`
listen: {%s}
storage: {path: ./data}
session: {idle: %s%s}
log: {level: debug}
%s
methods:
  - name: local
    title: User name and password
    local:
      users:
        - {user: alice, name: Alice, groups: [users], password_hash: %q}
        - {user: root, name: Root, groups: [admins], password_hash: %q}
%s
apps:
  - name: app
    hosts: [app.test]
    upstream: {url: "http://%s", response_timeout: 5s}
    methods: [local]
    headers: %s
%s
    rules:%s
%s`, listen, o.idle, o.session, o.top, hash["alice"], hash["root"], o.users, f.up.addr(), o.headers, o.app, o.rules,
		strings.ReplaceAll(o.apps, "APPLICATION", f.up.addr())))
	f.run()
	t.Cleanup(f.stop)
	return f
}

func (f *foregate) write(yaml string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "foregate.yaml"), []byte(yaml), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// edit changes the configuration file; it has its effect at the next run.
func (f *foregate) edit(change func(yaml string) string) {
	f.t.Helper()
	yaml, err := os.ReadFile(filepath.Join(f.dir, "foregate.yaml"))
	if err != nil {
		f.t.Fatal(err)
	}
	changed := change(string(yaml))
	if changed == string(yaml) {
		f.t.Fatal("the change changes nothing")
	}
	f.write(changed)
}

// dropLine returns text without the line that begins with start.
func dropLine(text, start string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, start) }), "")
}

// restart ends Foregate as an operator does and starts it again.
func (f *foregate) restart() {
	f.t.Helper()
	f.stop()
	f.run()
}

// memory is what the process holds of it, in bytes.
func (f *foregate) memory() int {
	f.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", f.cmd.Process.Pid))
	if err != nil {
		f.t.Skip("no /proc here: ", err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(status), &total, &resident); err != nil {
		f.t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

func (f *foregate) run() {
	f.t.Helper()
	f.logs = &logBuffer{}
	args := append(slices.Clone(f.under[1:]), "serve", "-c", filepath.Join(f.dir, "foregate.yaml"))
	f.cmd = exec.Command(f.under[0], args...)
	f.cmd.Stderr = f.logs
	f.cmd.Env = append(append(os.Environ(), "GORACE=halt_on_error=1 atexit_sleep_ms=50"), f.env...)
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		resp, err := http.Get("http://" + f.admin + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("foregate did not get ready: %v\n%s", err, f.logs.String())
		}
		pause()
	}
}

// pause waits a moment in a loop that has a deadline and asks another process.
func pause() { <-time.After(20 * time.Millisecond) }

func (f *foregate) stop() {
	if f.cmd.ProcessState != nil {
		return
	}
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- f.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			f.t.Errorf("foregate ended with %v\n%s", err, f.logs.String())
		}
	case <-time.After(20 * time.Second):
		_ = f.cmd.Process.Kill()
		<-done
		f.t.Error("foregate did not end on SIGTERM")
	}
	if strings.Contains(f.logs.String(), "DATA RACE") || strings.Contains(f.logs.String(), "panic") {
		f.t.Errorf("a race or a panic:\n%s", f.logs.String())
	}
}

func (f *foregate) kill() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// signIn signs a person in over HTTP and returns the Cookie header of the session.
func (f *foregate) signIn(user, password string) string {
	f.t.Helper()
	b := newBrowser(f)
	b.signIn(user, password, "/")
	return "foregate=" + b.cookie("foregate")
}

func (f *foregate) alice() string { return f.signIn("alice", alicePassword) }
func (f *foregate) root() string  { return f.signIn("root", rootPassword) }

// raw sends bytes on a new connection and returns all that comes back until the
// connection closes or is quiet. It never repairs anything.
func (f *foregate) raw(request string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	// The answer may come before the whole of the request is sent.
	go func() { _, _ = io.WriteString(conn, request) }()
	return readQuiet(conn)
}

// readQuiet reads until the peer closes or has been silent for a while: longer
// before its first byte, since the machine may be busy.
func readQuiet(conn net.Conn) string {
	var out bytes.Buffer
	buf := make([]byte, 32<<10)
	for patience := 3 * time.Second; ; patience = 400 * time.Millisecond {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			return out.String()
		}
	}
}

// get is a raw GET of target by whoever has cookie.
func (f *foregate) get(target, cookie string, headers ...string) string {
	f.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n", target)
	if cookie != "" {
		fmt.Fprintf(&b, "Cookie: %s\r\n", cookie)
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return f.raw(b.String() + "\r\n")
}

func statusOf(answer string) int {
	var status int
	_, _ = fmt.Sscanf(answer, "HTTP/1.1 %d", &status)
	return status
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	f      *foregate
	origin string
	client *http.Client
	jar    map[string]string
	header http.Header // of every request
}

// newBrowser speaks plain http, newSecureBrowser https.
func newBrowser(f *foregate) *browser { return browserAt(f, "http://app.test", f.addr) }

func newSecureBrowser(f *foregate) *browser { return browserAt(f, "https://app.test", f.https) }

func browserAt(f *foregate, origin, addr string) *browser {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	transport := &http.Transport{
		DialContext: dial, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is made for this test alone
	}
	return &browser{
		f: f, origin: origin, jar: make(map[string]string),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       20 * time.Second,
		},
		header: http.Header{"Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
	}
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, target string, form url.Values, more http.Header) answer {
	b.f.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, b.origin+target, body)
	if err != nil {
		b.f.t.Fatal(err)
	}
	r.Header = b.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.origin)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for k, v := range more {
		r.Header[k] = v
	}
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.f.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.f.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
			continue
		}
		b.jar[c.Name] = c.Value
	}
	return answer{resp, string(text)}
}

func (b *browser) get(target string) answer { return b.do("GET", target, nil, nil) }

// signIn takes a person through the form and returns where it leads then.
func (b *browser) signIn(user, password, rd string) answer {
	b.f.t.Helper()
	page := b.get("/sso/sign-in?rd=" + url.QueryEscape(rd))
	resp := b.submit(page, url.Values{"username": {user}, "password": {password}})
	if resp.StatusCode != http.StatusSeeOther {
		b.f.t.Fatalf("signing in as %s: %s\n%s", user, resp.Status, b.f.logs.String())
	}
	if b.cookie("foregate") == "" && b.cookie("__Host-foregate") == "" {
		b.f.t.Fatalf("signing in as %s set no session cookie", user)
	}
	return resp
}

func (b *browser) cookie(name string) string { return b.jar[name] }

var (
	actionPattern = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
	hiddenPattern = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"`)
)

// submit fills in the form of a page and posts it.
func (b *browser) submit(page answer, fields url.Values) answer {
	b.f.t.Helper()
	action := actionPattern.FindStringSubmatch(page.body)
	if action == nil {
		b.f.t.Fatalf("no form on this page (%s):\n%s", page.Status, page.body)
	}
	for _, m := range hiddenPattern.FindAllStringSubmatch(page.body, -1) {
		if !fields.Has(m[1]) {
			fields.Set(m[1], unescapeHTML(m[2]))
		}
	}
	return b.do("POST", unescapeHTML(action[1]), fields, nil)
}

func unescapeHTML(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+").Replace(s)
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
