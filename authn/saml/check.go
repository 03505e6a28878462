package saml

import (
	"errors"
	"fmt"
	"time"

	"github.com/russellhaering/gosaml2/types"

	"foregate/authn"
)

const (
	bearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	formatEntity  = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
	maxAnswerAge  = 3 * time.Minute // beyond the clock tolerance, between its making and its arrival
	maxID         = 1024
	longestAnswer = 24 * time.Hour // how long a used assertion need be remembered at most
)

// expected is what an answer must be meant for.
type expected struct {
	audience string // our entity ID
	acs      string // the address that it was posted to
	request  string // the request that it answers; empty: none
	issuer   string // the provider's entity ID; empty: whatever is signed
	began    time.Time
	fresh    bool
	contexts []string
}

// check says why a verified answer is not meant for us, now, or for this attempt
// (SAML Profiles 4.1.4.3). Every condition must hold; what is missing does not.
func (a *answer) check(want expected, now time.Time, tolerance time.Duration) error {
	for _, part := range []func(expected, time.Time, time.Duration) error{
		a.checkEnvelope, a.checkOrigin, a.checkConditions, a.checkConfirmation, a.checkAuthentication,
	} {
		if err := part(want, now, tolerance); err != nil {
			return err
		}
	}
	return nil
}

// checkEnvelope checks the Response itself. It says nothing that the assertion
// need not say too, since it may be unsigned.
func (a *answer) checkEnvelope(want expected, now time.Time, tolerance time.Duration) error {
	r := &a.response
	switch {
	case r.Version != "2.0":
		return fmt.Errorf("response of version %q", short(r.Version))
	case r.Issuer == nil && a.responseSigned:
		return errors.New("signed response without an issuer")
	case r.Destination == "" && a.responseSigned:
		return errors.New("signed response without a Destination") // SAML Bindings 3.5.5.2
	case r.Destination != "" && r.Destination != want.acs:
		return fmt.Errorf("response for destination %q, not %q", short(r.Destination), want.acs)
	case r.InResponseTo != "" && r.InResponseTo != want.request:
		return errors.New("response to another request")
	case want.request != "" && r.InResponseTo == "":
		return errors.New("response that names no request")
	}
	return recent("response", r.IssueInstant, now, tolerance)
}

func recent(what string, made, now time.Time, tolerance time.Duration) error {
	switch {
	case made.IsZero():
		return fmt.Errorf("%s without IssueInstant", what)
	case made.After(now.Add(tolerance)):
		return authn.Early("%s was made in the future, at %s; set the clocks right", what, made.Format(time.RFC3339))
	case made.Before(now.Add(-tolerance - maxAnswerAge)):
		return authn.Late("%s was made at %s, too long ago", what, made.Format(time.RFC3339))
	}
	return nil
}

func (a *answer) checkOrigin(want expected, now time.Time, tolerance time.Duration) error {
	as := &a.assertion
	switch {
	case as.Version != "2.0":
		return fmt.Errorf("assertion of version %q", short(as.Version))
	case as.ID == "" || len(as.ID) > maxID:
		return errors.New("assertion without an ID, or with one that is too long")
	case as.Issuer == nil || value(as.Issuer.Value) == "":
		return errors.New("assertion without an issuer")
	case len(as.Issuer.Value) > maxID:
		return errors.New("assertion whose issuer is too long")
	case want.issuer != "" && value(as.Issuer.Value) != want.issuer:
		return fmt.Errorf("assertion of issuer %q, not %q", short(as.Issuer.Value), want.issuer)
	case a.response.Issuer != nil && value(a.response.Issuer.Value) != value(as.Issuer.Value):
		return errors.New("response and assertion have different issuers")
	}
	return recent("assertion", as.IssueInstant, now, tolerance)
}

func (a *answer) checkConditions(want expected, now time.Time, tolerance time.Duration) error {
	c := a.assertion.Conditions
	if c == nil {
		return errors.New("assertion without conditions")
	}
	if err := within("conditions", c.NotBefore, c.NotOnOrAfter, now, tolerance); err != nil {
		return err
	}
	if len(c.AudienceRestrictions) == 0 {
		return errors.New("assertion for no audience")
	}
	for _, r := range c.AudienceRestrictions { // all must hold (SAML Core 2.5.1.4)
		if !names(r, want.audience) {
			return fmt.Errorf("assertion for another audience %s, not %q", audiences(r), want.audience)
		}
	}
	return nil
}

