package cookies

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	renewLease   = 10 * time.Second // after which the lease of a process that died while it renewed is free
	leaseTicks   = 5                // how often a lease is prolonged in its life
	leaseRelease = 20 * time.Millisecond
)

// ErrLeased says that another process, or other work here, holds a lease.
var ErrLeased = errors.New("cookies: another has the lease")

// errLost says that a lease may be another's by now.
var errLost = errors.New("cookies: the lease was lost")

// Lease is a record that one process has for as long as its work takes. Its random content
// says whose it is: nobody prolongs or releases another's.
type Lease struct {
	store Store
	key   string
	mine  []byte
	life  time.Duration
	until atomic.Int64 // Unix ns: it is ours at least so long; 0 once it was lost
	stop  context.CancelFunc
	done  chan struct{}
}

// TakeLease takes the lease that is a record under key, and prolongs it until Release. One
// of a process that died is free after life. The error is ErrLeased if somebody has it.
func TakeLease(ctx context.Context, store Store, key string, life time.Duration) (*Lease, error) {
	l := &Lease{store: store, key: key, mine: []byte(rand.Text()), life: life, done: make(chan struct{})}
	until := time.Now().Add(life)
	err := store.Create(ctx, key, Record{Data: l.mine, Expires: until})
	if errors.Is(err, ErrExists) {
		return nil, ErrLeased
	}
	if err != nil {
		return nil, fmt.Errorf("cookies: take a lease: %w", err)
	}
	l.until.Store(until.UnixNano())
	// The work may outlive the caller's patience, and Release always comes.
	held, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.hold(held)
	return l, nil
}

// Held reports whether nobody else can have the lease.
func (l *Lease) Held() bool { return time.Now().UnixNano() < l.until.Load() }

// hold prolongs the lease until it is released or lost.
func (l *Lease) hold(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(l.life / leaseTicks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.prolong(ctx, time.Now().Add(l.life)); errors.Is(err, errLost) {
			l.until.Store(0)
			return
		}
	}
}

// prolong returns errLost for a lease that is another's or may soon be. Versions of
// another's count from 1 too: the content is looked at first, and in the last part of our
// time nobody can take it.
func (l *Lease) prolong(ctx context.Context, until time.Time) error {
	rest := l.life / leaseTicks
	if time.Until(time.Unix(0, l.until.Load())) < rest {
		return errLost
	}
	ctx, cancel := context.WithTimeout(ctx, rest)
	defer cancel()
	now, err := l.store.Load(ctx, l.key)
	if err == nil && !bytes.Equal(now.Data, l.mine) {
		return errLost
	}
	if err == nil {
		u := Update{Key: l.key, Record: Record{Data: l.mine, Expires: until, Version: now.Version}}
		updateQuietly(ctx, l.store, []*Update{&u})
		err = u.Err
	}
	switch {
	case err == nil:
		l.until.Store(until.UnixNano())
		return nil
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return errLost
	}
	return err
}

// Release gives the lease back. It is made to run out at once, not deleted: one that was
// lost stays with who has it. If the store does not answer, it runs out by itself.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	if err := l.prolong(ctx, time.Now().Add(leaseRelease)); err != nil && !errors.Is(err, errLost) {
		return fmt.Errorf("cookies: release a lease: %w", err)
	}
	return nil
}
