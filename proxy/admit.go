package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"foregate/authn"
	"foregate/authn/accounts"
)

// admit asks whether a person whom a method vouches for may come in. Without a policy
// and without accounts everybody may whom the method can speak for.
func (s *Server) admit(x *exchange, r *http.Request, m *Method, id authn.Identity) (accounts.Admission, error) {
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	return s.admitIn(ctx, x, m, id)
}

func (s *Server) admitIn(ctx context.Context, x *exchange, m *Method, id authn.Identity) (accounts.Admission, error) {
	set, c := s.set.Load(), s.context(x, m, &id)
	if err := s.scoped(ctx, set, m, &id, c); err != nil {
		return nil, err
	}
	admission, err := s.admitted(ctx, m, id, c)
	if err != nil {
		return nil, err
	}
	if in, ok := admission.(accounts.Admitted); ok && in.Account.ID == "" {
		if err := s.unaccounted(ctx, x, set, m, &in.Identity, c); err != nil {
			return nil, err
		}
		return in, nil
	}
	return admission, nil
}

func (s *Server) admitted(ctx context.Context, m *Method, id authn.Identity, c accounts.Context) (accounts.Admission, error) {
	if s.Accounts == nil {
		if !m.Admit.Zero() {
			return nil, fmt.Errorf("method %q admits by accounts, and there are none", m.Name)
		}
		return accounts.Admitted{Identity: id}, nil
	}
	if m.Admit.Zero() && id.Issuer != accounts.Issuer {
		return accounts.Admitted{Identity: id}, nil
	}
	return s.Accounts.Admit(ctx, m.Admit, id, c)
}

// unaccounted judges a person without an account: what the account would decide, the
// address and the method have to.
func (s *Server) unaccounted(ctx context.Context, x *exchange, set *Set, m *Method, id *authn.Identity, c accounts.Context) error {
	if len(x.app.Kinds) > 0 {
		return s.refuse(ctx, id, c, accounts.NoAccount, "the app is for accounts of some kinds only",
			"You are signed in, but you have no account for this application yet. Ask the people who run it to make one for you.")
	}
	if err := s.stray(ctx, set, m, id, c); err != nil {
		return err
	}
	if o := set.owner(m.Name); o != nil {
		id.Organisation = o.Name
	}
	return nil
}

// context is for which app and on whose behalf something is done: what a decision is
// made of beside the policy, and what the audit trail says.
func (s *Server) context(x *exchange, m *Method, id *authn.Identity) accounts.Context {
	c := accounts.Context{App: x.app.Name, Client: x.client, RequestID: x.id, Kinds: x.app.Kinds, Try: x.trying}
	s.set.Load().belongs(&c, m, id)
	return c
}

// turnedAway counts and logs a person who may not come in; the page says why.
func (s *Server) turnedAway(x *exchange, m *Method, a *authn.Attempt, id *authn.Identity, err error) error {
	err = s.wayOf(x, m, id, a.Return, err)
	reason := accounts.ReasonOf(err)
	if reason == "" {
		s.Metrics.SignInFailed(m.Name, "failed", err)
		return fmt.Errorf("admitting by method %q: %w", m.Name, err)
	}
	s.Metrics.SignIn(m.Name, "not_admitted")
	return fmt.Errorf("not admitted by method %q, reason %s: %w", m.Name, reason, err)
}

// readmitted is what a method says of a person now, with what their account says. Who
// may not come in any more is authn.ErrEnded; a database that does not answer changes
// nothing.
func (s *Server) readmitted(ctx context.Context, x *exchange, m *Method, before, now authn.Identity) (authn.Identity, error) {
	if m == nil { // a reload took it away meanwhile: nobody knows who may come in by it
		return authn.Identity{}, fmt.Errorf("renewing by method %q, which is gone", before.Method)
	}
	set, c := s.set.Load(), s.context(x, m, &now)
	if err := s.scoped(ctx, set, m, &now, c); err != nil {
		return s.notAgain(x, before, now, err)
	}
	if s.Accounts == nil || m.Admit.Zero() && now.Issuer != accounts.Issuer {
		if err := s.unaccounted(ctx, x, set, m, &now, c); err != nil {
			return s.notAgain(x, before, now, err)
		}
		return s.withRoles(x, now)
	}
	in, err := s.Accounts.Recheck(ctx, m.Admit, now, c)
	if err == nil && in.Account.ID == "" {
		err = s.unaccounted(ctx, x, set, m, &in.Identity, c)
	}
	if err != nil {
		return s.notAgain(x, before, now, err)
	}
	return s.withRoles(x, in.Identity)
}

// notAgain ends the session of a person who may not come in any more. If that could not
// be found out, they count as they were.
func (s *Server) notAgain(x *exchange, before, now authn.Identity, err error) (authn.Identity, error) {
	if accounts.ReasonOf(err) != "" {
		return authn.Identity{}, errors.Join(authn.ErrEnded, err)
	}
	// What the provider gave may be given once only, so it must be kept.
	s.Log.Warn("account not looked at again; it counts as it was", "request_id", x.id, "app", x.app.Name, "reason", err.Error())
	before.Private, before.Renew, before.Until, before.Authenticated = now.Private, now.Renew, now.Until, now.Authenticated
	return before, nil
}

func (s *Server) withRoles(x *exchange, id authn.Identity) (authn.Identity, error) {
	var err error
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return authn.Identity{}, errors.Join(authn.ErrEnded, err)
	}
	return id, nil
}
