package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"foregate/authn"
)

const (
	privateRefresh = "refresh_token"

	maxRefreshToken = 16 << 10 // bytes that are kept
	leastRenewal    = 30 * time.Second
	mostRenewal     = 24 * time.Hour
	renewLimit      = 20 * time.Second // for an answer: giving up early may lose a token that is given once
	renewalMargin   = 10 * time.Second // before a token expires
	defaultLife     = 5 * time.Minute  // of an access token that does not say
)

// withdrawn are the error codes of RFC 6749, section 5.2, and OpenID Connect Core
// 1.0, section 3.1.2.6, by which a provider says that a person must sign in anew.
// All others are faults of ours or outages of theirs, which sign nobody out.
var withdrawn = map[string]bool{
	"invalid_grant": true, "interaction_required": true, "login_required": true, "consent_required": true,
}

// keepTokens adds to a new identity what renewing it takes. The access token and
// the ID token become claims only where an application is sent them; ours win over
// claims of the same name.
func (m *Method) keepTokens(id *authn.Identity, tokens *oauth2.Token, raw string) {
	for _, name := range m.claims {
		switch name {
		case "access_token":
			m.claim(id, name, tokens.AccessToken)
		case "id_token":
			m.claim(id, name, raw)
		}
	}
	id.Renew = time.Time{}
	if !m.cfg.Refresh || tokens.RefreshToken == "" || len(tokens.RefreshToken) > maxRefreshToken {
		return
	}
	id.Private[privateRefresh] = tokens.RefreshToken
	id.Renew = m.now().Add(min(max(m.life(tokens)-renewalMargin, leastRenewal), mostRenewal))
}

func (m *Method) claim(id *authn.Identity, name, value string) {
	all := map[string]any{name: value}
	for n, v := range id.Claims { // which may be a session's
		if n != name {
			all[n] = v
		}
	}
	id.Claims = all
}

func (m *Method) life(tokens *oauth2.Token) time.Duration {
	if tokens.ExpiresIn <= 0 {
		return defaultLife
	}
	return time.Duration(min(tokens.ExpiresIn, int64(mostRenewal/time.Second))) * time.Second
}

// Refresh asks the provider for new tokens (RFC 6749, section 6) and makes the
// person of what it says now, by the same rules as at sign-in: who would not be
// let in any more is ErrEnded, and so is an answer about somebody else.
//
// Without a new ID token (OpenID Connect Core 1.0, section 12.2, leaves that to
// the provider) the userinfo answer speaks, over the claims of the one before; if
// that may not be asked either, they stay.
//
// A provider that rotates refresh tokens takes each of them once. Should its
// answer get lost on the way, the next call finds the old token spent, and the
// session ends.
func (m *Method) Refresh(ctx context.Context, id authn.Identity) (authn.Identity, error) {
	token := id.Private[privateRefresh]
	if token == "" {
		return authn.Identity{}, errors.New("oidc: refresh: the session has no refresh token")
	}
	md, err := m.metadata(ctx)
	if err != nil {
		return authn.Identity{}, err
	}
	tokens, err := m.redeemRefresh(ctx, md, token)
	if err != nil {
		return authn.Identity{}, err
	}
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = token
	}
	renewed, err := m.reidentify(ctx, md, &id, tokens)
	var refused *authn.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return authn.Identity{}, fmt.Errorf("%w: %w", authn.ErrEnded, err)
	case errors.Is(err, authn.ErrEnded):
		return authn.Identity{}, err
	case err != nil:
		// The old refresh token may be spent: the new one must not be lost with the rest.
		m.log.WarnContext(ctx, "tokens renewed, but not what is known of the person; asked again soon", "err", err)
		renewed, tokens.ExpiresIn = id, 0
		renewed.Private = maps.Clone(id.Private)
		m.keepTokens(&renewed, tokens, id.Private[privateToken])
		renewed.Renew = m.now().Add(leastRenewal)
		return renewed, nil
	}
	m.keepTokens(&renewed, tokens, renewed.Private[privateToken])
	return renewed, nil
}

