// Package pgtest starts a real PostgreSQL server for tests.
//
// It listens on loopback, keeps its files in a folder of its own, and ends when
// Stop is called, or with the test process. Each test makes a database in it.
package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"foregate/test/free"
)

const patience = 30 * time.Second

// Server is one running postgres, started by the first test that needs it. The zero
// Server is ready for use; TestMain calls Stop.
type Server struct {
	mu        sync.Mutex
	bin       string
	dir       string
	addr      string
	attr      *syscall.SysProcAttr
	cmd       *exec.Cmd
	out       bytes.Buffer
	databases int
}

// Database makes an empty database and returns its address. Without PostgreSQL the
// test is skipped, and on CI it fails.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		s.start(t)
	}
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	host, port, _ := net.SplitHostPort(s.addr)
	if out, err := s.run("createdb", "-h", host, "-p", port, "-U", "foregate", name); err != nil {
		t.Fatalf("createdb: %v: %s", err, out)
	}
	return fmt.Sprintf("postgres://foregate@%s/%s?sslmode=disable", s.addr, name)
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	s.find(t)
	var err error
	if s.dir, err = os.MkdirTemp("", "foregate-pgtest-"); err != nil {
		t.Fatal(err)
	}
	s.own(t)
	data := filepath.Join(s.dir, "data")
	if out, err := s.run("initdb", "-D", data, "-U", "foregate", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	if s.addr, err = free.Address(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.addr)
	// Its files live for one test: none of it has to survive a power cut.
	cmd := s.command(context.Background(), "postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-k", s.dir,
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=100")
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.cmd = cmd
	s.ready(t, port)
}

// find looks where PATH says, and where Debian puts the servers.
func (s *Server) find(t testing.TB) {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		}
		s.bin = filepath.Dir(path)
		return
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		s.bin = filepath.Dir(slices.Max(found))
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("postgresql is missing: run test/needs")
	}
	t.Skip("postgresql is missing: run test/needs")
}

// own gives the folder to somebody who is not root: as root PostgreSQL does not run.
func (s *Server) own(t testing.TB) {
	t.Helper()
	s.attr = asOwner(0, 0, false)
	if os.Getuid() != 0 {
		return
	}
	someone, err := user.Lookup("postgres")
	if err != nil {
		if someone, err = user.Lookup("nobody"); err != nil {
			t.Fatal(err)
		}
	}
	uid, _ := strconv.Atoi(someone.Uid)
	gid, _ := strconv.Atoi(someone.Gid)
	if err := os.Chown(s.dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	s.attr = asOwner(uid, gid, true)
}

func (s *Server) ready(t testing.TB, port string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := s.run("pg_isready", "-h", "127.0.0.1", "-p", port)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("postgres does not answer: %v: %s\n%s", err, out, s.out.String())
		}
	}
}

func (s *Server) run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := s.command(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr = s.attr
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}
