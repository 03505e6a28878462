package ldap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"foregate/authn"
)

const (
	firstRest = 30 * time.Second // after the directory has refused our own account
	longRest  = 10 * time.Minute
)

// errService is about the account that Foregate searches with.
var errService = errors.New("the account that searches cannot sign in")

// service is that account. A password that the directory refuses is not sent again
// and again: that would lock the account.
type service struct {
	dn       string
	password authn.Secret
	now      func() time.Time

	mu    sync.Mutex
	err   error
	until time.Time
	rest  time.Duration
}

// bind makes c a connection of the account. Without one searches are anonymous.
func (s *service) bind(ctx context.Context, c *conn) error {
	if s.dn == "" {
		return nil
	}
	// Ten connections at once with a wrong password would lock the account.
	select {
	case c.server.turn <- struct{}{}:
		defer func() { <-c.server.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.refused(); err != nil {
		return err
	}
	_, err := c.bind(ctx, handshakeLimit, s.dn, s.password.Reveal())
	switch {
	case err == nil:
		s.accepted()
		return nil
	case answered(err):
		err = fmt.Errorf("%w: bind as %q: %w", errService, s.dn, err)
		s.refuse(err)
		return err
	}
	return fmt.Errorf("bind as %q: %w", s.dn, err)
}

// refused is why the directory need not be asked again yet.
func (s *service) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.err
	}
	return nil
}

func (s *service) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = min(max(firstRest, 2*s.rest), longRest)
	s.err, s.until = err, s.now().Add(s.rest)
}

func (s *service) accepted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.until, s.rest = nil, time.Time{}, 0
}
