package upstream

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"runtime"
	"sync"
	"time"
)

// A response may be followed by bytes that nobody asked for: a wrong length, or
// an attack. http.Transport closes such a connection, but only after it has put
// it back for others to use; a request that is quick to take it gets the extra
// bytes as its answer, and a stranger reads them. Under load that happens to one
// in some hundred. So a request that takes a used connection waits until the
// transport has looked: either it has closed the connection, or it is in Read,
// with nothing left over.

// watchedConn is a connection of which one can tell whether it is being read.
type watchedConn struct {
	net.Conn

	mu      sync.Mutex
	reading bool
	closed  bool
	settled chan struct{} // closed by the next Read or Close; nil if nobody waits
}

func (c *watchedConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading = true
	c.wake()
	c.mu.Unlock()

	n, err := c.Conn.Read(p)

	c.mu.Lock()
	c.reading = false
	c.mu.Unlock()
	return n, err
}

func (c *watchedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.wake()
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets a tunnel be closed on one side.
func (c *watchedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *watchedConn) wake() {
	if c.settled != nil {
		close(c.settled)
		c.settled = nil
	}
}

// The transport takes microseconds until it reads again. A few turns of the
// scheduler are cheaper than a channel; where it takes too long, the connection
// is given up.
const (
	settleTurns = 32
	settleTime  = time.Second
)

// settle waits until the connection is being read or closed.
func (c *watchedConn) settle() {
	for range settleTurns {
		if c.isSettled() {
			return
		}
		runtime.Gosched()
	}
	settled := c.next()
	if settled == nil {
		return
	}
	giveUp := time.AfterFunc(settleTime, func() { _ = c.Close() })
	<-settled
	giveUp.Stop()
}

func (c *watchedConn) isSettled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reading || c.closed
}

// next is closed by the next Read or Close; nil if the connection has settled.
func (c *watchedConn) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading || c.closed {
		return nil
	}
	if c.settled == nil {
		c.settled = make(chan struct{})
	}
	return c.settled
}

// gotConn also notes that there was a connection, on which something may be sent.
func (p *passage) gotConn(info httptrace.GotConnInfo) {
	p.connected = true
	gotConn(info)
}

// gotConn runs when a request has a connection, before the transport expects a
// response on it. HTTP/2 has numbered streams and no such trouble.
func gotConn(info httptrace.GotConnInfo) {
	if !info.Reused {
		return
	}
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			return
		}
		conn = secure.NetConn()
	}
	if watched, ok := conn.(*watchedConn); ok {
		watched.settle()
	}
}
