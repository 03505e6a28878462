package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ListenSocket listens on a Unix socket that its owner alone can open. The file of
// a process that was killed is replaced; one that somebody may listen on is not.
func ListenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	mask := syscall.Umask(0o177) // 0600 from the first moment
	l, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on. That is so when a connection is
// refused: a listener that is busy, or another user's, answers otherwise.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket: move it, or set listen.admin_socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another process answers on %s: stop it, or set listen.admin_socket", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("another process seems to listen on %s: stop it, remove the file, or set listen.admin_socket: %w", path, err)
	}
	return os.Remove(path)
}

type operatorKey struct{}

// SocketContext notes who is at the other end of a connection of the socket.
func SocketContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, operatorKey{}, peer(c))
}

// operator is who asks: "uid 1000 (alice)" where the system says so.
func operator(ctx context.Context) string {
	if who, ok := ctx.Value(operatorKey{}).(string); ok {
		return who
	}
	return "unknown"
}

// OfSocket is who asks on the socket: whoever can open it owns everything anyway.
func OfSocket(r *http.Request) (Who, error) {
	return Who{Actor: operator(r.Context()), Role: Owner}, nil
}
