package admin

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// socketPath is short: the folder of a test may be too long for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestSocketIsItsOwnersAndGoesAtTheEnd(t *testing.T) {
	path := socketPath(t)
	l, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	path := socketPath(t)
	dead := listenRaw(t, path, 1)
	if err := syscall.Close(dead); err != nil { // a kill closes it, and leaves the file
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	l, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestSocketThatSomebodyListensOnIsLeft(t *testing.T) {
	for name, live := range map[string]func(t *testing.T, path string){
		"answering": func(t *testing.T, path string) {
			l, err := ListenSocket(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		},
		"busy": func(t *testing.T, path string) { // so that it takes no more connections
			fd := listenRaw(t, path, 0)
			t.Cleanup(func() { _ = syscall.Close(fd) })
			fill(t, path)
		},
		"a file": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("somebody's"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, path string) {
			if err := os.Symlink("/somewhere/else", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			live(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := ListenSocket(path); err == nil || !strings.Contains(err.Error(), "listen.admin_socket") {
				t.Errorf("got %v, %v", l, err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was replaced: %v", err)
			}
		})
	}
}

// TestSocketPathMayBeTooLong, which the caller takes for no reason not to serve.
func TestSocketPathMayBeTooLong(t *testing.T) {
	if _, err := ListenSocket(socketPath(t) + strings.Repeat("s", 120)); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
}

// listenRaw listens as package net cannot: with a backlog of one's own, and a file
// that stays.
func listenRaw(t *testing.T, path string, backlog int) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, backlog)); err != nil {
		t.Fatal(err)
	}
	return fd
}

// fill connects until no more connections are taken.
func fill(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("this system takes any number of connections")
}