// redeemRefresh posts to the token endpoint. The oauth2 package has no way to add
// a client assertion to this grant.
func (m *Method) redeemRefresh(ctx context.Context, md *metadata, token string) (*oauth2.Token, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	req, err := m.tokenRequest(ctx, md, form)
	if err != nil {
		return nil, err
	}
	resp, err := m.renewing.Do(req)
	if err != nil {
		m.watch.doubt()
		return nil, fmt.Errorf("oidc: refresh: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("oidc: refresh: %w", err)
	}
	var answer struct {
		AccessToken  string      `json:"access_token"`
		TokenType    string      `json:"token_type"`
		ExpiresIn    json.Number `json:"expires_in"` // a text at some providers
		RefreshToken string      `json:"refresh_token"`
		IDToken      string      `json:"id_token"`
		Error        string      `json:"error"`
		Text         string      `json:"error_description"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("oidc: refresh: %w: answer is not JSON", statusError(resp.StatusCode))
	}
	switch {
	case resp.StatusCode == http.StatusBadRequest && withdrawn[answer.Error]:
		return nil, fmt.Errorf("oidc: refresh: %w: %q: %q", authn.ErrEnded, answer.Error, authn.CutControl(answer.Text, 500))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("oidc: refresh: %w: %q: %q", statusError(resp.StatusCode), authn.CutControl(answer.Error, 80), authn.CutControl(answer.Text, 500))
	case answer.AccessToken == "" || !strings.EqualFold(answer.TokenType, "Bearer"):
		return nil, fmt.Errorf("oidc: refresh: no access token, or one of type %q", authn.CutControl(answer.TokenType, 40))
	}
	life, _ := answer.ExpiresIn.Int64() // 0: the provider does not say
	tokens := &oauth2.Token{AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, ExpiresIn: life}
	return tokens.WithExtra(map[string]any{"id_token": answer.IDToken}), nil
}

// tokenRequest proves who we are as at the exchange of a code.
func (m *Method) tokenRequest(ctx context.Context, md *metadata, form url.Values) (*http.Request, error) {
	switch {
	case m.signer != nil:
		assertion, err := m.signer.assertion(m.assertionAudience(md), m.now())
		if err != nil {
			return nil, fmt.Errorf("oidc: %w", err)
		}
		form.Set("client_id", m.cfg.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	case m.cfg.ClientAuth != authBasic:
		form.Set("client_id", m.cfg.ClientID)
		form.Set("client_secret", m.cfg.ClientSecret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, md.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("oidc: refresh: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if m.signer == nil && m.cfg.ClientAuth == authBasic { // both in their escaped form: RFC 6749, section 2.3.1
		req.SetBasicAuth(url.QueryEscape(m.cfg.ClientID), url.QueryEscape(m.cfg.ClientSecret.Reveal()))
	}
	return req, nil
}

// reidentify makes the person anew of what the provider says now.
func (m *Method) reidentify(ctx context.Context, md *metadata, id *authn.Identity, tokens *oauth2.Token) (authn.Identity, error) {
	kept := keptClaims(id)
	token, src, err := m.renewedSources(ctx, md, id, kept, tokens)
	if err != nil {
		return authn.Identity{}, err
	}
	if token == nil { // nothing new is known
		same := *id
		same.Private = maps.Clone(id.Private)
		same.Until = m.now().Add(m.life(tokens))
		return same, nil
	}
	if token.issuer != id.Issuer || token.subject != id.Subject {
		return authn.Identity{}, fmt.Errorf("oidc: refresh: %w: the answer is about another person", authn.ErrEnded)
	}
	renewed, err := m.identity(token, src)
	if err != nil {
		return authn.Identity{}, err
	}
	renewed.Authenticated = id.Authenticated // a refresh proves nobody's presence
	if renewed.ACR == "" {
		renewed.ACR = id.ACR
	}
	if renewed.AMR == nil {
		renewed.AMR = id.AMR
	}
	if renewed.SID == "" {
		renewed.SID = id.SID
	}
	return renewed, nil
}

// renewedSources returns what the person is made of now; a nil token if the
// provider gave nothing to make it of.
func (m *Method) renewedSources(ctx context.Context, md *metadata, id *authn.Identity, kept claims, tokens *oauth2.Token) (*idToken, sources, error) {
	if raw, _ := tokens.Extra("id_token").(string); raw != "" {
		token, err := m.verify(ctx, md, m.ofRenewal(kept), tokens)
		if err != nil {
			return nil, nil, fmt.Errorf("oidc: refresh: ID token %w", err)
		}
		if token.subject != id.Subject { // before anything else is asked about them
			return token, nil, nil
		}
		src, err := m.gather(ctx, md, token, tokens.AccessToken)
		return token, src, err
	}
	if kept == nil || md.UserInfo == "" || m.cfg.UserInfo == infoNever {
		return nil, nil, nil
	}
	token := &idToken{raw: id.Private[privateToken], claims: kept, issuer: id.Issuer, subject: kept.text("sub"), expires: m.now().Add(m.life(tokens))}
	info, err := m.userInfo(ctx, md, token, tokens.AccessToken)
	if err != nil {
		return nil, nil, err
	}
	token.subject = id.Subject // userInfo has compared the two
	return token, sources{info, kept}, nil
}

// keptClaims are those of the ID token that the session keeps for signing out. It
// was verified when it came, and has been sealed since.
func keptClaims(id *authn.Identity) claims {
	parts := strings.Split(id.Private[privateToken], ".")
	if len(parts) != 3 {
		return nil
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	c, err := parseClaims(body)
	if err != nil {
		return nil
	}
	return c
}
