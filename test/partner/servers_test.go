package partner

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/test/free"
)

const patience = 60 * time.Second

// program is a server that a test started.
type program struct {
	name  string
	ended chan struct{}
	said  *noise
}

// run starts a server that ends with the test.
func run(t *testing.T, dir string, env []string, name string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, append(os.Environ(), env...), endWithParent()
	p := &program{name: name, ended: make(chan struct{}), said: &noise{}}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-p.ended
		}
		if t.Failed() {
			t.Logf("%s said: %s", name, p.said)
		}
	})
	return p
}

// listens waits until the server does, and reports whether it does at all.
func (p *program) listens(t *testing.T, address string) bool {
	t.Helper()
	deadline := time.After(patience)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-p.ended:
			return false
		case <-deadline:
			t.Fatalf("%s does not listen: %s", p.name, p.said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// noise gathers what a server says.
type noise struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *noise) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *noise) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func address(t *testing.T) string {
	t.Helper()
	a, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// need skips a test where a program is missing; on CI nothing may be.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		if strings.HasPrefix(name, "/") {
			_, err = os.Stat(name)
		}
		switch {
		case err == nil:
		case os.Getenv("CI") == "true":
			t.Fatalf("%s is missing: run test/needs", name)
		default:
			t.Skipf("%s is missing: run test/needs", name)
		}
	}
}

// example is the path of a file in examples/handoff.
func example(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../examples/handoff/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runToEnd runs a program that says nothing but what is wrong.
func runToEnd(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// output runs a program to its end.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func write(t *testing.T, path, format string, args ...any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
}
