package ldap

import (
	"context"
	"errors"
	"sync"
	"time"

	"foregate/internal/queue"
)

const (
	maxIdle = 45 * time.Second // firewalls forget idle connections after a minute, silently
	maxAge  = 10 * time.Minute // then the first server may be back
)

// pool keeps a bounded number of connections.
type pool struct {
	queue   *queue.Queue
	connect func(ctx context.Context) (*conn, error)
	failed  func(*server, error)
	now     func() time.Time

	mu     sync.Mutex
	idle   []*conn // the last was used last
	closed bool
}

// with lets use talk on a connection. If that is lost, use is called again with
// another one: where it had waited in the pool, and once where again allows it.
func (p *pool) with(ctx context.Context, again bool, use func(ctx context.Context, c *conn) error) error {
	leave, err := p.queue.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for {
		c, err := p.take(ctx)
		if err != nil {
			return err
		}
		err = use(ctx, c)
		if !errors.Is(err, errLost) {
			p.put(c)
			return err
		}
		c.close()
		p.drop(c.server)
		late := errors.Is(err, context.DeadlineExceeded)
		switch {
		case ctx.Err() != nil:
			return err
		case late || !c.reused:
			p.failed(c.server, err)
			if !again {
				return err
			}
			again = false
		}
	}
}

// take returns an idle connection or a new one.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if c := p.waiting(); c != nil {
		return c, nil
	}
	return p.connect(ctx)
}

func (p *pool) waiting() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if p.fresh(c) {
			c.reused = true
			return c
		}
		go c.close()
	}
	return nil
}

// fresh reports whether a connection that waits may be used. That its server was
// found to be down on another one says that this one hangs too.
func (p *pool) fresh(c *conn) bool {
	now := p.now()
	return c.usable() && now.Sub(c.rested) < maxIdle && now.Sub(c.opened) < maxAge && !now.Before(c.server.downUntil())
}

// put keeps a connection for the next one.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !c.usable() {
		go c.close()
		return
	}
	c.rested = p.now()
	p.idle = append(p.idle, c)
}

// drop closes what waits of a server that lost a connection: the others are as
// stale as that one.
func (p *pool) drop(one *server) {
	p.closeWhere(func(c *conn) bool { return c.server == one })
}

func (p *pool) closeWhere(gone func(*conn) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, c := range p.idle {
		if gone(c) {
			go c.close()
			continue
		}
		kept = append(kept, c)
	}
	clear(p.idle[len(kept):])
	p.idle = kept
}

// rest closes what has waited too long.
func (p *pool) rest() { p.closeWhere(func(c *conn) bool { return !p.fresh(c) }) }

// close ends what waits, and later what is in use.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closeWhere(func(*conn) bool { return true })
}
