package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"foregate/authn"
)

const (
	maxIDToken = 128 << 10
	maxSubject = 255 // OpenID Connect Core 1.0, section 2
	// A token holds the nonce of its attempt, so it cannot be much older; Microsoft
	// sets iat five minutes back.
	oldestToken = 10 * time.Minute
)

// idToken is an ID token of which everything has been checked.
type idToken struct {
	raw           string
	claims        claims
	issuer        string
	subject       string
	expires       time.Time
	authenticated time.Time // zero if the provider does not say
}

// expected is what an ID token must fit.
type expected struct {
	nonce   string
	began   time.Time // when it was asked for
	fresh   bool      // the person must have authenticated since then
	maxAge  time.Duration
	renewal bool // by a refresh token: what the provider need not repeat may be absent
}

func (m *Method) ofAttempt(a *authn.Attempt) expected {
	return expected{nonce: a.Values[keptNonce], began: a.Began, fresh: m.fresh(a), maxAge: m.cfg.MaxAge}
}

// ofRenewal: a nonce is not sent again or is that of the first token (OpenID
// Connect Core 1.0, section 12.2).
func (m *Method) ofRenewal(first claims) expected {
	return expected{nonce: first.text("nonce"), began: m.now(), renewal: true}
}

// verify checks an ID token as OpenID Connect Core 1.0, section 3.1.3.7, asks.
// All that follows is read from the bytes that were verified here.
func (m *Method) verify(ctx context.Context, md *metadata, want expected, tokens *oauth2.Token) (*idToken, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, errors.New("is missing; is openid among the scopes?")
	}
	if err := m.checkHeader(raw); err != nil {
		return nil, err
	}
	shared := strings.Contains(md.Issuer, tenantTemplate)
	signed, err := gooidc.NewVerifier(md.Issuer, md.keys, &gooidc.Config{
		ClientID:             m.cfg.ClientID,
		SupportedSigningAlgs: m.cfg.Algorithms,
		SkipIssuerCheck:      shared, // checked below, with the tenant
		Now:                  func() time.Time { return m.now().Add(-m.cfg.ClockTolerance) },
	}).Verify(ctx, raw)
	if over := (*gooidc.TokenExpiredError)(nil); errors.As(err, &over) && over.Expiry.Unix() > 0 {
		return nil, authn.Late("%w", err)
	}
	if err != nil {
		return nil, err
	}
	if signed.AccessTokenHash != "" {
		if err := signed.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, fmt.Errorf("at_hash: %w", err)
		}
	}
	c, err := payload(signed)
	if err != nil {
		return nil, err
	}
	id := &idToken{raw: raw, claims: c, issuer: md.Issuer}
	err = errors.Join(m.checkTimes(id, want), m.checkMeaning(id, want), m.checkParty(id, signed.Audience), m.checkTenant(id, md))
	if err != nil {
		return nil, err
	}
	return id, nil
}

// checkHeader refuses what is no ID token before any work is done on it. Tokens of
// other kinds carry their kind (RFC 8725, section 3.11): at+jwt, logout+jwt. One of
// those with our audience is still no sign-in.
func (m *Method) checkHeader(raw string) error {
	typ, err := m.header(raw)
	if err != nil {
		return err
	}
	if strings.HasSuffix(strings.ToLower(typ), "+jwt") {
		return fmt.Errorf("is of another kind: %q", authn.CutControl(typ, 60))
	}
	return nil
}

