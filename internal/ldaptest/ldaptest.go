// Package ldaptest starts real directories for tests: slapd, and a domain controller
// of Samba for Active Directory.
//
// They listen on loopback, write only to a temporary folder, and end with the test,
// except the domain controller: one serves all tests of a package (Main ends it),
// since making a domain takes seconds.
package ldaptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const patience = 30 * time.Second

// process is a server in the background.
type process struct {
	name string
	args []string

	mu  sync.Mutex
	cmd *exec.Cmd
}

func (p *process) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(p.name, p.args...)
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.cmd = cmd
	p.mu.Unlock()
}

// Kill ends the server at once, as kill -9 does.
func (p *process) Kill() {
	p.mu.Lock()
	cmd := p.cmd
	p.cmd = nil
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// Freeze stops the server in its tracks: connections are accepted by the kernel and
// nothing is answered. Thaw lets it go on.
func (p *process) Freeze(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	tasks := fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid)
	Eventually(t, p.name+" stands still", func() bool { return allStopped(tasks) })
}

func allStopped(tasks string) bool {
	files, err := filepath.Glob(tasks)
	if err != nil {
		return false
	}
	for _, file := range files {
		if stat, err := os.ReadFile(file); err != nil || !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return true
}

// Thaw ends a Freeze.
func (p *process) Thaw(t testing.TB) { p.signal(t, syscall.SIGCONT) }

func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		t.Fatalf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// dial connects to a server that must be there, and binds.
func dial(t testing.TB, address string, trust *tls.Config, dn, password string) *ldap.Conn {
	t.Helper()
	l, err := ldap.DialURL(address, ldap.DialWithTLSConfig(trust))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	l.SetTimeout(patience)
	if err := l.Bind(dn, password); err != nil {
		t.Fatal(err)
	}
	return l
}

// answers reports whether a directory is there.
func answers(address string, trust *tls.Config) bool {
	l, err := ldap.DialURL(address, ldap.DialWithTLSConfig(trust))
	if err != nil {
		return false
	}
	defer l.Close()
	l.SetTimeout(time.Second)
	_, err = l.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return err == nil
}

// Trust is how to trust an authority, for a server of any name.
func Trust(t testing.TB, ca, server string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: server, MinVersion: tls.VersionTLS12}
}

// run runs a program to its end.
func run(t testing.TB, input, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// Eventually waits for what must become true within half a minute.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is missing: run test/needs")
		}
	}
}

// missing skips a test, which on CI is a failure.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
