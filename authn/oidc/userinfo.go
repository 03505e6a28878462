package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"foregate/authn"
)

// gather adds the userinfo answer to the ID token where it is wanted. If it
// cannot be had the sign-in fails: without it a person might come in with fewer
// groups, or under another name, than yesterday.
func (m *Method) gather(ctx context.Context, md *metadata, id *idToken, accessToken string) (sources, error) {
	src := sources{id.claims}
	if !m.wantsUserInfo(md, id) {
		return src, nil
	}
	info, err := m.userInfo(ctx, md, id, accessToken)
	if err != nil {
		return nil, err
	}
	return append(src, info), nil
}

func (m *Method) wantsUserInfo(md *metadata, id *idToken) bool {
	switch m.cfg.UserInfo {
	case infoAlways:
		return true
	case infoAuto:
		return md.UserInfo != "" && m.lacks(id.claims)
	}
	return false
}

// lacks reports whether a preferred claim is missing; the others of its list are
// what to fall back to once userinfo has none either.
func (m *Method) lacks(c claims) bool {
	wanted := m.cfg.Claims
	for _, paths := range [][]string{wanted.User, wanted.Email, wanted.Name, wanted.PreferredUsername, wanted.Groups} {
		if len(paths) == 0 {
			continue
		}
		if _, ok := c.at(paths[0]); !ok {
			return true
		}
	}
	for name := range m.cfg.RequireClaims {
		if _, ok := c.at(name); !ok {
			return true
		}
	}
	return false
}

// userInfo asks the userinfo endpoint (OpenID Connect Core 1.0, section 5.3).
func (m *Method) userInfo(ctx context.Context, md *metadata, id *idToken, accessToken string) (claims, error) {
	if md.UserInfo == "" {
		return nil, &authn.Error{Public: notSetUp, Status: http.StatusBadGateway, Err: errors.New("oidc: userinfo is always, but the provider has no userinfo endpoint")}
	}
	body, err := getJSON(ctx, m.client, md.UserInfo, accessToken)
	if err != nil {
		return nil, authn.Unavailable(notAnswering, fmt.Errorf("oidc: userinfo: %w", err))
	}
	info, err := parseClaims(body)
	if err != nil {
		return nil, authn.Invalid(notTrusted, fmt.Errorf("oidc: userinfo: %w", err))
	}
	// The access token could be somebody else's (section 5.3.4). Not id.subject, which is another for Entra ID.
	if sub := info.text("sub"); sub == "" || subtle.ConstantTimeCompare([]byte(sub), []byte(id.claims.text("sub"))) != 1 {
		return nil, authn.Invalid(notTrusted, errors.New("oidc: userinfo: sub is not that of the ID token"))
	}
	return info, nil
}
