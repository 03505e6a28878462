package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"

	"foregate/authn"
)

// ErrNoSignOut says that the provider's own session cannot be ended from here:
// it has no end-session endpoint, or has not been reached yet. Foregate's session
// can end all the same.
var ErrNoSignOut = errors.New("provider offers no sign-out")

// maxAddress is what browsers and proxies carry without trouble.
const maxAddress = 4 << 10

// SignOut sends the browser to the provider's end-session endpoint (OpenID
// Connect RP-Initiated Logout 1.0). back must be registered at the provider. The
// reply holds a random state, in its address or its fields, which the provider
// hands to back: a caller who wants to know the return again keeps it. A hint too
// long for an address makes the reply a PostForm. It needs no network; if errors.Is(err,
// ErrNoSignOut), sign out locally only.
func (m *Method) SignOut(_ context.Context, id authn.Identity, back string) (authn.Reply, error) {
	md, _ := m.watch.current()
	if md == nil || md.EndSession == "" {
		return nil, fmt.Errorf("oidc: %w", ErrNoSignOut)
	}
	u, err := url.Parse(md.EndSession)
	if err != nil {
		return nil, fmt.Errorf("oidc: end-session endpoint: %w", err)
	}
	fields := map[string]string{
		"client_id":                m.cfg.ClientID,
		"post_logout_redirect_uri": back,
		"state":                    rand.Text(),
	}
	if hint := id.Private[privateToken]; hint != "" {
		fields["id_token_hint"] = hint
	}
	query := u.Query()
	for name, value := range fields {
		query.Set(name, value)
	}
	bare := md.EndSession
	u.RawQuery = query.Encode()
	if address := u.String(); len(address) <= maxAddress {
		return authn.Redirect{URL: address}, nil
	}
	return authn.PostForm{URL: bare, Fields: fields}, nil
}
