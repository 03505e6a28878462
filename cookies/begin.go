package cookies

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

// Opening says where and on what terms a session begins.
type Opening struct {
	Audience string // where it is valid
	Limits   Limits
	App      string // for lists of sessions: where the person signed in …
	Client   string // … and from which address
	Fleeting bool   // the cookie ends with the browser, whatever is configured
}

// Start signs a browser in: always with a new session, never with one that the
// browser brought along. What r presents is deleted at the store first. The new
// record is stored before the cookie is written; after an error w is untouched.
func (s *Sessions) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, secure bool, o Opening, id authn.Identity) (*Session, error) {
	if id.Anonymous() || o.Audience == "" {
		return nil, errors.New("cookies: start a session for nobody or for nothing")
	}
	if o.Limits.Idle < time.Millisecond || o.Limits.Lifetime < time.Millisecond {
		return nil, errors.New("cookies: start a session without limits")
	}
	if _, err := s.dismiss(ctx, r, secure); err != nil && !errors.Is(err, ErrNoSession) {
		return nil, err
	}
	t, value, err := s.issue(secure)
	if err != nil {
		return nil, err
	}
	sess, err := s.create(ctx, t, o, id)
	if err != nil {
		return nil, err
	}
	s.endLone(w, r, secure)
	c := s.cookie(secure)
	c.Value = value
	if s.cfg.Persistent && !o.Fleeting {
		c.MaxAge = int(o.Limits.Lifetime / time.Second)
	}
	setCookie(w, c)
	return sess, nil
}

// create stores a session. What it returns was opened from the sealed record,
// so that it is now what it will be when it is read back.
func (s *Sessions) create(ctx context.Context, t *ticket, o Opening, id authn.Identity) (*Session, error) {
	now := s.cfg.Clock()
	first := &Session{Identity: id, Audience: o.Audience, began: now.UnixMilli(), Limits: o.Limits}
	draft := first.content(now)
	data, err := t.seal(draft)
	if err != nil {
		return nil, err
	}
	c, secrets, err := t.peek(data)
	if err != nil {
		return nil, err
	}
	note, err := s.derived.Load().noter.seal(t.record(), Summary{User: id.User, Name: id.Name, Method: id.Method, App: o.App, Client: o.Client, Began: first.began})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.Create(ctx, t.record(), Record{Data: data, Expires: c.expires(), Tags: s.derived.Load().tagger.of(&id), Note: note}); err != nil {
		return nil, fmt.Errorf("cookies: store session: %w", err)
	}
	sess := s.newSession(t, c, secrets != nil, 1)
	sess.trust = s.following.trust.Load() // nobody else knows of it yet
	s.cache.Set(t.id, sess)
	return sess, nil
}

// End signs a browser out: at the store, in memory, then in the browser. It
// returns the session that ended, also one that was idle too long, whatever its
// audience. ErrNoSession if there was none; the cookie is taken away all the
// same. A lone session ends in any case; beside that, after any other error nothing has
// ended and w is untouched.
func (s *Sessions) End(ctx context.Context, w http.ResponseWriter, r *http.Request, secure bool) (*Session, error) {
	alone := s.endLone(w, r, secure)
	sess, err := s.dismiss(ctx, r, secure)
	if err != nil && !errors.Is(err, ErrNoSession) {
		return nil, err
	}
	setCookie(w, expired(s.cookie(secure)))
	if alone != nil {
		return alone, nil
	}
	return sess, err
}

// dismiss deletes all sessions that r presents and returns the first of them,
// whole.
// It does so to the end even if the browser hangs up meanwhile.
func (s *Sessions) dismiss(ctx context.Context, r *http.Request, secure bool) (*Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var first *Session
	for _, t := range s.presented(r, secure) {
		c, rec, err := s.whole(ctx, t)
		if err != nil && !errors.Is(err, ErrNoSession) {
			return nil, err
		}
		var sess *Session
		if c != nil {
			private := c.Identity.Private
			sess = s.newSession(t, c, private != nil, rec.Version)
			sess.Identity.Private = private
		}
		if err := s.Revoke(ctx, t.record()); err != nil {
			return nil, err
		}
		if first == nil {
			first = sess
		}
	}
	if first == nil {
		return nil, ErrNoSession
	}
	return first, nil
}

// presented returns the tickets of all session cookies of r.
func (s *Sessions) presented(r *http.Request, secure bool) []*ticket {
	var all []*ticket
	name, seen := s.names.session(secure), 0
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if pairName(pair) != name {
				continue
			}
			if seen++; seen > presentedMost {
				return all
			}
			_, value, _ := strings.Cut(pair, "=")
			if value = trimSpace(value); len(value) > maxTicketCookie {
				continue
			}
			if t, ok := s.open(secure, value, idOf(secure, value)); ok {
				all = append(all, t)
			}
		}
	}
	return all
}
