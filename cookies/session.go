package cookies

import (
	"slices"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// Session is one signed-in browser. Its fields are read only: requests share it.
type Session struct {
	Identity authn.Identity
	Audience string // where it is valid
	Limits   Limits

	ticket *ticket
	pulse  *pulse
	began  int64 // when the person signed in, by the wall clock: Unix milliseconds
	over   int64 // when its lifetime ends
	renew  int64 // when its identity should be renewed; 0: never

	// partial: Identity.Private stayed in the store, and so did what a later version
	// added. Tokens are needed when the session ends and not at every request, and
	// would be most of its size.
	partial bool
	again   bool  // to be renewed before it counts, see RenewPerson
	lone    bool  // in no store, see StartLone
	size    int32 // of the record, without Private
	trust   int32 // since when we would have been told of changes, see following

	keep atomic.Value
}

// pulse is the activity of a session. It outlives the Session when that is read
// anew. Points in time are nanoseconds since the epoch of Sessions, by the
// monotonic clock: the wall clock may be set while people work.
type pulse struct {
	seen    atomic.Int64 // last activity
	written atomic.Int64 // the activity that the store knows of
	paused  atomic.Int64 // until then no renewal is tried
	version atomic.Int32 // of the record
	queued  atomic.Bool  // waits to be written, or is being written
}

// Handle is a short name of the session for logs. It is no secret.
func (s *Session) Handle() string { return handle(s.Key()) }

// Key is the key of the session's record, for Revoke and for lists of a
// person's sessions. It opens nothing.
func (s *Session) Key() string { return s.ticket.record() }

// Began is when the person signed in, by the wall clock.
func (s *Session) Began() time.Time { return time.UnixMilli(s.began) }

// Ends is when the lifetime is over, by the wall clock.
func (s *Session) Ends() time.Time { return s.Began().Add(s.Limits.Lifetime) }

// Left is how long sess lasts from now if nobody is active: until it is idle or
// over, whichever comes first. It is never negative.
func (s *Sessions) Left(sess *Session) time.Duration {
	end := min(sess.pulse.seen.Load()+int64(sess.Limits.Idle), sess.over)
	return time.Duration(max(0, end-s.now()))
}

// Kept returns what was last given to Keep, or nil.
func (s *Session) Kept() any { return s.keep.Load() }

// Keep holds what somebody derived from this session as long as it stays in
// memory. There is one slot, for values of one type; requests share them.
func (s *Session) Keep(v any) { s.keep.Store(v) }

func (s *Session) idle(at int64) bool { return at-s.pulse.seen.Load() >= int64(s.Limits.Idle) }

func (s *Session) ended(at int64) bool { return at >= s.over }

// interval is how often activity is written at most.
func (s *Session) interval() int64 { return int64(max(s.Limits.Idle/20, time.Second)) }

// due reports whether the store should learn of activity at this time. A clock
// that ran backwards must not silence a session.
func (s *Session) due(at int64) bool {
	since := at - s.pulse.written.Load()
	return since >= s.interval() || since < 0
}

// content is what the record says when the last activity was at seen.
func (s *Session) content(seen time.Time) *content {
	return &content{
		Version:  contentVersion,
		Audience: s.Audience,
		Began:    s.began,
		Seen:     seen.UnixMilli(),
		Idle:     s.Limits.Idle.Milliseconds(),
		Lifetime: s.Limits.Lifetime.Milliseconds(),
		Identity: s.Identity,
	}
}

// newSession makes the session that a record tells of, beside which there are secrets or not. A time in the future
// counts as now: the clock was set back, or another replica's is ahead. So
// nobody is signed out by that, and nobody gains more than what the clock lost.
func (s *Sessions) newSession(t *ticket, c *content, secrets bool, version int64) *Session {
	now := s.cfg.Clock()
	at := int64(now.Sub(s.epoch))
	sess := &Session{
		Identity: c.Identity,
		partial:  secrets || c.more != nil || c.mark != nil || c.Version != contentVersion,
		again:    c.mark != nil,
		Audience: c.Audience,
		Limits: Limits{
			Idle:     time.Duration(c.Idle) * time.Millisecond,
			Lifetime: time.Duration(c.Lifetime) * time.Millisecond,
		},
		ticket: t,
		began:  c.Began,
		pulse:  new(pulse),
		size:   int32(c.size),
	}
	sess.over = at + int64(sess.Limits.Lifetime-past(now, c.Began))
	if !c.Identity.Renew.IsZero() {
		sess.renew = max(1, at+int64(c.Identity.Renew.Sub(now)))
	}
	if sess.again {
		sess.renew = -1 // since before the beginning
	}
	seen := at - int64(past(now, c.Seen))
	sess.pulse.seen.Store(seen)
	sess.pulse.written.Store(seen)
	sess.pulse.version.Store(int32(version))
	s.economise(sess)
	return sess
}

// past is how long ago a time in milliseconds was, by the wall clock.
func past(now time.Time, milli int64) time.Duration {
	return time.Duration(max(0, now.UnixMilli()-milli)) * time.Millisecond
}

// economise lets go of what need not be in memory. Names that are the same are
// held once, and so is what a session has in common with the one before, as
// nearly everybody's issuer and many people's groups.
func (s *Sessions) economise(sess *Session) {
	id := &sess.Identity
	id.Private = nil
	id.User = common(id.User, id.Subject)
	id.PreferredUsername = common(id.PreferredUsername, id.User)
	id.Email = common(id.Email, id.User)
	defer s.last.Store(sess) // not before it is whole: others read it
	last := s.last.Load()
	if last == nil {
		return
	}
	sess.Audience = common(sess.Audience, last.Audience)
	id.Method = common(id.Method, last.Identity.Method)
	id.Issuer = common(id.Issuer, last.Identity.Issuer)
	id.ACR = common(id.ACR, last.Identity.ACR)
	if slices.Equal(id.AMR, last.Identity.AMR) {
		id.AMR = last.Identity.AMR
	}
	if slices.Equal(id.Groups, last.Identity.Groups) {
		id.Groups = last.Identity.Groups
	}
}

func common(a, b string) string {
	if a == b {
		return b
	}
	return a
}
