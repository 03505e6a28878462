package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
)

// admit asks whether a person whom a method vouches for may come in. Without a policy
// and without accounts everybody may.
func (s *Server) admit(x *exchange, r *http.Request, m *Method, id authn.Identity) (accounts.Admission, error) {
	if s.Accounts == nil {
		if !m.Admit.Zero() {
			return nil, fmt.Errorf("method %q admits by accounts, and there are none", m.Name)
		}
		return accounts.Admitted{Identity: id}, nil
	}
	if m.Admit.Zero() && id.Issuer != accounts.Issuer {
		return accounts.Admitted{Identity: id}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	return s.Accounts.Admit(ctx, m.Admit, id, s.context(x))
}

// context is for which app and on whose behalf something is done, for the audit trail.
func (s *Server) context(x *exchange) accounts.Context {
	return accounts.Context{App: x.app.Name, Client: x.client, RequestID: x.id}
}

// turnedAway counts and logs a person who may not come in; the page says why.
func (s *Server) turnedAway(m *Method, err error) error {
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
	if m == nil || s.Accounts == nil || m.Admit.Zero() && now.Issuer != accounts.Issuer {
		return s.withRoles(x, now)
	}
	in, err := s.Accounts.Recheck(ctx, m.Admit, now, s.context(x))
	if accounts.ReasonOf(err) != "" {
		return authn.Identity{}, errors.Join(authn.ErrEnded, err)
	}
	if err != nil {
		// What the provider gave may be given once only, so it must be kept.
		s.Log.Warn("account not looked at again; it counts as it was", "request_id", x.id, "app", x.app.Name, "reason", err.Error())
		before.Private, before.Renew, before.Until, before.Authenticated = now.Private, now.Renew, now.Until, now.Authenticated
		return before, nil
	}
	return s.withRoles(x, in.Identity)
}

func (s *Server) withRoles(x *exchange, id authn.Identity) (authn.Identity, error) {
	var err error
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return authn.Identity{}, errors.Join(authn.ErrEnded, err)
	}
	return id, nil
}

// languageOf is what the browser would like best; letters fall back from what there
// is no text in.
func languageOf(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	tag, _, _ := strings.Cut(first, ";")
	if tag = strings.TrimSpace(tag); len(tag) > 35 || tag == "*" {
		return ""
	}
	return tag
}
