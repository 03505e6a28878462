package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	downFor    = 30 * time.Second // a server that failed is passed over so long
	slowServer = time.Second      // after which the next one is tried beside it
)

// server is one server of the directory, and how it does.
type server struct {
	host     string // as in its certificate
	address  string // host:port
	security security
	turn     chan struct{} // held by who signs in to it as our own account
	page     atomic.Int32  // the largest page that it allowed; 0: not known yet

	mu    sync.Mutex
	until time.Time // down until then
}

func newServer(host, port string, by security) *server {
	return &server{host: host, address: net.JoinHostPort(host, port), security: by, turn: make(chan struct{}, 1)}
}

// servers knows all of them and connects to the first that can be reached.
type servers struct {
	fixed   []*server
	records *records // in place of fixed
	trust   *tls.Config
	wait    time.Duration // for a connection, to all servers together
	log     *slog.Logger
	now     func() time.Time
}

// failed passes a server over for a while.
func (s *servers) failed(one *server, err error) {
	one.mu.Lock()
	already := s.now().Before(one.until)
	one.until = s.now().Add(downFor)
	one.mu.Unlock()
	if !already {
		s.log.Warn("directory server does not answer and is passed over for a while", "server", one.address, "error", err)
	}
}

func (one *server) downUntil() time.Time {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.until
}

// works forgets that a server was down.
func (s *servers) works(one *server) {
	one.mu.Lock()
	was := !one.until.IsZero()
	one.until = time.Time{}
	one.mu.Unlock()
	if was {
		s.log.Info("directory server answers again", "server", one.address)
	}
}

// order is which servers to try: those that are not down as configured, then, since
// a slow sign-in is better than none, the others, the longest down first.
func (s *servers) order(ctx context.Context) ([]*server, error) {
	all := s.fixed
	if s.records != nil {
		var err error
		if all, err = s.records.servers(ctx); err != nil {
			return nil, err
		}
	}
	now := s.now()
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b *server) int {
		return lateness(a, now).Compare(lateness(b, now))
	})
	return ordered, nil
}

// lateness sorts servers that are up before all others.
func lateness(one *server, now time.Time) time.Time {
	if until := one.downUntil(); now.Before(until) {
		return until
	}
	return time.Time{}
}

// dialled is what became of one server.
type dialled struct {
	server *server
	conn   *conn
	err    error
}

// connect returns a connection on which ready has succeeded. It begins with the
// first server; a next one is tried when one fails, and beside one that is slow. An
// error that is errService is about our own account, and no other server is asked.
func (s *servers) connect(ctx context.Context, ready func(context.Context, *conn) error) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	list, err := s.order(ctx)
	if err != nil {
		return nil, err
	}
	results := make(chan dialled, len(list))
	var trying []*server
	next := func() {
		if len(list) == 0 {
			return
		}
		one := list[0]
		list, trying = list[1:], append(trying, one)
		go func() {
			c, err := s.open(ctx, one, ready)
			results <- dialled{one, c, err}
		}()
	}
	slow := time.NewTicker(min(slowServer, s.wait/time.Duration(max(1, len(list)))))
	defer slow.Stop()
	var faults []error
	for next(); len(trying) > 0; {
		select {
		case <-slow.C:
			next()
		case r := <-results:
			trying = slices.DeleteFunc(trying, func(one *server) bool { return one == r.server })
			if r.err == nil || errors.Is(r.err, errService) {
				go closeLate(results, len(trying))
				s.tooSlow(ctx, trying)
				return r.conn, r.err
			}
			faults = append(faults, fmt.Errorf("%s: %w", r.server.address, r.err))
			// Who asked went away: that says nothing about a server.
			if !errors.Is(ctx.Err(), context.Canceled) {
				s.failed(r.server, r.err)
			}
			next()
		}
	}
	return nil, errors.Join(faults...)
}

// tooSlow passes servers over that another, asked later, was quicker than.
func (s *servers) tooSlow(ctx context.Context, trying []*server) {
	for _, one := range trying {
		if !errors.Is(ctx.Err(), context.Canceled) {
			s.failed(one, errors.New("another server was quicker to connect"))
		}
	}
}

func (s *servers) open(ctx context.Context, one *server, ready func(context.Context, *conn) error) (*conn, error) {
	c, err := one.dial(ctx, s.trust)
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, c); err != nil {
		c.close()
		return nil, err
	}
	s.works(one)
	return c, nil
}

// closeLate closes connections that nobody waits for any more.
func closeLate(results <-chan dialled, n int) {
	for range n {
		if r := <-results; r.conn != nil {
			r.conn.close()
		}
	}
}
