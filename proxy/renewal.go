package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"foregate/authn"
	"foregate/cookies"
)

// renewWait is how long a request waits for its session to be renewed. A provider
// that takes longer is not waited for: the session holds as it is.
const renewWait = 2 * time.Second

// errWithdrawn says that a provider does not vouch for a person any more.
var errWithdrawn = errors.New("the provider withdrew the sign-in")

// errOvertaken says that a person's rights have changed, and what they are now could not
// be found out yet: what they were does not count.
var errOvertaken = errors.New("what is known of the person has changed and could not be renewed")

// renewed returns the session of a request after its method has renewed what it
// knows of the person: groups, tokens. A provider that does not answer changes
// nothing, unless it is known that something has changed; one that says no ends the session.
func (s *Server) renewed(x *exchange, r *http.Request, set *Set, sess *cookies.Session) (*cookies.Session, error) {
	refresher := set.refresher(sess.Identity.Method)
	switch {
	case refresher == nil && sess.Overtaken(): // its method is not open yet, or a reload took it away
		return nil, errOvertaken
	case refresher == nil:
		return sess, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), renewWait)
	defer cancel()
	err := s.renew(ctx, x, sess, refresher)
	if errors.Is(err, cookies.ErrNoSession) {
		return nil, err
	}
	sess, err = s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	if err == nil && sess.Overtaken() {
		return nil, errOvertaken
	}
	return sess, err
}

func (s *Server) renew(ctx context.Context, x *exchange, sess *cookies.Session, refresher authn.Refresher) error {
	err := s.Sessions.Renew(ctx, sess, func(ctx context.Context, id authn.Identity) (authn.Identity, error) {
		now, err := refresher.Refresh(ctx, id)
		if err != nil {
			return authn.Identity{}, err
		}
		return s.readmitted(ctx, x, s.set.Load().methods[id.Method], id, now)
	})
	switch {
	case errors.Is(err, authn.ErrEnded):
		s.Log.Info("session ended by provider", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method,
			"user", sess.Identity.User, "session", sess.Handle(), "reason", authn.CutControl(err.Error(), 512), "client", x.peer)
		return errors.Join(cookies.ErrNoSession, errWithdrawn)
	case err != nil && !errors.Is(err, cookies.ErrNoSession) && !errors.Is(err, context.Canceled):
		s.Log.Warn("session not renewed; it goes on as it is", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method,
			"session", sess.Handle(), "reason", authn.CutControl(err.Error(), 512))
	}
	return err
}

// refresher returns the method if it renews identities, or nil.
func (set *Set) refresher(method string) authn.Refresher {
	m := set.methods[method]
	if m == nil {
		return nil
	}
	auth, err := m.open()
	if err != nil {
		return nil
	}
	refresher, _ := auth.(authn.Refresher)
	return refresher
}

// Renews reports whether a method can say who its people are now.
func (set *Set) Renews(method string) bool { return set.refresher(method) != nil }
