package command

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"foregate/proxy/admin"
)

const (
	ownFiles       = 100 // that are for the store, directories, logs and the operator
	fewConnections = 64  // are taken however few files there may be
	manyFiles      = 1 << 20
	reliefPause    = time.Second // at least so long are connections left alone
	capacityPause  = time.Minute // between two lines of the log
)

// capacity bounds the connections of people, so that there is a file left for the
// application's side of each: without it, requests on open connections would fail when
// connections take all files.
type capacity struct {
	slots   chan struct{} // one element for each connection
	relieve func()        // closes connections that wait for their next request
	log     *slog.Logger

	mu       sync.Mutex
	relieved time.Time
	told     time.Time
}

func newCapacity(log *slog.Logger, relieve func()) *capacity {
	return &capacity{slots: make(chan struct{}, connectionsFor(maxFiles())), relieve: relieve, log: log}
}

// maxFiles is how many the process may open. Go has raised the limit to the most that is
// allowed.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return manyFiles
	}
	return limit.Cur
}

func connectionsFor(files uint64) int {
	files = min(files, manyFiles)
	if files < ownFiles+2*fewConnections {
		return fewConnections
	}
	return int((files - ownFiles) / 2)
}

// figures shows how full it is.
func (c *capacity) figures(m *admin.Metrics) {
	m.Gauge("foregate_connections", "Open connections of people.", func() float64 { return float64(len(c.slots)) })
	m.Gauge("foregate_connections_limit", "Connections of people that can be open: half of the files that the process may open.", func() float64 { return float64(cap(c.slots)) })
}

// bound returns l as a listener that accepts while there is room. What comes then waits in
// the kernel's queue.
func (c *capacity) bound(l net.Listener, name string, m *admin.Metrics) net.Listener {
	b := &boundListener{Listener: l, of: c, closed: make(chan struct{})}
	m.Counter("foregate_accept_pauses_total", "Times that new connections had to wait, since as many were open as can be.", "listener", name,
		func() float64 { return float64(b.pauses.Load()) })
	return b
}

type boundListener struct {
	net.Listener
	of     *capacity
	pauses atomic.Int64
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (b *boundListener) Accept() (net.Conn, error) {
	if err := b.room(); err != nil {
		return nil, err
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.of.slots
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) { // net/http pauses then
			b.pauses.Add(1)
			b.of.tell(err)
		}
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &boundTCP{TCPConn: tcp, slot: slot{of: b.of}}, nil
	}
	return &boundConn{Conn: conn, slot: slot{of: b.of}}, nil
}

// room waits for a slot.
func (b *boundListener) room() error {
	select {
	case b.of.slots <- struct{}{}:
		return nil
	default:
	}
	b.pauses.Add(1)
	b.of.tell(nil)
	for {
		b.of.makeRoom()
		select {
		case b.of.slots <- struct{}{}:
			return nil
		case <-b.closed:
			return net.ErrClosed
		case <-time.After(reliefPause):
		}
	}
}

// Close implements net.Listener.
func (b *boundListener) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// makeRoom closes what only waits, at most once in reliefPause.
func (c *capacity) makeRoom() {
	c.mu.Lock()
	due := time.Since(c.relieved) >= reliefPause
	if due {
		c.relieved = time.Now()
	}
	c.mu.Unlock()
	if due {
		c.relieve()
	}
}

func (c *capacity) tell(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.told) < capacityPause {
		return
	}
	c.told = time.Now()
	args := []any{"connections", cap(c.slots)}
	if err != nil {
		args = append(args, "err", err)
	}
	c.log.Warn("as many connections are open as the process may have: new ones wait. Let it open more files (LimitNOFILE of systemd, ulimit -n)", args...)
}

// slot is given back once.
type slot struct {
	of   *capacity
	gone atomic.Bool
}

func (s *slot) free() {
	if !s.gone.Swap(true) {
		<-s.of.slots
	}
}

// boundTCP keeps what a TCP connection can do beside net.Conn.
type boundTCP struct {
	*net.TCPConn
	slot slot
}

func (c *boundTCP) Close() error {
	defer c.slot.free()
	return c.TCPConn.Close()
}

type boundConn struct {
	net.Conn
	slot slot
}

func (c *boundConn) Close() error {
	defer c.slot.free()
	return c.Conn.Close()
}

// relieve closes connections of people that wait for their next request. net/http does it
// when told that none shall be kept; it is told the contrary at once, unless we end.
func (fg *running) relieve() {
	fg.keep.Lock()
	defer fg.keep.Unlock()
	if fg.ending {
		return
	}
	for _, srv := range fg.public {
		srv.SetKeepAlivesEnabled(false)
		srv.SetKeepAlivesEnabled(true)
	}
}
