package cookies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"foregate/authn"
)

// ErrAlive is returned by Away for a session that has not ended.
var ErrAlive = errors.New("the session has not ended")

const (
	renewTime  = 30 * time.Second       // for a method to renew an identity
	renewPause = 30 * time.Second       // after a provider that did not answer
	renewLook  = 100 * time.Millisecond // how often a process looks whether another one is done
	storeWait  = 10 * time.Second       // for a store to take what a provider gives once only
	reviseMost = 5                      // tries at a record that others change too
)

// errPaused says that a method did not answer a moment ago.
var errPaused = errors.New("cookies: the method did not answer a moment ago")

// Renewing makes a new identity of a session's whole one. See authn.Refresher for
// what its errors mean.
type Renewing func(ctx context.Context, id authn.Identity) (authn.Identity, error)

// renewals are under way in this process, by the record's key.
type renewals struct {
	mu  sync.Mutex
	all map[string]*renewal
	wg  sync.WaitGroup
}

type renewal struct {
	done chan struct{}
	err  error
}

// Due reports whether sess should be renewed now. It costs nothing for a session
// whose method renews nothing.
func (s *Sessions) Due(sess *Session) bool {
	if sess.renew == 0 {
		return false
	}
	at := s.now()
	return at >= sess.renew && (sess.again || at >= sess.pulse.paused.Load())
}

// Renew renews a session's identity: once, however many requests and replicas ask
// for it. It returns when that is done, or with ctx's error when ctx ends; the
// work goes on then, since what a provider gave may be had only once.
//
// An error that is ErrNoSession means that the provider withdrew the
// authorisation, or the person signed out, and the session is over. After any
// other error it stays as it is, and is not due again for half a minute, unless it
// was Overtaken: then it still is, and must not count.
func (s *Sessions) Renew(ctx context.Context, sess *Session, renew Renewing) error {
	r := s.renewal(context.WithoutCancel(ctx), sess, renew)
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renewal returns the one that is under way for sess, or begins one.
func (s *Sessions) renewal(ctx context.Context, sess *Session, renew Renewing) *renewal {
	all, key := &s.renewals, sess.Key()
	all.mu.Lock()
	defer all.mu.Unlock()
	if r := all.all[key]; r != nil {
		return r
	}
	r := &renewal{done: make(chan struct{})}
	if all.all == nil {
		all.all = make(map[string]*renewal)
	}
	all.all[key] = r
	all.wg.Go(func() {
		r.err = s.renewOnce(ctx, sess, renew)
		all.mu.Lock()
		delete(all.all, key)
		all.mu.Unlock()
		close(r.done)
	})
	return r
}

func (s *Sessions) renewOnce(ctx context.Context, sess *Session, renew Renewing) error {
	if sess.again && s.now() < sess.pulse.paused.Load() {
		return errPaused
	}
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	err := s.renewLeased(ctx, sess, renew)
	switch {
	case errors.Is(err, authn.ErrEnded):
		if e := s.Revoke(context.WithoutCancel(ctx), sess.Key()); e != nil {
			return e
		}
		return fmt.Errorf("%w: %w", ErrNoSession, err)
	case err != nil && !errors.Is(err, ErrNoSession) && sess.again:
		sess.pulse.paused.Store(s.now() + int64(againPause))
	case err != nil && !errors.Is(err, ErrNoSession):
		sess.pulse.paused.Store(s.now() + int64(renewPause))
	}
	return err
}

// renewLeased does it here, or waits for the process that has the lease.
func (s *Sessions) renewLeased(ctx context.Context, sess *Session, renew Renewing) error {
	for {
		l, err := s.renewalLease(ctx, sess.Key())
		if err == nil {
			defer release(context.WithoutCancel(ctx), l)
			return s.renewHeld(ctx, sess, renew)
		}
		if !errors.Is(err, ErrLeased) {
			return err
		}
		select {
		case <-time.After(renewLook):
		case <-ctx.Done():
			return fmt.Errorf("cookies: wait for another to renew a session: %w", ctx.Err())
		}
	}
}

func (s *Sessions) renewalLease(ctx context.Context, session string) (*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return TakeLease(ctx, s.store, "lease:"+session, renewLease)
}

func release(ctx context.Context, l *Lease) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_ = l.Release(ctx) // or it runs out by itself
}

