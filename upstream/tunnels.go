package upstream

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Tunnels are the WebSockets that are open, of all applications, so that the end of
// the process can be said to their clients. The zero value is ready.
type Tunnels struct {
	mu      sync.Mutex
	open    map[*tunnel]struct{}
	leaving bool
}

// Leave says to the client of each WebSocket that the server goes away (RFC 6455,
// section 7.4.1, code 1001), between two frames of the application, and waits until
// all are closed or ctx ends. It returns how many are left then. WebSockets that are
// opened later are told at once.
func (t *Tunnels) Leave(ctx context.Context) int {
	t.mu.Lock()
	t.leaving = true
	for open := range t.open {
		open.leave()
	}
	t.mu.Unlock()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n := t.Open()
		if n == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
	}
}

// Open is how many WebSockets are open.
func (t *Tunnels) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// through returns body, the connection to the application after a handshake, as one
// of t's. A nil t leaves it as it is.
func (t *Tunnels) through(body io.ReadCloser) io.ReadCloser {
	conn, ok := body.(io.ReadWriteCloser)
	if t == nil || !ok {
		return body
	}
	open := &tunnel{ReadWriteCloser: conn, among: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[*tunnel]struct{})
	}
	t.open[open] = struct{}{}
	if t.leaving {
		open.leave()
	}
	return open
}

func (t *Tunnels) remove(open *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, open)
}

// goingAway is an unmasked close frame with the code 1001.
var goingAway = []byte{0x88, 0x02, 0x03, 0xe9}

// tunnel is the connection to an application. It reads what the application sends to
// the client, and knows where a frame ends.
type tunnel struct {
	io.ReadWriteCloser
	among   *Tunnels
	frames  frames
	leaving atomic.Bool
	said    bool
}

// leave ends what the application sends; Read then says goodbye in its place.
func (t *tunnel) leave() {
	t.leaving.Store(true)
	go func() { _ = t.ReadWriteCloser.Close() }() // may wait for a peer that takes nothing
}

// Read gives the frames of the application, and after leave one that closes, unless
// the application was in the midst of a frame: then the connection just ends.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	t.frames.pass(p[:n])
	if err == nil || n > 0 || !t.leaving.Load() || t.said || !t.frames.between() || len(p) < len(goingAway) {
		return n, err
	}
	t.said = true
	return copy(p, goingAway), nil
}

func (t *tunnel) Close() error {
	t.among.remove(t)
	return t.ReadWriteCloser.Close()
}

// frames follows frames of a server (RFC 6455, section 5.2): header, length, payload.
type frames struct {
	head  [14]byte
	known int    // bytes of head
	rest  uint64 // of the payload
}

// between reports whether a frame has ended and none has begun.
func (f *frames) between() bool { return f.known == 0 && f.rest == 0 }

func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		if f.rest > 0 {
			n := min(f.rest, uint64(len(p)))
			f.rest -= n
			p = p[n:]
			continue
		}
		f.head[f.known] = p[0]
		f.known++
		p = p[1:]
		if f.known < 2 || f.known < f.size() {
			continue
		}
		f.rest, f.known = f.payload(), 0
	}
}

// size is how long the header is.
func (f *frames) size() int {
	size := 2
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 { // masked, which a server must not
		size += 4
	}
	return size
}

func (f *frames) payload() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}
