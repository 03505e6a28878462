package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
)

// auditTime is how long a person waits for the audit trail in an emergency.
const auditTime = time.Second

// emergency is the method if it is a way in for emergencies, or nil.
func (m *Method) emergency() authn.Emergency {
	auth, err := m.open()
	if err != nil {
		return nil
	}
	e, _ := auth.(authn.Emergency)
	return e
}

// shut reports whether the method is for emergencies and not to be used from where a
// person is, or sealed altogether.
func (m *Method) shut(x *exchange) bool {
	e := m.emergency()
	return e != nil && !e.Here(x.client)
}

// reached is method, for a person's request: what is shut to them is not there.
func (set *Set) reached(x *exchange, name string) (*Method, error) {
	m, err := set.method(x.app, name)
	if err == nil && m.shut(x) {
		return nil, refuse(http.StatusNotFound, "the emergency method %q is sealed, or not for this address", name)
	}
	return m, err
}

// breakGlass signs in without asking anything that could be down: no account, no store.
// It is told wherever it can be told.
func (s *Server) breakGlass(x *exchange, r *http.Request, m *Method, e authn.Emergency, a *authn.Attempt, in authn.SignedIn) error {
	id := in.Identity
	if id.Anonymous() || id.User == "" || in.Reason == "" || !e.Here(x.client) {
		return fmt.Errorf("emergency method %q vouched for nobody, or without a reason", m.Name)
	}
	id.Method, id.Organisation, id.Kind = m.Name, "", ""
	id.Emergency, id.Placed = true, true
	var err error
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return s.turnedAway(x, m, a, &id, err)
	}
	limits := cookies.Limits{Lifetime: min(e.Lifetime(), cookies.LoneMost)}
	if most := x.app.terms(m.Name).Lifetime; most > 0 {
		limits.Lifetime = min(limits.Lifetime, most)
	}
	sess, err := s.Sessions.StartLone(x, x.secure, cookies.Opening{Audience: x.app.Audience, Limits: limits, App: x.app.Name, Client: x.peer}, id)
	if err != nil {
		return fmt.Errorf("starting a session in an emergency: %w", err)
	}
	s.Attempts.Drop(x, r, x.secure, a.ID)
	x.who = &sess.Identity
	s.tell(x, e, authn.Use{
		Time: sess.Began(), Until: sess.Ends(), Method: m.Name, User: id.User, Reason: in.Reason,
		App: x.app.Name, Client: x.client, RequestID: x.id,
	}, &id)
	redirect(x, http.StatusSeeOther, returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts))
	return nil
}

// tell makes a use of break-glass known: log, figures, whom the method tells, and the
// audit trail if its database answers.
func (s *Server) tell(x *exchange, e authn.Emergency, use authn.Use, id *authn.Identity) {
	s.Metrics.SignIn(use.Method, "ok")
	s.Metrics.BreakGlass(use.Method, "ok")
	s.Log.Error("break-glass: somebody came in by the emergency way", "request_id", use.RequestID, "app", use.App, "method", use.Method,
		"user", use.User, "said", use.Reason, "until", use.Until.UTC().Format(time.RFC3339), "client", x.peer)
	e.Tell(use)
	if s.Accounts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditTime)
	defer cancel()
	err := s.Accounts.Audit.Append(ctx, accounts.Event{
		Actor: use.User, Action: "break_glass", Method: use.Method, App: use.App, Client: use.Client, Result: "ok", RequestID: use.RequestID,
		Detail: map[string]any{"reason": use.Reason, "until": use.Until.UTC().Format(time.RFC3339), "issuer": id.Issuer, "subject": id.Subject},
	})
	if err != nil {
		s.Log.Error("break-glass: the audit trail has no line of it", "request_id", use.RequestID, "err", err)
	}
}

// emergencyRefused makes a try known that did not succeed.
func (s *Server) emergencyRefused(x *exchange, m *Method) {
	if m.emergency() == nil {
		return
	}
	s.Metrics.BreakGlass(m.Name, "refused")
	s.Log.Error("break-glass: somebody tried the emergency way and was refused", "request_id", x.id, "app", x.app.Name, "method", m.Name, "client", x.peer)
}

// inEmergency reports whether a person may see the ways in although the store does not
// say whether they are signed in: where they are an emergency way is open, which needs
// none.
func (s *Server) inEmergency(x *exchange, err error) bool {
	var known *authn.Error
	if !errors.As(err, &known) || known.Status != http.StatusServiceUnavailable {
		return false
	}
	set := s.set.Load()
	for _, name := range x.app.Methods {
		if m := set.methods[name]; m != nil && m.emergency() != nil && !m.shut(x) {
			return true
		}
	}
	return false
}