// renewHeld renews unless another process has, between the request and the lease.
func (s *Sessions) renewHeld(ctx context.Context, sess *Session, renew Renewing) error {
	c, _, err := s.whole(ctx, sess.ticket)
	if err != nil {
		return err
	}
	if c.mark == nil && (sess.again || !c.Identity.Renew.Equal(sess.Identity.Renew)) {
		s.reread(sess)
		return nil
	}
	mark := c.mark
	id, err := renew(ctx, c.Identity)
	if err != nil {
		return err
	}
	if id.Issuer != c.Identity.Issuer || id.Subject != c.Identity.Subject || id.User == "" {
		return fmt.Errorf("renewed into somebody else: %w", authn.ErrEnded)
	}
	id.Method = c.Identity.Method
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWait)
	defer cancel()
	for {
		err = s.revise(ctx, sess, func(c *content) {
			c.Identity = id
			if bytes.Equal(c.mark, mark) { // another came meanwhile: renewed once more
				c.mark = nil
			}
		})
		if err == nil || errors.Is(err, ErrNoSession) {
			return err
		}
		select {
		case <-time.After(renewLook):
		case <-ctx.Done():
			return err
		}
	}
}

// whole reads a session's record, with what memory does not hold of it.
func (s *Sessions) whole(ctx context.Context, t *ticket) (*content, Record, error) {
	rec, err := s.fetchRecord(ctx, t)
	if err != nil {
		return nil, Record{}, err
	}
	c, err := t.open(rec.Data)
	if err != nil {
		return nil, Record{}, s.unreadable(ctx, t, err)
	}
	return c, rec, nil
}

func (s *Sessions) fetchRecord(ctx context.Context, t *ticket) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rec, err := s.store.Load(ctx, t.record())
	if errors.Is(err, ErrNotFound) {
		return Record{}, ErrNoSession
	}
	if err != nil {
		return Record{}, fmt.Errorf("cookies: load session: %w", err)
	}
	return rec, nil
}

// unreadable is ErrNoSession: garbage in the store costs one person a sign-in, and
// nobody else anything.
func (s *Sessions) unreadable(ctx context.Context, t *ticket, err error) error {
	s.cfg.Log.WarnContext(ctx, "session record unreadable", "session", handle(t.record()), "err", err)
	return ErrNoSession
}

// revise changes a session's record. A sign-out meanwhile wins: ErrNoSession.
func (s *Sessions) revise(ctx context.Context, sess *Session, change func(*content)) error {
	for range reviseMost {
		c, rec, err := s.whole(ctx, sess.ticket)
		if err != nil {
			return err
		}
		change(c)
		if rec.Data, err = sess.ticket.seal(c); err != nil {
			return err
		}
		err = s.store.Update(ctx, sess.Key(), rec)
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case errors.Is(err, ErrNotFound):
			s.Forget(sess.Key())
			return ErrNoSession
		case err != nil:
			return fmt.Errorf("cookies: store session: %w", err)
		}
		s.reread(sess)
		return nil
	}
	return fmt.Errorf("cookies: store session: %w", ErrConflict)
}

// reread makes the next request read the session from the store. The activity
// that only memory knows of goes on.
func (s *Sessions) reread(sess *Session) {
	s.Forget(sess.Key())
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	_, _ = s.read(ctx, sess.ticket, sess) // or the next request does
}

// Away returns the session of r that ended because nobody was active, as long as
// its lifetime is not over. ErrNoSession if there is none, ErrAlive if it has not
// ended.
func (s *Sessions) Away(ctx context.Context, r *http.Request, secure bool, audience string) (*Session, error) {
	sess, err := s.Ended(ctx, r, secure, audience)
	if err == nil && sess.ended(s.now()) {
		return nil, ErrOver
	}
	return sess, err
}

// Ended returns the session of r that ended by itself, as long as the store has
// it. ErrNoSession if there is none, ErrAlive if it has not ended.
func (s *Sessions) Ended(ctx context.Context, r *http.Request, secure bool, audience string) (*Session, error) {
	value, n := find(r.Header["Cookie"], s.names.session(secure))
	if n != 1 {
		return nil, ErrNoSession
	}
	if len(value) > maxTicketCookie {
		return nil, ErrNoSession
	}
	t, ok := s.open(secure, value, idOf(secure, value))
	if !ok {
		return nil, ErrNoSession
	}
	cached, _ := s.cache.GetIfPresent(t.id)
	switch _, err := s.judge(ctx, t, cached, audience); {
	case err == nil:
		return nil, ErrAlive
	case !errors.Is(err, ErrIdle) && !errors.Is(err, ErrOver):
		return nil, err
	}
	return s.load(ctx, t)
}

// Reenter makes a session that Away returned go on: a person is back whose
// sign-in still counts. It keeps its lifetime and its cookie. ErrNoSession if it
// was ended for good meanwhile.
func (s *Sessions) Reenter(ctx context.Context, sess *Session) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := s.cfg.Clock().UnixMilli()
	return s.revise(ctx, sess, func(c *content) { c.Seen = max(c.Seen, now) })
}