func names(r types.AudienceRestriction, audience string) bool {
	for _, a := range r.Audiences {
		if audience != "" && value(a.Value) == audience {
			return true
		}
	}
	return false
}

func audiences(r types.AudienceRestriction) string {
	if len(r.Audiences) == 0 {
		return "(none)"
	}
	return fmt.Sprintf("%q", short(r.Audiences[0].Value))
}

// within accepts a time between two bounds; an absent or broken NotOnOrAfter is
// no bound and so is refused.
func within(what, notBefore, notOnOrAfter string, now time.Time, tolerance time.Duration) error {
	end, err := time.Parse(time.RFC3339, value(notOnOrAfter))
	if err != nil {
		return fmt.Errorf("%s without a proper NotOnOrAfter", what)
	}
	if !now.Add(-tolerance).Before(end) {
		return authn.Late("%s ended at %s", what, end.Format(time.RFC3339))
	}
	if notBefore == "" {
		return nil
	}
	begin, err := time.Parse(time.RFC3339, value(notBefore))
	if err != nil {
		return fmt.Errorf("%s without a proper NotBefore", what)
	}
	if now.Add(tolerance).Before(begin) {
		return authn.Early("%s begin at %s; set the clocks right", what, begin.Format(time.RFC3339))
	}
	return nil
}

// checkConfirmation binds the assertion to this address and this attempt, by the
// part that is always signed.
func (a *answer) checkConfirmation(want expected, now time.Time, tolerance time.Duration) error {
	s := a.assertion.Subject
	if s == nil || s.SubjectConfirmation == nil || s.SubjectConfirmation.SubjectConfirmationData == nil {
		return errors.New("assertion without a subject that is confirmed")
	}
	if m := s.SubjectConfirmation.Method; m != bearer {
		return fmt.Errorf("subject confirmed by method %q", short(m))
	}
	d := s.SubjectConfirmation.SubjectConfirmationData
	switch {
	case d.Recipient != want.acs:
		return fmt.Errorf("assertion for recipient %q, not %q", short(d.Recipient), want.acs)
	case want.request != "" && d.InResponseTo != want.request:
		return errors.New("assertion in response to another request")
	case want.request == "" && d.InResponseTo != "":
		return errors.New("assertion in response to a request that was not made here")
	}
	return within("subject confirmation", "", d.NotOnOrAfter, now, tolerance)
}

func (a *answer) checkAuthentication(want expected, now time.Time, tolerance time.Duration) error {
	s := a.assertion.AuthnStatement
	if s == nil || s.AuthnInstant == nil {
		return errors.New("assertion does not say that anybody authenticated")
	}
	if s.AuthnInstant.After(now.Add(tolerance)) {
		return authn.Early("assertion of an authentication in the future")
	}
	if end := s.SessionNotOnOrAfter; end != nil && !now.Add(-tolerance).Before(*end) {
		return authn.Late("the provider's session ended at %s", end.Format(time.RFC3339))
	}
	if want.fresh && s.AuthnInstant.Before(want.began.Add(-tolerance)) {
		return fmt.Errorf("authenticated at %s although ForceAuthn was asked for", s.AuthnInstant.Format(time.RFC3339))
	}
	if len(want.contexts) == 0 {
		return nil
	}
	for _, c := range want.contexts {
		if c == a.context() {
			return nil
		}
	}
	return fmt.Errorf("%w: authenticated by %q", errContext, short(a.context()))
}

var errContext = errors.New("not by a way that authn_context allows")

// context is how the person authenticated, a URI.
func (a *answer) context() string {
	s := a.assertion.AuthnStatement
	if s == nil || s.AuthnContext == nil || s.AuthnContext.AuthnContextClassRef == nil {
		return ""
	}
	return value(s.AuthnContext.AuthnContextClassRef.Value)
}

// usableUntil is when the assertion can no longer be used, so that its mark may
// be forgotten.
func (a *answer) usableUntil(now time.Time, tolerance time.Duration) time.Time {
	end, err := time.Parse(time.RFC3339, value(a.assertion.Subject.SubjectConfirmation.SubjectConfirmationData.NotOnOrAfter))
	latest := now.Add(longestAnswer)
	if err != nil || end.After(latest) {
		end = latest // recent refuses it long before
	}
	return end.Add(2 * tolerance)
}

// short makes a stranger's text fit for the log.
func short(s string) string { return authn.CutControl(s, 200) }
