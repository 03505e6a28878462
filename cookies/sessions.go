// Package cookies keeps a signed-in browser signed in.
//
// The browser has a small sealed cookie, the ticket: a random key. The Store has a
// record under a hash of the cookie, sealed with that key. Load finds the cookie of a
// request, takes its session from memory, or opens the ticket and takes it from
// the store, and judges its audience and its limits. Touch notes a human's
// activity, which a goroutine writes to the store in batches. Start and End
// write the store first and the cookie then.
//
// Attempts keeps what has not become a session yet in cookies alone. Spent and
// Tries count in the store what must not happen twice, or too often.
package cookies

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// ErrNoSession says that a request is anonymous: it has no cookie of ours, or
// one that is forged, unknown, ended, or for another audience.
var ErrNoSession = errors.New("no session")

// These are ErrNoSession too, and say why.
var (
	ErrIdle      = fmt.Errorf("%w: nobody was active for too long", ErrNoSession)
	ErrOver      = fmt.Errorf("%w: its lifetime is over", ErrNoSession)
	ErrAmbiguous = fmt.Errorf("%w: the browser sent several", ErrNoSession) // signing in anew may not help
)

const (
	storeTimeout    = 3 * time.Second
	sessionOverhead = 768 // bytes of a cached session beside its plain text
	presentedMost   = 8   // session cookies of one request that signing out looks at
)

// Sessions are the signed-in browsers of a Store. All methods are safe for
// concurrent use.
type Sessions struct {
	store   Store
	cfg     Config
	names   names
	derived atomic.Pointer[derived]

	keptNames  names
	loneNames  names
	lonesEnded endedLones

	epoch time.Time
	last  atomic.Pointer[Session] // that came into memory, see economise
	cache *otter.Cache[recordID, *Session]

	watchers  watchers
	flusher   flusher
	following following
	renewals  renewals
	closing   sync.Once
	closed    error
}

