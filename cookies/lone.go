package cookies

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"foregate/authn"
)

// A lone session is whole in its cookie, sealed, and in no store: for an emergency in
// which the store does not answer. Every replica knows it, and it survives a restart.
// The price is that nobody can list or end it from elsewhere: what bounds it is its
// short lifetime, and that its method can be closed. Signing out takes the cookie from
// the browser, and this replica remembers not to take it again.

// LoneMost is the longest lifetime of a lone session.
const LoneMost = time.Hour

type lone struct {
	ID      string  `json:"id"`
	Content content `json:"c"`
}

// endedLones are those that ended before their time, each until then.
type endedLones struct {
	mu  sync.Mutex
	all map[recordID]time.Time
}

// StartLone signs a browser in without the store. What session it had is taken from it,
// and stays at the store, where nobody has the cookie for it any more. The identity must
// fit into a cookie.
func (s *Sessions) StartLone(w http.ResponseWriter, secure bool, o Opening, id authn.Identity) (*Session, error) {
	switch {
	case id.Anonymous() || o.Audience == "":
		return nil, errors.New("cookies: start a session for nobody or for nothing")
	case o.Limits.Lifetime < time.Millisecond || o.Limits.Lifetime > LoneMost:
		return nil, fmt.Errorf("cookies: a session without a store lasts %v at most", LoneMost)
	}
	now := s.cfg.Clock()
	l := lone{ID: rand.Text(), Content: content{
		Version: contentVersion, Audience: o.Audience, Began: now.UnixMilli(), Seen: now.UnixMilli(),
		Lifetime: o.Limits.Lifetime.Milliseconds(), Identity: id,
	}}
	l.Content.Identity.Private = nil
	plain, err := json.Marshal(&l)
	if err != nil {
		return nil, fmt.Errorf("cookies: encode session: %w", err)
	}
	c := s.loneCookie(secure)
	if c.Value, err = s.derived.Load().lone.seal(c.Name, plain); err != nil {
		return nil, fmt.Errorf("cookies: seal session: %w", err)
	}
	if n := len(c.Name) + len(c.Value); n > maxCookie {
		return nil, fmt.Errorf("cookies: seal session: %d bytes are too long for a cookie", n)
	}
	c.MaxAge = int(o.Limits.Lifetime / time.Second)
	setCookie(w, expired(s.cookie(secure)))
	setCookie(w, c)
	return s.newLone(idOf(secure, c.Value), &l), nil
}

// lone returns the lone session of a request, whole and alive; ErrNoSession if there is
// none, and ErrOver if it has ended.
func (s *Sessions) lone(r *http.Request, secure bool) (*Session, error) {
	name := s.loneNames.session(secure)
	value, n := find(r.Header["Cookie"], name)
	if n != 1 || len(value) > maxCookie {
		return nil, ErrNoSession // two of them: one was planted
	}
	plain, ok := s.derived.Load().lone.open(name, value)
	if !ok {
		return nil, ErrNoSession
	}
	var l lone
	if err := json.Unmarshal(plain, &l); err != nil || l.ID == "" || l.Content.Version != contentVersion {
		return nil, ErrNoSession
	}
	sess := s.newLone(idOf(secure, value), &l)
	return sess, s.checkLone(sess)
}

func (s *Sessions) checkLone(sess *Session) error {
	s.lonesEnded.mu.Lock()
	defer s.lonesEnded.mu.Unlock()
	if _, ended := s.lonesEnded.all[sess.ticket.id]; ended {
		return ErrNoSession
	}
	// A clock that is set back must not prolong it.
	if sess.ended(s.now()) || s.cfg.Clock().Before(sess.Began().Add(-time.Minute)) {
		return ErrOver
	}
	return nil
}

func (s *Sessions) newLone(id recordID, l *lone) *Session {
	now := s.cfg.Clock()
	at := int64(now.Sub(s.epoch))
	lifetime := time.Duration(l.Content.Lifetime) * time.Millisecond
	sess := &Session{
		Identity: l.Content.Identity, Audience: l.Content.Audience, Limits: Limits{Idle: lifetime, Lifetime: lifetime},
		ticket: &ticket{id: id}, pulse: new(pulse), began: l.Content.Began, lone: true,
	}
	sess.over = at + int64(lifetime-past(now, l.Content.Began))
	sess.pulse.seen.Store(at)
	sess.pulse.written.Store(at)
	return sess
}

// endLone ends the lone session of a request, if there is one, whatever its audience.
func (s *Sessions) endLone(w http.ResponseWriter, r *http.Request, secure bool) *Session {
	name := s.loneNames.session(secure)
	if _, n := find(r.Header["Cookie"], name); n == 0 {
		return nil
	}
	setCookie(w, expired(s.loneCookie(secure)))
	sess, err := s.lone(r, secure)
	if err != nil {
		return nil
	}
	e := &s.lonesEnded
	e.mu.Lock()
	now := s.cfg.Clock()
	for id, until := range e.all {
		if now.After(until) {
			delete(e.all, id)
		}
	}
	if e.all == nil {
		e.all = make(map[recordID]time.Time)
	}
	e.all[sess.ticket.id] = sess.Ends().Add(time.Minute)
	e.mu.Unlock()
	s.watchers.tell(sess.Key())
	return sess
}

// Lone reports whether the session is in no store.
func (s *Session) Lone() bool { return s.lone }

// loadLone is Load for a request that has a lone session's cookie. It is asked first: the
// store may be what does not answer.
func (s *Sessions) loadLone(r *http.Request, secure bool, audience string) (*Session, error) {
	if _, n := find(r.Header["Cookie"], s.loneNames.session(secure)); n == 0 {
		return nil, ErrNoSession
	}
	sess, err := s.lone(r, secure)
	if err == nil && sess.Audience != audience {
		err = ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	return sess, nil
}

func (s *Sessions) loneCookie(secure bool) *http.Cookie {
	return &http.Cookie{Name: s.loneNames.session(secure), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
}
