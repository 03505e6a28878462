package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
)

const (
	attemptLife = time.Hour // an attempt this old is refused, so that its mark in Once may be forgotten
	maxCode     = 8 << 10
)

// What a person is told. The operator finds the reason in the log.
const (
	startAgain   = "This sign-in cannot be continued. Start again."
	usedAlready  = "This sign-in was used already or took too long. Start again."
	notTrusted   = "The answer of the sign-in service could not be verified. Start again, and tell your IT department if it happens again."
	notSetUp     = "Signing in this way is not set up correctly. Tell your IT department, or choose another way to sign in."
	notAnswering = "The sign-in service does not answer at the moment. Try again in a minute, or choose another way to sign in."
)

// Resume takes the provider's answer. It answers with SignedIn or an error,
// never with a further page.
func (m *Method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, resumeLimit)
	defer cancel()
	id, err := m.resume(ctx, a, r)
	if err != nil {
		return nil, err
	}
	return authn.SignedIn{Identity: id}, nil
}

func (m *Method) resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Identity, error) {
	answer, err := m.answer(r)
	if err != nil {
		return authn.Identity{}, authn.Invalid(startAgain, fmt.Errorf("oidc: %w", err))
	}
	if err := m.belongs(answer, a); err != nil {
		return authn.Identity{}, authn.Invalid(startAgain, fmt.Errorf("oidc: %w", err))
	}
	md, err := m.metadata(ctx)
	if err != nil {
		return authn.Identity{}, err
	}
	if err := m.checkIssuer(answer, md); err != nil {
		return authn.Identity{}, authn.Invalid(notTrusted, fmt.Errorf("oidc: %w", err))
	}
	if code := answer.Get("error"); code != "" {
		return authn.Identity{}, refusal(code, answer.Get("error_description"))
	}
	if err := md.keys.ready(ctx); err != nil {
		return authn.Identity{}, authn.Unavailable(notAnswering, fmt.Errorf("oidc: %w", err))
	}
	if err := m.spend(ctx, a); err != nil {
		return authn.Identity{}, err
	}
	return m.redeem(ctx, md, a, answer.Get("code"))
}

// redeem turns a code into a person.
func (m *Method) redeem(ctx context.Context, md *metadata, a *authn.Attempt, code string) (authn.Identity, error) {
	tokens, err := m.exchange(ctx, md, a, code)
	if err != nil {
		return authn.Identity{}, err
	}
	id, err := m.verify(ctx, md, m.ofAttempt(a), tokens)
	if err != nil {
		return authn.Identity{}, authn.Unproved(notTrusted, fmt.Errorf("oidc: id token: %w", err))
	}
	id.tell(a.Trial)
	src, err := m.gather(ctx, md, id, tokens.AccessToken)
	if err != nil {
		return authn.Identity{}, err
	}
	m.tell(src, a.Trial)
	person, err := m.identity(id, src)
	if err != nil {
		return authn.Identity{}, err
	}
	m.keepTokens(&person, tokens, id.raw)
	return person, nil
}

// answer returns the parameters of the callback. They come one way, the way that
// was asked for, and each of them once (RFC 6749, section 3.1).
func (m *Method) answer(r *http.Request) (url.Values, error) {
	if r.URL == nil {
		return nil, errors.New("callback without an address")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("callback with a broken query")
	}
	values := query
	switch {
	case m.cfg.ResponseMode == modeFormPost && r.Method == http.MethodPost:
		if len(query) > 0 {
			return nil, errors.New("callback with parameters in form and query")
		}
		values = r.PostForm
	case m.cfg.ResponseMode == modeQuery && r.Method == http.MethodGet:
	default:
		return nil, fmt.Errorf("callback by %s, but response_mode is %s", authn.CutControl(r.Method, 20), m.cfg.ResponseMode)
	}
	for name, all := range values {
		if len(all) != 1 {
			return nil, fmt.Errorf("callback repeats %q", authn.CutControl(name, 40))
		}
	}
	return values, checkAnswer(values)
}

