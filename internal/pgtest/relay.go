package pgtest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"foregate/test/free"
)

// Relay stands before a database, which is there for who comes by it while the relay is up.
type Relay struct {
	t        testing.TB
	at, to   string
	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

// NewRelay returns a relay to the database at address, which is down, and the database's
// address by it.
func NewRelay(t testing.TB, address string) (*Relay, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	at, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{t: t, at: at, to: u.Host, open: make(map[net.Conn]bool)}
	t.Cleanup(r.Down)
	u.Host = at
	return r, u.String()
}

// Up lets connections come.
func (r *Relay) Up() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(conn)
		}
	}()
}

// Down refuses connections and cuts those that are open.
func (r *Relay) Down() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	for conn := range r.open {
		_ = conn.Close()
	}
}

func (r *Relay) carry(in net.Conn) {
	out, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = in.Close()
		return
	}
	r.note(in, out, true)
	defer r.note(in, out, false)
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	_, _ = io.Copy(in, out)
}

// note keeps in mind that connections are open, or closes them.
func (r *Relay) note(in, out net.Conn, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range []net.Conn{in, out} {
		if open && r.listener != nil {
			r.open[conn] = true
			continue
		}
		_ = conn.Close()
		delete(r.open, conn)
	}
}
