package oidc

import (
	"context"
	"net/url"
	"testing"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestContract(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		p := newProvider(t)
		m := openMethod(t, p.config())
		return authntest.Subject{
			Authenticator: m,
			Constant:      []string{keptRedirect},
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				reply, err := m.Begin(ctx, a)
				if err != nil {
					return nil, err
				}
				u, err := url.Parse(reply.(authn.Redirect).URL)
				if err != nil {
					return nil, err
				}
				p.mu.Lock()
				p.sent = u.Query()
				p.mu.Unlock()
				return m.Resume(ctx, a, authntest.Get(url.Values{"code": {"good"}, "state": {a.ID}}))
			},
		}
	})
}
