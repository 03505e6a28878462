// Package resolve connects to hosts by their names, and to the addresses that they had
// while no name server answers.
package resolve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keep     = 24 * time.Hour  // after which an address is too old to be right
	patience = time.Second     // with name servers that are silent, where an address is known
	rest     = 5 * time.Second // after a failure, until they are asked again
	most     = 1024            // hosts that are remembered
	least    = 2 * time.Second // for one of several addresses, if there is so much
)

// Names remembers the addresses of hosts. The zero value is ready for use.
type Names struct {
	log atomic.Pointer[slog.Logger]

	mu    sync.Mutex
	known map[string]*host
}

// host is what the name servers said of one.
type host struct {
	addresses []netip.Addr
	at        time.Time
	next      time.Time // they are not asked before
	down      bool      // they did not answer the last time
}

// shared is of the whole process, as net.DefaultResolver is.
var shared Names

// LogTo says where an outage of the name servers is told, once for each host.
func LogTo(log *slog.Logger) { shared.log.Store(log) }

// DialContext is for the DialContext of an http.Transport and its like.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return shared.Dial(ctx, &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}, network, address)
}

// Dial connects by d to address, a host and port; see Names.Dial.
func Dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	return shared.Dial(ctx, d, network, address)
}

// Dial is d.DialContext, but if no name server answers (it is silent, or its answer is
// SERVFAIL), the host's addresses of the last 24 hours are tried. A host that does not
// exist any more has none. The error is a *net.OpError.
func (n *Names) Dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil || network != "tcp" || isAddress(name) {
		return d.DialContext(ctx, network, address)
	}
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	addresses, fresh, err := n.find(ctx, d.Resolver, name)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if fresh && len(addresses) > 1 { // both families side by side, as RFC 8305 has it
		conn, err := d.DialContext(ctx, network, address)
		var lookUp *net.DNSError
		if err == nil || !errors.As(err, &lookUp) {
			return conn, err
		}
	}
	return dialEach(ctx, d, addresses, port)
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// find returns the addresses of a host, and whether a name server gave them just now.
func (n *Names) find(ctx context.Context, servers *net.Resolver, name string) (addresses []netip.Addr, fresh bool, err error) {
	known := n.remembered(name)
	if known != nil && time.Now().Before(known.next) {
		return known.addresses, false, nil
	}
	ask := ctx
	if known != nil {
		var cancel context.CancelFunc
		ask, cancel = context.WithTimeout(ctx, bounded(ctx))
		defer cancel()
	}
	addresses, err = servers.LookupNetIP(ask, "ip", name)
	var lookUp *net.DNSError
	switch {
	case err == nil:
		n.remember(name, addresses)
		return addresses, true, nil
	case errors.As(err, &lookUp) && lookUp.IsNotFound:
		n.forget(name)
		return nil, false, err
	case known == nil || ctx.Err() != nil: // who asked may have gone
		return nil, false, err
	}
	n.fail(name, err)
	return known.addresses, false, nil
}

// bounded leaves half of the time for the connection.
func bounded(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return patience
	}
	return min(patience, time.Until(end)/2)
}

// remembered returns a copy of what is known of a host, nil for nothing. While the name
// servers are down, whoever is told to ask them does it for everybody.
func (n *Names) remembered(name string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.known[name]
	if h == nil || time.Since(h.at) > keep {
		return nil
	}
	now := *h
	if h.down && !time.Now().Before(h.next) {
		h.next = time.Now().Add(rest)
	}
	return &now
}

func (n *Names) remember(name string, addresses []netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.known[name]; h != nil && h.down {
		n.tell(slog.LevelInfo, "the name servers answer again", "host", name)
	}
	if n.known == nil {
		n.known = make(map[string]*host)
	}
	if n.known[name] == nil && len(n.known) >= most {
		for other := range n.known { // any: there are never so many
			delete(n.known, other)
			break
		}
	}
	n.known[name] = &host{addresses: addresses, at: time.Now()}
}

func (n *Names) forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, name)
}

// fail is told once, and not again before they have answered.
func (n *Names) fail(name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.known[name]
	if h == nil {
		return
	}
	h.next = time.Now().Add(rest)
	if !h.down {
		h.down = true
		n.tell(slog.LevelWarn, "the name servers do not answer: the addresses that they gave last are used", "host", name, "since", h.at.UTC(), "err", err)
	}
}

func (n *Names) tell(level slog.Level, message string, args ...any) {
	if log := n.log.Load(); log != nil {
		log.Log(context.Background(), level, message, args...)
	}
}

// dialEach tries one address after the other, each in its share of the time.
func dialEach(ctx context.Context, d *net.Dialer, addresses []netip.Addr, port string) (net.Conn, error) {
	var first error
	for i, a := range addresses {
		conn, err := dialOne(ctx, d, net.JoinHostPort(a.Unmap().String(), port), len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func dialOne(ctx context.Context, d *net.Dialer, address string, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(least, time.Until(end)/time.Duration(left)))
		defer cancel()
	}
	return d.DialContext(ctx, "tcp", address)
}
