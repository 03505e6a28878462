package cookies

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"foregate/authn"
)

// A record that is to be renewed before it counts again has a mark behind what is
// sealed: only a browser's cookie could seal it anew, and the change is somebody
// else's. Each mark is another, so that a renewal that began before one does not take
// it away. Whoever can write to the store gains nothing by a mark: the method is asked.
const (
	markText = "\x00foregate renew\x00"
	markSize = 8 // bytes of chance before markText
)

// againPause is how long after a method that did not answer nobody asks it again for a
// session that waits for the answer.
const againPause = 2 * time.Second

// marked splits what a store has into what was sealed and the mark, if any.
func marked(data []byte) (sealed, mark []byte) {
	at := len(data) - len(markText) - markSize
	if at < 0 || string(data[at+markSize:]) != markText {
		return data, nil
	}
	return data[:at], data[at:]
}

// RenewPerson makes the sessions of one person new: what their account says of them has
// changed, and they may stay. Each is renewed by its method at its next request, on
// every replica, and does not count before that has succeeded. Those end whose method
// renews nothing: renewable tells, by its name.
func (s *Sessions) RenewPerson(ctx context.Context, issuer, subject string, renewable func(method string) bool) error {
	all, err := s.OfPerson(ctx, issuer, subject)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range all {
		if renewable(l.Method) {
			errs = append(errs, s.mark(ctx, l.Key))
		} else {
			errs = append(errs, s.Revoke(ctx, l.Key))
		}
	}
	return errors.Join(errs...)
}

// mark ends a session that it cannot mark because others keep writing it.
func (s *Sessions) mark(ctx context.Context, key string) error {
	chance := make([]byte, markSize)
	_, _ = rand.Read(chance) // never fails
	for range reviseMost {
		rec, err := s.store.Load(ctx, key)
		if err == nil {
			sealed, _ := marked(rec.Data)
			rec.Data = slices.Concat(sealed, chance, []byte(markText))
			err = s.store.Update(ctx, key, rec)
		}
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case err != nil && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("cookies: mark a session: %w", err)
		}
		s.Forget(key)
		return nil
	}
	return s.Revoke(ctx, key)
}

// Overtaken reports whether what the session says of its person has changed, and is
// not known yet: it must be renewed before it counts.
func (s *Session) Overtaken() bool { return s.again }

// hopeless ends a session that is to be renewed, and cannot be.
func (s *Sessions) hopeless(ctx context.Context, t *ticket, c *content) error {
	if c.mark == nil || !c.Identity.Renew.IsZero() {
		return nil
	}
	if err := s.Revoke(ctx, t.record()); err != nil {
		return err
	}
	return fmt.Errorf("%w: it was to be renewed and cannot be: %w", ErrNoSession, authn.ErrEnded)
}