// New checks cfg and starts writing activity. Close ends that; the store stays
// open and is the caller's.
func New(store Store, cfg Config) (*Sessions, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	secrets, err := derive(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	s := &Sessions{
		store:     store,
		cfg:       cfg,
		names:     newNames(cfg.Name, cfg.Domain),
		keptNames: newNames(cfg.Name+keptSuffix, ""),
		loneNames: newNames(cfg.Name+loneSuffix, ""),
		epoch:     cfg.Clock(),
		flusher:   newFlusher(),
	}
	s.cfg.Secrets = nil // what is in force is in derived
	s.derived.Store(secrets)
	s.cache, err = otter.New(&otter.Options[recordID, *Session]{
		MaximumWeight: uint64(cfg.CacheBytes),
		Weigher:       func(_ recordID, sess *Session) uint32 { return uint32(sessionOverhead) + uint32(sess.size) },
	})
	if err != nil {
		return nil, fmt.Errorf("cookies: session cache: %w", err)
	}
	go s.flush()
	s.follow()
	return s, nil
}

// Load returns the session that r presents for audience. secure tells whether
// the browser speaks https: then only the cookie with the prefixed name counts.
//
// An error that is ErrNoSession means anonymous; ErrIdle, ErrOver and
// ErrAmbiguous are that too and say why. With any other error the store did not
// answer: nothing is known about the session, and the cookie must stay.
func (s *Sessions) Load(ctx context.Context, r *http.Request, secure bool, audience string) (*Session, error) {
	sess, over := s.loadLone(r, secure, audience)
	if over == nil {
		return sess, nil
	}
	value, n := find(r.Header["Cookie"], s.names.session(secure))
	if n == 0 {
		return nil, over
	}
	if n > 1 {
		// One of them may have been planted by a neighbour in the domain, and
		// their order says nothing about which.
		return nil, ErrAmbiguous
	}
	if len(value) > maxTicketCookie {
		return nil, ErrNoSession
	}
	id := idOf(secure, value)
	if sess, ok := s.cache.GetIfPresent(id); ok {
		return s.judge(ctx, sess.ticket, sess, audience)
	}
	t, ok := s.open(secure, value, id)
	if !ok {
		return nil, ErrNoSession
	}
	return s.judge(ctx, t, nil, audience)
}

// Check is Load for a session that was loaded before: is it alive now? It is for
// connections that outlast their request, such as WebSockets.
func (s *Sessions) Check(ctx context.Context, sess *Session) (*Session, error) {
	if sess.lone {
		return sess, s.checkLone(sess)
	}
	cached, _ := s.cache.GetIfPresent(sess.ticket.id)
	return s.judge(ctx, sess.ticket, cached, sess.Audience)
}

// judge finds a ticket's session, unless it was in memory, and applies its limits.
// What is in memory is enough to let a person in; nobody is declared idle before the store was asked,
// since another replica may have seen the person.
func (s *Sessions) judge(ctx context.Context, t *ticket, sess *Session, audience string) (*Session, error) {
	at := s.now()
	if sess == nil || sess.idle(at) || !s.trusted(sess) {
		var err error
		if sess, err = s.read(ctx, t, sess); err != nil {
			return nil, err
		}
	}
	if sess.Audience != audience {
		return nil, ErrNoSession
	}
	if sess.ended(at) {
		return nil, ErrOver
	}
	if sess.idle(at) {
		return nil, ErrIdle
	}
	return sess, nil
}

func (s *Sessions) now() int64 { return int64(s.cfg.Clock().Sub(s.epoch)) }

// read takes a session from the store into memory, in place of old, which may be
// nil. Requests for one session share one read. The cache discards a read during
// which the session was ended, and reads again.
func (s *Sessions) read(ctx context.Context, t *ticket, old *Session) (*Session, error) {
	if old != nil {
		s.cache.ComputeIfPresent(t.id, func(present *Session) (*Session, otter.ComputeOp) {
			if present == old {
				return nil, otter.InvalidateOp
			}
			return present, otter.CancelOp
		})
	}
	return s.cache.Get(ctx, t.id, otter.LoaderFunc[recordID, *Session](
		func(ctx context.Context, _ recordID) (*Session, error) { return s.fetch(ctx, t, old) }))
}

func (s *Sessions) fetch(ctx context.Context, t *ticket, old *Session) (*Session, error) {
	since := s.following.trust.Load() // before reading: what changes from now on, we are told
	sess, err := s.load(ctx, t)
	if err != nil {
		return nil, err
	}
	if old != nil {
		sess.pulse = old.pulse.merged(sess.pulse)
	}
	sess.trust = since
	return sess, nil
}

// load reads a session from the store, as memory holds it.
func (s *Sessions) load(ctx context.Context, t *ticket) (*Session, error) {
	rec, err := s.fetchRecord(ctx, t)
	if err != nil {
		return nil, err
	}
	c, secrets, err := t.peek(rec.Data)
	if err != nil {
		return nil, s.unreadable(ctx, t, err)
	}
	if err := s.hopeless(ctx, t, c); err != nil {
		return nil, err
	}
	return s.newSession(t, c, secrets != nil, rec.Version), nil
}

// Revoke ends the session whose Key this is. A session that is not there is no
// error. After an error it may still be alive.
func (s *Sessions) Revoke(ctx context.Context, key string) error {
	if err := s.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("cookies: delete session: %w", err)
	}
	s.Forget(key)
	return nil
}

// Forget drops a session from memory: another replica has changed its record.
// The next request reads it from the store, and so does one that is just
// reading it.
func (s *Sessions) Forget(key string) {
	if id, ok := parseRecordID(key); ok {
		s.cache.Invalidate(id)
	}
	s.watchers.tell(key)
}

// ForgetAll drops all sessions from memory: changes may have gone unnoticed.
func (s *Sessions) ForgetAll() {
	s.cache.InvalidateAll()
	s.watchers.tellAll()
}

// Cached is how many sessions are in memory, roughly.
func (s *Sessions) Cached() int { return s.cache.EstimatedSize() }

// Own reports whether a cookie of this name is Foregate's: the session or an
// attempt, with or without the __Host- or __Secure- prefix.
func (s *Sessions) Own(name string) bool { return s.names.own(name) }

// StripOwn takes Foregate's cookies off the Cookie fields of h, which it changes
// in place. All other cookies stay byte for byte.
func (s *Sessions) StripOwn(h http.Header) { s.names.strip(h) }

func (s *Sessions) cookie(secure bool) *http.Cookie {
	return &http.Cookie{
		Name:     s.names.session(secure),
		Domain:   s.cfg.Domain,
		Path:     "/",
		HttpOnly: true,
		Secure:   secure,
		SameSite: http.SameSiteLaxMode,
	}
}
