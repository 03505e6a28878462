package certificates

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"foregate/cookies"
)

const (
	leaseTime = 15 * time.Second // after which the lock of a replica that died is free
	leaseTick = leaseTime / 5    // how often it is prolonged
	leaseRest = 2 * time.Second  // before its end a lock is given up
	lockPause = 300 * time.Millisecond
)

// errLost says that another replica may have taken a lock of this one.
var errLost = errors.New("certificates: a lock was lost while its work was done")

// lock is a record that one replica has for as long as its work takes. Its random content
// says whose it is; nobody prolongs, releases or overwrites another's.
type lock struct {
	key  string
	rec  cookies.Record
	stop context.CancelFunc
	done chan struct{}

	// Under shared.mu:
	until time.Time // it is ours at least so long
	lost  bool
}

// Lock implements certmagic.Locker. While the store does not answer it waits: what would
// be ordered can wait too.
func (s *shared) Lock(ctx context.Context, name string) error {
	told := false
	for {
		ok, err := s.TryLock(ctx, name)
		if ok {
			return nil
		}
		if err != nil && !told && ctx.Err() == nil {
			told = true
			s.log.Warn("the store does not answer: certificates are ordered and renewed when it does", "lock", name, "err", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("certificates: lock %s: %w", name, ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

// TryLock implements certmagic.TryLocker.
func (s *shared) TryLock(ctx context.Context, name string) (bool, error) {
	began := time.Now()
	l := &lock{
		key: recordKey("acme-lock", name), done: make(chan struct{}),
		rec: cookies.Record{Data: []byte(rand.Text()), Expires: began.Add(leaseTime)},
	}
	err := s.records.Create(ctx, l.key, l.rec)
	if errors.Is(err, cookies.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("certificates: lock %s: %w", name, err)
	}
	// The work may outlive the caller's patience, and Unlock always comes.
	held, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop, l.until = stop, l.rec.Expires
	s.mu.Lock()
	s.locks[name] = l
	s.mu.Unlock()
	go s.hold(held, l)
	return true, nil
}

// hold prolongs a lock until it is released or lost.
func (s *shared) hold(ctx context.Context, l *lock) {
	defer close(l.done)
	tick := time.NewTicker(leaseTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.prolong(ctx, l, time.Now().Add(leaseTime)); errors.Is(err, errLost) {
			s.log.Warn("a lock on certificates was lost: another replica may have it now, and what this one does with it is not kept")
			s.mu.Lock()
			l.lost = true
			s.mu.Unlock()
			return
		}
	}
}

// prolong returns errLost for a lock that is another's or may soon be. Versions of another's
// lock count from 1 too: the content is looked at first, and in leaseRest nobody can take it.
func (s *shared) prolong(ctx context.Context, l *lock, until time.Time) error {
	s.mu.Lock()
	left := time.Until(l.until)
	s.mu.Unlock()
	if left < leaseRest {
		return errLost
	}
	ctx, cancel := context.WithTimeout(ctx, leaseRest)
	defer cancel()
	now, err := s.records.Load(ctx, l.key)
	if err == nil && !bytes.Equal(now.Data, l.rec.Data) {
		return errLost
	}
	if err == nil {
		err = s.records.Update(ctx, l.key, cookies.Record{Data: l.rec.Data, Expires: until, Version: now.Version})
	}
	switch {
	case err == nil:
		s.mu.Lock()
		l.until = until
		s.mu.Unlock()
		return nil
	case errors.Is(err, cookies.ErrConflict), errors.Is(err, cookies.ErrNotFound):
		return errLost
	}
	return err
}

// Unlock implements certmagic.Locker. The lock is made to run out at once, not
// deleted: one that was lost stays with who has it.
func (s *shared) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.locks[name]
	delete(s.locks, name)
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	l.stop()
	<-l.done
	if err := s.prolong(ctx, l, time.Now().Add(20*time.Millisecond)); err != nil && !errors.Is(err, errLost) {
		return fmt.Errorf("certificates: unlock %s: %w", name, err)
	}
	return nil
}

// fence refuses to change anything while work goes on whose lock was lost. certmagic does
// not say which lock a change is made under; what is refused here without need is tried again.
func (s *shared) fence() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.locks {
		if l.lost || time.Now().After(l.until) {
			return errLost
		}
	}
	return nil
}
