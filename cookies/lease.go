package cookies

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

const (
	leaseTime = 10 * time.Second // after which the lease of a process that died is free
	leaseTick = leaseTime / 4    // how often it is prolonged
)

// errLeased says that another process, or another request here, holds the lease.
var errLeased = errors.New("cookies: another has the lease")

// lease is held by one process at a time, for as long as it takes.
type lease struct {
	store Store
	key   string
	rec   Record
	stop  chan struct{}
	done  chan struct{}
}

// takeLease returns errLeased if somebody has it.
func (s *Sessions) takeLease(ctx context.Context, key string) (*lease, error) {
	l := &lease{
		store: s.store, key: "lease:" + key,
		rec:  Record{Data: []byte(rand.Text()), Expires: time.Now().Add(leaseTime)},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.store.Create(ctx, l.key, l.rec)
	if errors.Is(err, ErrExists) {
		return nil, errLeased
	}
	if err != nil {
		return nil, fmt.Errorf("cookies: take a lease: %w", err)
	}
	l.rec.Version = 1
	go l.hold()
	return l, nil
}

// hold prolongs the lease until it is released. If it is lost because the store
// did not answer, the work goes on: to break it off would not undo it.
func (l *lease) hold() {
	defer close(l.done)
	tick := time.NewTicker(leaseTick)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), leaseTick)
		l.rec.Expires = time.Now().Add(leaseTime)
		u := Update{Key: l.key, Record: l.rec}
		updateQuietly(ctx, l.store, []*Update{&u})
		cancel()
		if u.Err == nil {
			l.rec.Version++
		}
	}
}

func (l *lease) release() {
	close(l.stop)
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	_ = l.store.Delete(ctx, l.key) // or it runs out by itself
}
