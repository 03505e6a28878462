package command

import (
	"cmp"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
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
	capacityPause  = time.Minute // between two lines of the log

	// While it is full, a quarter of the connections at most are closed each time, those first
	// that have waited longest. Who sends something on a connection that is closed at that
	// moment has to send it again, so those that were just used stay.
	roomEvery  = 500 * time.Millisecond
	roomShare  = 4
	waitsLong  = 2 * time.Second // for the next request
	silentLong = 5 * time.Second // for the first
)

// capacity bounds the connections of people, so that there is a file left for the
// application's side of each: without it, requests on open connections would fail when
// connections take all files.
type capacity struct {
	slots chan struct{} // one element for each connection
	log   *slog.Logger
	epoch time.Time

	mu     sync.Mutex
	open   map[*place]struct{}
	roomed time.Time // when room was made last
	told   time.Time
}

// place is one connection's.
type place struct {
	of    *capacity
	conn  net.Conn
	since atomic.Int64 // when it began to wait for a request, in ns since epoch; 0 while it has one
	gone  atomic.Bool
}

func newCapacity(log *slog.Logger) *capacity {
	return &capacity{
		slots: make(chan struct{}, connectionsFor(maxFiles())), log: log,
		epoch: time.Now().Add(-time.Second), open: make(map[*place]struct{}), // so that no moment is 0
	}
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

func (c *capacity) now() int64 { return int64(time.Since(c.epoch)) }

// note is for http.Server.ConnState.
func (c *capacity) note(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	placed, ok := conn.(interface{ at() *place })
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		placed.at().since.Store(0)
	case http.StateIdle:
		placed.at().since.Store(c.now())
	}
}

// take gives a new connection its place.
func (c *capacity) take(conn net.Conn) *place {
	p := &place{of: c, conn: conn}
	p.since.Store(c.now() + int64(silentLong-waitsLong))
	c.mu.Lock()
	c.open[p] = struct{}{}
	c.mu.Unlock()
	return p
}

// free gives the place back, once.
func (p *place) free() {
	if p.gone.Swap(true) {
		return
	}
	p.of.mu.Lock()
	delete(p.of.open, p)
	p.of.mu.Unlock()
	<-p.of.slots
}

// makeRoom closes connections that only wait, at most once in roomEvery.
func (c *capacity) makeRoom() {
	type waiting struct {
		conn  net.Conn
		since int64
	}
	var all []waiting
	c.mu.Lock()
	if time.Since(c.roomed) >= roomEvery {
		c.roomed = time.Now()
		latest := c.now() - int64(waitsLong)
		for p := range c.open {
			if since := p.since.Load(); since != 0 && since <= latest {
				all = append(all, waiting{p.conn, since})
			}
		}
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b waiting) int { return cmp.Compare(a.since, b.since) })
	for _, w := range all[:min(len(all), max(1, cap(c.slots)/roomShare))] {
		_ = w.conn.Close() // the server sees it, and frees its place
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

// bound returns l as a listener that accepts while there is room. What comes then waits in
// the kernel's queue. The server of l tells note.
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
	p := b.of.take(conn)
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &boundTCP{tcp, p}, nil
	}
	return &boundConn{conn, p}, nil
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
		case <-time.After(roomEvery):
		}
	}
}

// Close implements net.Listener.
func (b *boundListener) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// boundTCP keeps what a TCP connection can do beside net.Conn.
type boundTCP struct {
	*net.TCPConn
	place *place
}

func (c *boundTCP) at() *place { return c.place }

func (c *boundTCP) Close() error {
	defer c.place.free()
	return c.TCPConn.Close()
}

type boundConn struct {
	net.Conn
	place *place
}

func (c *boundConn) at() *place { return c.place }

func (c *boundConn) Close() error {
	defer c.place.free()
	return c.Conn.Close()
}
