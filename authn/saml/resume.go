package saml

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

// Resume takes the provider's answer, which was posted, and before it, in a federation,
// the person's.
func (m *Method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	if m.Federated() && r.Method == http.MethodPost && !r.PostForm.Has("SAMLResponse") {
		return m.answered(ctx, a, r)
	}
	id, err := m.resume(ctx, a, r)
	if err != nil {
		return nil, err
	}
	return authn.SignedIn{Identity: id}, nil
}

func (m *Method) resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Identity, error) {
	var none authn.Identity
	posted, err := m.posted(a, r)
	if err != nil {
		return none, authn.Invalid(startAgain, fmt.Errorf("saml: %w", err))
	}
	base, err := m.base(a)
	if err != nil {
		return none, authn.Invalid(startAgain, fmt.Errorf("saml: %w", err))
	}
	p, err := m.provider(ctx, a.Values[keptProvider])
	if err != nil {
		return none, err
	}
	got, err := m.read(posted, m.signers(p))
	if err != nil {
		var st *statusError
		if errors.As(err, &st) {
			return none, st.refusal()
		}
		m.doubt() // it may sign with a new certificate
		return none, authn.Invalid(notTrusted, fmt.Errorf("saml: %w", err))
	}
	got.tell(a.Trial)
	now := m.now()
	want := expected{
		audience: m.entityID(base), acs: base + acsPath, request: a.Values[keptRequest], issuer: p.entityID,
		began: a.Began, fresh: a.Fresh || m.cfg.ForceAuthn, contexts: m.cfg.AuthnContext,
	}
	if err := got.check(want, now, m.cfg.ClockTolerance); err != nil {
		if errors.Is(err, errContext) {
			return none, authn.Refused(tooWeak, fmt.Errorf("saml: %w", err))
		}
		return none, authn.Unproved(notTrusted, fmt.Errorf("saml: %w", err))
	}
	a.Trial.Check("Meant for us", want.audience, want.acs)
	if err := m.spend(ctx, a, got, now); err != nil {
		return none, err
	}
	return m.identity(got, p, a.Trial)
}

const tooWeak = "The way you signed in is not strong enough here. Start again with your smartcard or second factor."

// posted returns the document that was posted, if it belongs to this attempt, or
// to none where that is allowed. Everything comes once, in the form alone.
func (m *Method) posted(a *authn.Attempt, r *http.Request) ([]byte, error) {
	switch {
	case r.Method != http.MethodPost:
		return nil, errors.New("answer that was not posted")
	case r.URL == nil || r.URL.RawQuery != "":
		return nil, errors.New("answer with a query")
	case len(r.PostForm["SAMLResponse"]) != 1 || len(r.PostForm["RelayState"]) > 1 || r.PostForm.Has("SAMLRequest"):
		return nil, errors.New("answer without one SAMLResponse and one RelayState at most")
	}
	if err := m.belongs(a, r.PostForm.Get("RelayState")); err != nil {
		return nil, err
	}
	return decodePosted(r.PostForm.Get("SAMLResponse"))
}

func decodePosted(s string) ([]byte, error) {
	if len(s) > maxMessage*4/3+maxMessage/16 { // with line breaks
		return nil, fmt.Errorf("message of %d characters", len(s))
	}
	b, err := decodeBase64(s)
	if err != nil || len(b) == 0 {
		return nil, errors.New("message that is not base64")
	}
	return b, nil
}

// belongs reports whether an answer belongs to this attempt: one that Begin made,
// or else none at all.
func (m *Method) belongs(a *authn.Attempt, relay string) error {
	if a.ID == "" {
		return errors.New("attempt without an ID")
	}
	if a.Values[keptRequest] == "" {
		if m.cfg.InsecureIdPInitiated {
			return nil
		}
		return errors.New("answer that nobody asked for")
	}
	if relay == "" || subtle.ConstantTimeCompare([]byte(relay), []byte(a.ID)) != 1 {
		return errors.New("RelayState is not that of the attempt")
	}
	if age := m.now().Sub(a.Began); age > attemptLife {
		return fmt.Errorf("attempt is %s old", age.Round(time.Second))
	}
	return nil
}

// spend marks the assertion and the attempt as used, for all replicas.
func (m *Method) spend(ctx context.Context, a *authn.Attempt, got *answer, now time.Time) error {
	issuer := value(got.assertion.Issuer.Value)
	err := m.once.Spend(ctx, fmt.Sprintf("saml:assertion:%d:%s:%s", len(issuer), issuer, got.assertion.ID), got.usableUntil(now, m.cfg.ClockTolerance))
	if err == nil {
		err = m.once.Spend(ctx, "saml:attempt:"+m.name+":"+a.ID, now.Add(attemptLife+time.Minute))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, authn.ErrSpent):
		return authn.Invalid(usedAlready, fmt.Errorf("saml: answer: %w", err))
	}
	return authn.Unavailable(notStored, fmt.Errorf("saml: mark answer as used: %w", err))
}

// refusals are the second-level status codes of SAML Core 3.2.2.2 that a person
// can do something about.
var refusals = map[string]string{
	"AuthnFailed":              "The sign-in service did not let you in, or you cancelled. Start again if you did not mean to.",
	"NoAuthnContext":           tooWeak,
	"NoPassive":                "The sign-in service wants to ask you something first. Start again.",
	"RequestDenied":            "The sign-in service does not let you use this application. Ask your IT department.",
	"UnknownPrincipal":         "The sign-in service does not know you. Ask your IT department which account to use.",
	"UnsupportedBinding":       notReady,
	"InvalidNameIDPolicy":      notReady,
	"InvalidAttrNameOrValue":   notReady,
	"RequestUnsupported":       notReady,
	"RequestVersionTooHigh":    notReady,
	"ProxyCountExceeded":       notReady,
	"NoAvailableIDP":           unreachable,
	"NoSupportedIDP":           notReady,
	"PartialLogout":            "You are signed out here, but perhaps not everywhere. Close all windows of your browser.",
	"RequestVersionDeprecated": notReady,
}

func (e *statusError) refusal() error {
	err := fmt.Errorf("saml: %w", e)
	second := strings.TrimPrefix(e.second, "urn:oasis:names:tc:SAML:2.0:status:")
	if words, ok := refusals[second]; ok {
		return authn.Refused(words, err)
	}
	return authn.Refused("The sign-in service did not sign you in. Start again, and tell your IT department if it happens again.", err)
}
