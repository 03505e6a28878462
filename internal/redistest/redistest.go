// Package redistest starts real Redis servers for tests: one alone, one with TLS
// and an ACL, one that three sentinels watch, and a cluster of three.
//
// They listen on loopback, write only to the test's folder, and end with the test.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/test/free"
)

const patience = 30 * time.Second

// Server is one running redis-server.
type Server struct {
	Addr string

	t    testing.TB
	dir  string
	args []string
	mu   sync.Mutex
	cmd  *exec.Cmd
}

// Start starts a server that keeps an append-only file, so that Restart has what
// Kill had. Without redis-server the test is skipped, and on CI it fails.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	need(t, "redis-server")
	s := &Server{t: t, dir: t.TempDir(), Addr: freeAddress(t)}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"}, args...)
	s.run("redis-server", s.args...)
	t.Cleanup(s.Kill)
	s.ready()
	return s
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = endWithParent()
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// Restart starts a server that was killed, on its old address and with its data.
func (s *Server) Restart() {
	s.t.Helper()
	s.run("redis-server", s.args...)
	s.ready()
}

// Freeze stops the server in its tracks: connections stay open and nothing is
// answered. Thaw lets it go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs one command with redis-cli and returns what it printed.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	out, err := s.cli(args...)
	if err != nil {
		s.t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}

// Ask is Do for a server that may be just starting or changing: it answers with what it got.
func (s *Server) Ask(args ...string) string {
	out, _ := s.cli(args...)
	return out
}

func (s *Server) cli(args ...string) (string, error) {
	host, port, _ := net.SplitHostPort(s.Addr)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-h", host, "-p", port, "--no-raw"}, args...)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (s *Server) ready() {
	s.t.Helper()
	Eventually(s.t, "redis-server answers at "+s.Addr, func() bool {
		conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
		out, err := s.cli("ping")
		return err == nil && !strings.Contains(out, "LOADING")
	})
}

// Sentinel is a master and a replica that three sentinels watch.
type Sentinel struct {
	Master    string // its name
	Addresses []string
	First     *Server // the master at the start
	Second    *Server
}

// StartSentinel starts all five.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	need(t, "redis-sentinel")
	s := &Sentinel{Master: "foregate", First: Start(t, "--repl-diskless-sync-delay", "0")}
	host, port, _ := net.SplitHostPort(s.First.Addr)
	s.Second = Start(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	// A sentinel that starts before the two are linked learns of the replica late.
	Eventually(t, "the replica is linked", func() bool {
		out, _ := s.Second.cli("info", "replication")
		return strings.Contains(out, "master_link_status:up")
	})
	var last *Server
	for range 3 {
		last = startSentinel(t, s.Master, host, port)
		s.Addresses = append(s.Addresses, last.Addr)
	}
	Eventually(t, "the sentinels agree", func() bool {
		out, _ := last.cli("sentinel", "ckquorum", s.Master)
		return strings.Contains(out, "OK 3")
	})
	return s
}

// Agree reports whether all sentinels call server the master.
func (s *Sentinel) Agree(server *Server) bool {
	_, port, _ := net.SplitHostPort(server.Addr)
	for _, addr := range s.Addresses {
		sentinel := &Server{t: s.First.t, Addr: addr}
		if !strings.Contains(sentinel.Ask("sentinel", "get-master-addr-by-name", s.Master), `"`+port+`"`) {
			return false
		}
	}
	return true
}

// Patience is how long the sentinels wait for a server before they take it for dead: a
// second at the start. A busy machine needs more, or they replace a master that works.
func (s *Sentinel) Patience(d time.Duration) {
	s.First.t.Helper()
	for _, addr := range s.Addresses {
		sentinel := &Server{t: s.First.t, Addr: addr}
		sentinel.Do("sentinel", "set", s.Master, "down-after-milliseconds", strconv.FormatInt(d.Milliseconds(), 10))
	}
}

func startSentinel(t testing.TB, name, host, port string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), Addr: freeAddress(t)}
	_, own, _ := net.SplitHostPort(s.Addr)
	path := filepath.Join(s.dir, "sentinel.conf")
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 3000\n",
		own, s.dir, name, host, port, name, name)
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("redis-server", path, "--sentinel")
	t.Cleanup(s.Kill)
	s.ready()
	return s
}

// StartCluster starts three masters and returns their addresses.
func StartCluster(t testing.TB) []string {
	t.Helper()
	var nodes []*Server
	var addresses []string
	for range 3 {
		nodes = append(nodes, Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000", "--cluster-port", freePort(t)))
		addresses = append(addresses, nodes[len(nodes)-1].Addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "redis-cli", append(append([]string{"--cluster", "create"}, addresses...), "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("make a cluster: %v: %s", err, out)
	}
	for _, n := range nodes {
		Eventually(t, "the cluster is complete", func() bool {
			out, _ := n.cli("cluster", "info")
			return strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_known_nodes:3")
		})
	}
	return addresses
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

func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: run test/needs", program)
	}
	t.Skipf("%s is missing: run test/needs", program)
}

func freePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return port
}

func freeAddress(t testing.TB) string {
	t.Helper()
	a, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
