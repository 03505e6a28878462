package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"foregate/authn"
)

// exchange redeems the code at the token endpoint (RFC 6749, section 4.1.3).
func (m *Method) exchange(ctx context.Context, md *metadata, a *authn.Attempt, code string) (*oauth2.Token, error) {
	opts := []oauth2.AuthCodeOption{oauth2.VerifierOption(a.Values[keptVerifier])}
	if m.signer != nil {
		assertion, err := m.signer.assertion(m.assertionAudience(md), m.now())
		if err != nil {
			return nil, &authn.Error{Public: notSetUp, Err: fmt.Errorf("oidc: %w", err), Status: http.StatusInternalServerError}
		}
		opts = append(opts,
			oauth2.SetAuthURLParam("client_assertion_type", assertionType),
			oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, m.client)
	tokens, err := m.oauth(md, a).Exchange(ctx, code, opts...)
	if err != nil {
		return nil, m.exchangeError(err)
	}
	if !strings.EqualFold(tokens.Type(), "Bearer") {
		return nil, authn.Invalid(notTrusted, fmt.Errorf("oidc: token of type %q", authn.CutControl(tokens.Type(), 40)))
	}
	return tokens, nil
}

func (m *Method) assertionAudience(md *metadata) string {
	if m.cfg.ClientAssertionAudience == audienceIssuer {
		return md.Issuer
	}
	return md.Token
}

// exchangeError keeps the answer's body out of the log: it may hold tokens.
func (m *Method) exchangeError(err error) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		m.watch.doubt()
		return authn.Unavailable(notAnswering, fmt.Errorf("oidc: redeem code: %w", err))
	}
	cause := fmt.Errorf("oidc: redeem code: %w: %q: %q", statusError(re.Response.StatusCode),
		authn.CutControl(re.ErrorCode, 80), authn.CutControl(re.ErrorDescription, 500))
	switch {
	case re.ErrorCode == "invalid_grant":
		return authn.Invalid(usedAlready, cause)
	case re.Response.StatusCode >= 500, re.Response.StatusCode == http.StatusTooManyRequests:
		m.watch.doubt()
		return authn.Unavailable(notAnswering, cause)
	}
	return &authn.Error{Public: notSetUp, Err: cause, Status: http.StatusBadGateway}
}