func checkAnswer(v url.Values) error {
	code, failed := v.Get("code"), v.Has("error")
	switch {
	case code != "" && failed:
		return errors.New("callback with both code and error")
	case failed && v.Get("error") == "":
		return errors.New("callback with an empty error")
	case code == "" && !failed:
		return errors.New("callback with neither code nor error")
	case len(code) > maxCode:
		return fmt.Errorf("callback with a code of %d bytes", len(code))
	}
	return nil
}

// belongs reports whether the answer is to this attempt, and the attempt one
// that Begin made. The caller has matched the state before; a second look costs
// nothing.
func (m *Method) belongs(v url.Values, a *authn.Attempt) error {
	state := v.Get("state")
	if state == "" || a.ID == "" || subtle.ConstantTimeCompare([]byte(state), []byte(a.ID)) != 1 {
		return errors.New("state is not that of the attempt")
	}
	if a.Values[keptNonce] == "" || a.Values[keptVerifier] == "" || a.Values[keptRedirect] == "" {
		return errors.New("attempt was not begun here")
	}
	if age := m.now().Sub(a.Began); age > attemptLife {
		return fmt.Errorf("attempt is %s old", age.Round(time.Second))
	}
	return nil
}

// checkIssuer keeps answers of one provider from being taken for those of
// another (RFC 9207, section 2.4).
func (m *Method) checkIssuer(v url.Values, md *metadata) error {
	if !v.Has("iss") {
		if md.SendsIssuer {
			return errors.New("callback without iss, which the provider says it sends")
		}
		return nil
	}
	iss := v.Get("iss")
	if iss != "" && iss == md.Issuer {
		return nil
	}
	if strings.Contains(md.Issuer, tenantTemplate) {
		for _, t := range m.cfg.Tenants {
			if iss == md.issuerOf(strings.ToLower(t)) {
				return nil
			}
		}
	}
	return fmt.Errorf("callback of another issuer %q", authn.CutControl(iss, 200))
}

// spend marks the attempt as answered: a code and the cookie that belongs to it
// work once, even where a provider would take the code twice.
func (m *Method) spend(ctx context.Context, a *authn.Attempt) error {
	err := m.once.Spend(ctx, "oidc:"+m.name+":"+a.ID, a.Began.Add(attemptLife))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, authn.ErrSpent):
		return authn.Invalid(usedAlready, fmt.Errorf("oidc: attempt: %w", err))
	}
	return authn.Unavailable("Signing in does not work at the moment. Try again in a minute.", fmt.Errorf("oidc: mark attempt as used: %w", err))
}

// refusals are the error codes of RFC 6749, section 4.1.2.1, and OpenID Connect
// Core 1.0, section 3.1.2.6, that a person can do something about.
var refusals = map[string]string{
	"access_denied":                     "The sign-in service did not let you in, or you cancelled. Start again if you did not mean to.",
	"login_required":                    "The sign-in service wants you to sign in there first. Start again.",
	"interaction_required":              "The sign-in service wants to ask you something first. Start again.",
	"consent_required":                  "The sign-in service needs your consent. Start again and agree when it asks.",
	"account_selection_required":        "Choose one of your accounts at the sign-in service. Start again.",
	"unmet_authentication_requirements": "The way you signed in is not strong enough here. Start again with your smartcard or second factor.",
}

func refusal(code, description string) error {
	err := fmt.Errorf("oidc: provider answered %q: %q", authn.CutControl(code, 80), authn.CutControl(description, 500))
	if public, ok := refusals[code]; ok {
		return authn.Refused(public, err)
	}
	if code == "temporarily_unavailable" || code == "server_error" {
		return authn.Unavailable(notAnswering, err)
	}
	return &authn.Error{Public: notSetUp, Err: err, Status: http.StatusBadGateway}
}