// header returns the type that a token claims for itself, if it is one whose
// signature is worth a look.
func (m *Method) header(raw string) (typ string, err error) {
	if len(raw) > maxIDToken {
		return "", fmt.Errorf("has %d bytes", len(raw))
	}
	if strings.Count(raw, ".") != 2 {
		return "", errors.New("is not a JWT in compact form")
	}
	algorithms := make([]jose.SignatureAlgorithm, len(m.cfg.Algorithms))
	for i, alg := range m.cfg.Algorithms {
		algorithms[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	extra := jws.Signatures[0].Protected.ExtraHeaders
	if extra["crit"] != nil || extra["b64"] != nil {
		return "", errors.New("has a critical header")
	}
	claimed, ok := extra["typ"]
	if !ok {
		return "", nil
	}
	typ, ok = claimed.(string)
	if !ok {
		return "", errors.New("has a type that is no text")
	}
	return typ, nil
}

func payload(signed *gooidc.IDToken) (claims, error) {
	var body json.RawMessage
	if err := signed.Claims(&body); err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	return parseClaims(body)
}

func (m *Method) checkTimes(id *idToken, want expected) error {
	now, skew := m.now(), m.cfg.ClockTolerance
	expires, err := id.claims.time("exp")
	if err != nil {
		return err
	}
	if now.After(expires.Add(skew)) {
		return authn.Late("expired at %s", expires)
	}
	issued, err := id.claims.time("iat")
	if err != nil {
		return err
	}
	if issued.After(now.Add(skew)) {
		return authn.Early("is issued in the future, at %s; are the clocks right?", issued)
	}
	if issued.Before(want.began.Add(-oldestToken - skew)) {
		return authn.Late("is issued long before this sign-in, at %s", issued)
	}
	if err := m.checkNotBefore(id.claims); err != nil {
		return err
	}
	id.expires = expires
	return m.checkAuthTime(id, want)
}

func (m *Method) checkNotBefore(c claims) error {
	if !c.has("nbf") {
		return nil
	}
	from, err := c.time("nbf")
	if err != nil {
		return err
	}
	if from.After(m.now().Add(m.cfg.ClockTolerance)) {
		return authn.Early("is not valid before %s; are the clocks right?", from)
	}
	return nil
}

// checkAuthTime makes sure that a wish for a recent authentication was heeded.
func (m *Method) checkAuthTime(id *idToken, want expected) error {
	now, skew := m.now(), m.cfg.ClockTolerance
	if !id.claims.has("auth_time") {
		if want.fresh || want.maxAge > 0 {
			return errors.New("lacks auth_time, so nothing shows that the person authenticated recently")
		}
		return nil
	}
	at, err := id.claims.time("auth_time")
	switch {
	case err != nil:
		return err
	case at.After(now.Add(skew)):
		return authn.Early("auth_time %s is in the future", at)
	case want.fresh && at.Before(want.began.Add(-skew)):
		return fmt.Errorf("person authenticated at %s, before this sign-in began", at)
	case want.maxAge > 0 && now.Sub(at) > want.maxAge+skew:
		return fmt.Errorf("person authenticated at %s, longer ago than max_age", at)
	}
	id.authenticated = at
	return nil
}

func (m *Method) checkMeaning(id *idToken, want expected) error {
	if err := checkNonce(id.claims, want); err != nil {
		return err
	}
	id.subject = id.claims.text("sub")
	if id.subject == "" || len(id.subject) > maxSubject || authn.CutControl(id.subject, maxSubject) != id.subject {
		return errors.New("sub is not a text of 1 to 255 bytes")
	}
	// go-oidc takes an at_hash that is there but empty for none at all.
	if id.claims.has("at_hash") && id.claims.text("at_hash") == "" {
		return errors.New("at_hash is not a text")
	}
	if want.renewal && !id.claims.has("acr") {
		return nil
	}
	if len(m.cfg.RequireACR) > 0 && !slices.Contains(m.cfg.RequireACR, id.claims.text("acr")) {
		return fmt.Errorf("acr %q is not one of %q", authn.CutControl(id.claims.text("acr"), 100), m.cfg.RequireACR)
	}
	return nil
}

func checkNonce(c claims, want expected) error {
	if want.renewal && !c.has("nonce") {
		return nil
	}
	nonce := c.text("nonce")
	if nonce == "" || want.nonce == "" || subtle.ConstantTimeCompare([]byte(nonce), []byte(want.nonce)) != 1 {
		return errors.New("nonce is not that of the attempt")
	}
	return nil
}

// checkParty: a token for several audiences must name us as the party it was
// issued to, and a token that names a party must name us.
func (m *Method) checkParty(id *idToken, audience []string) error {
	if !id.claims.has("azp") {
		if len(audience) > 1 {
			return errors.New("has several audiences and no azp")
		}
		return nil
	}
	if id.claims.text("azp") != m.cfg.ClientID {
		return errors.New("azp is another client")
	}
	return nil
}

// time returns a NumericDate (RFC 7519, section 2): a JSON number of seconds.
func (c claims) time(name string) (time.Time, error) {
	seconds, ok := c[name].(float64)
	if !ok || math.IsNaN(seconds) || seconds <= 0 || seconds > 1e11 {
		return time.Time{}, fmt.Errorf("%s is not a date", name)
	}
	return time.Unix(int64(seconds), 0), nil
}
