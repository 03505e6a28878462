// Package h2spec compares HTTP/2 as Foregate speaks it with what net/http does by itself, by
// the cases of h2spec (RFC 9113 and RFC 7541). It is a module of its own, since what h2spec
// needs is no business of the product's.
package h2spec

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// TestB10HTTP2IsNoWorseThanPlainNetHTTP: no case, the strict ones included, fails on Foregate
// that passes on a server of net/http.
func TestB10HTTP2IsNoWorseThanPlainNetHTTP(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "answered")
	})
	plain := httptest.NewUnstartedServer(answer)
	plain.EnableHTTP2 = true
	plain.Config.ErrorLog = quiet
	plain.StartTLS()
	defer plain.Close()
	application := httptest.NewServer(answer)
	defer application.Close()

	stock := ask(t, plain.Listener.Addr().String())
	address := foregate(t, application.URL)
	ours := ask(t, address)
	t.Logf("plain net/http: %s", stock)
	t.Logf("Foregate:       %s", ours)
	if len(stock.passed) < 100 {
		t.Fatalf("only %d cases passed on plain net/http", len(stock.passed))
	}
	worse := without(stock.passed, ours.passed)
	if len(worse) > 0 { // the cases wait two seconds at most, and a machine may be busy
		t.Logf("once more, for %q", worse)
		ours = ask(t, address)
		worse = without(worse, ours.passed)
	}
	for _, name := range worse {
		t.Errorf("passes on plain net/http, and not on Foregate: %s: %v", name, ours.why[name])
	}
}

// without is what of all is not in some.
func without(all, some []string) (rest []string) {
	for _, name := range all {
		if !slices.Contains(some, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// outcome is what became of the cases, by their names.
type outcome struct {
	passed, failed, skipped []string
	why                     map[string]error
}

func (o outcome) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped; failed: %q", len(o.passed), len(o.failed), len(o.skipped), o.failed)
}

func ask(t *testing.T, addr string) outcome {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Host: host, Port: number, Path: "/", TLS: true, Insecure: true, Strict: true, Timeout: 2 * time.Second, MaxHeaderLen: 4000}
	o := outcome{why: make(map[string]error)}
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(cfg)
		o.read(group)
	}
	return o
}

func (o *outcome) read(group *spec.TestGroup) {
	for _, c := range slices.Concat(group.Tests, group.StrictTests) {
		if c.Result == nil {
			continue
		}
		name := fmt.Sprintf("%s/%d %s", group.ID(), c.Result.Sequence, c.Desc)
		switch {
		case c.Result.Failed:
			o.failed = append(o.failed, name)
			o.why[name] = c.Result.Error
		case c.Result.Skipped:
			o.skipped = append(o.skipped, name)
		default:
			o.passed = append(o.passed, name)
		}
	}
	for _, g := range group.Groups {
		o.read(g)
	}
}

// foregate starts the real binary in front of an application that everybody may see, and
// returns the address of its https.
func foregate(t *testing.T, application string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "foregate")
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-race", "-o", binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	certificate(t, dir)
	https, admin := freeAddress(t), freeAddress(t)
	yaml := fmt.Sprintf(`
listen: {https: %q, admin: %q, drain: 0s}
tls: {certificates: [{cert: cert.pem, key: key.pem}]}
storage: {path: ./data}
methods:
  - {name: local, local: {}}
apps:
  - name: app
    hosts: [%q]
    upstream: {url: %q}
    methods: [local]
    rules:
      - {allow: anyone}
`, https, admin, https, application)
	file := filepath.Join(dir, "foregate.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	cmd := exec.Command(binary, "serve", "-c", file)
	cmd.Stderr = &logs
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 atexit_sleep_ms=50")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("foregate ended with %v\n%s", err, logs.String())
		}
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the certificate is made for this test alone
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("https://" + https + "/")
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) != "answered" {
				t.Fatalf("the application is not there: %s %.200s", resp.Status, text)
			}
			return https
		}
		if time.Now().After(deadline) {
			t.Fatalf("foregate did not get ready: %v", err)
		}
	}
}

// lookAtSources reads the module's folders. Go keeps the result of a test until something
// changes that it has read, and does not know what it builds.
func lookAtSources() error {
	return filepath.WalkDir("../..", func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		return err
	})
}
