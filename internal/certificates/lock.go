package certificates

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foregate/cookies"
)

const (
	lockLife  = 15 * time.Second // after which the lock of a replica that died is free
	lockPause = 300 * time.Millisecond
)

// errLost says that another replica may have taken a lock of this one.
var errLost = errors.New("certificates: a lock was lost while its work was done")

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
	l, err := cookies.TakeLease(ctx, s.records, recordKey("acme-lock", name), lockLife)
	if errors.Is(err, cookies.ErrLeased) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("certificates: lock %s: %w", name, err)
	}
	s.mu.Lock()
	s.locks[name] = l
	s.mu.Unlock()
	return true, nil
}

// Unlock implements certmagic.Locker.
func (s *shared) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.locks[name]
	delete(s.locks, name)
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	if !l.Held() {
		s.log.Warn("a lock on certificates was lost: another replica may have had it, and what this one did with it was not kept", "lock", name)
	}
	if err := l.Release(ctx); err != nil {
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
		if !l.Held() {
			return errLost
		}
	}
	return nil
}
