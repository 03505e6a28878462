package saml

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"foregate/authn"
)

const (
	maxRelay   = 1024
	maxIndexes = 50
	reasonUser = "urn:oasis:names:tc:SAML:2.0:logout:user"

	notEnded     = "You could not be signed out by this link. Sign out in the application itself, or close all windows of your browser."
	perhapsThere = "You are signed out here, but perhaps not at the sign-in service. Close all windows of your browser."
)

// ErrNoSignOut says that the provider's own session cannot be ended from here.
// Foregate's session can end all the same.
var ErrNoSignOut = errors.New("provider offers no sign-out, or there are no keys to ask with")

// SignOut asks the provider to end its session, by a signed LogoutRequest (SAML
// Profiles 4.4). back ends with /sign-out, beside which the answer arrives. If
// errors.Is(err, ErrNoSignOut), sign out locally only.
func (m *Method) SignOut(ctx context.Context, id authn.Identity, back string) (authn.Reply, error) {
	base, ok := strings.CutSuffix(back, "/sign-out")
	if m.watch == nil && m.query == nil || len(m.keys) == 0 || !ok || id.Private[privateName] == "" {
		return nil, fmt.Errorf("saml: %w", ErrNoSignOut)
	}
	p := m.at(id.Issuer)
	if p == nil && m.query != nil { // not asked for since the start
		p, _ = m.provider(ctx, id.Issuer)
	}
	if p == nil || m.usable(p) != nil {
		return nil, fmt.Errorf("saml: %w", ErrNoSignOut)
	}
	binding, address := p.signOff(m.cfg.Binding, false)
	if address == "" {
		return nil, fmt.Errorf("saml: %w", ErrNoSignOut)
	}
	el := message("LogoutRequest", "_"+rand.Text(), m.entityID(base), address, m.now())
	el.CreateAttr("NotOnOrAfter", m.now().Add(5*time.Minute).UTC().Format(time.RFC3339))
	el.CreateAttr("Reason", reasonUser)
	name := el.CreateElement("saml:NameID")
	name.SetText(id.Private[privateName])
	for attribute, key := range map[string]string{"Format": privateFormat, "NameQualifier": privateQualifier, "SPNameQualifier": privateSP} {
		if v := id.Private[key]; v != "" {
			name.CreateAttr(attribute, v)
		}
	}
	if index := id.Private[privateIndex]; index != "" {
		el.CreateElement("samlp:SessionIndex").SetText(index)
	}
	return m.send(binding, address, "SAMLRequest", "", el)
}

// Sent reports whether r says that it comes from this provider.
func (m *Method) Sent(r *http.Request) bool {
	if m.watch == nil && m.query == nil {
		return false
	}
	c, err := receive(r)
	if err != nil {
		return false
	}
	root, err := parse(c.text, messageLimits)
	if err != nil {
		return false
	}
	if m.watch != nil { // at the start it may not have been read yet
		_, _ = m.known(r.Context())
	}
	issuer := issuerOf(root)
	return m.at(issuer) != nil || m.query != nil && slices.Contains(m.cfg.Metadata.Entities, issuer)
}

// issuerOf is what a message, or else the assertion in it, says of its origin.
func issuerOf(root *etree.Element) string {
	for _, el := range append([]*etree.Element{root}, children(root, nsAssertion, "Assertion")...) {
		if found := children(el, nsAssertion, "Issuer"); len(found) == 1 {
			return text(found[0])
		}
	}
	return ""
}

// issuer is what a message says of its origin; nothing is verified.
func (c *carried) issuer() string {
	root, err := parse(c.text, messageLimits)
	if err != nil {
		return ""
	}
	return issuerOf(root)
}

// Unasked lets answers in that nobody asked for, where that is configured. The
// RelayState may name a listed start page and nothing else.
func (m *Method) Unasked(r *http.Request) (string, bool) {
	if !m.cfg.InsecureIdPInitiated || !r.PostForm.Has("SAMLResponse") || !m.Sent(r) {
		return "", false
	}
	if page := r.PostForm.Get("RelayState"); slices.Contains(m.cfg.StartPages, page) {
		return page, true
	}
	return "/", true
}

// Goodbye takes a LogoutRequest, or the answer to ours. Only what the provider
// signed ends a session. An answer ends none: ours ended before it was asked for,
// so that the worst answer is a word too many to the person.
func (m *Method) Goodbye(ctx context.Context, r *http.Request, base string) (authn.Goodbye, error) {
	var none authn.Goodbye
	c, err := receive(r)
	if err != nil {
		return none, authn.Invalid(notEnded, fmt.Errorf("saml: logout: %w", err))
	}
	p, err := m.provider(ctx, c.issuer())
	if err != nil {
		return none, err
	}
	root, err := m.authentic(c, p, base)
	if c.parameter == "SAMLResponse" {
		if err == nil && !is(root, nsProtocol, "LogoutResponse") {
			err = errors.New("not a LogoutResponse")
		}
		if err == nil {
			err = status(root)
		}
		if err != nil {
			m.log.Warn("saml: provider did not end its session, or not all", "error", err)
			return authn.Goodbye{Note: perhapsThere}, nil
		}
		return none, nil
	}
	if err != nil {
		m.doubt()
		return none, authn.Invalid(notEnded, fmt.Errorf("saml: logout request: %w", err))
	}
	return m.logoutRequest(ctx, root, c.relay, p, base)
}

// authentic verifies a logout message and what it has in common with all others:
// from whom, to whom, when.
func (m *Method) authentic(c *carried, p *provider, base string) (*etree.Element, error) {
	root, err := parse(c.text, messageLimits)
	if err != nil {
		return nil, err
	}
	for el := range elements(root) {
		if el.Tag == "Signature" && (c.query != nil || el.Parent() != root) {
			return nil, errors.New("a signature where none belongs")
		}
	}
	if c.query != nil {
		err = c.query.verify(m.signers(p))
	} else {
		root, err = verified(root, m.signers(p))
	}
	if err != nil {
		return nil, err
	}
	if err := atMostOne(root, map[string][]string{root.Tag: {"Issuer", "NameID", "BaseID", "EncryptedID", "Status"}, "Status": {"StatusCode"}, "StatusCode": {"StatusCode"}}); err != nil {
		return nil, err
	}
	if err := checkIssuerFormat(root); err != nil {
		return nil, err
	}
	made, err := time.Parse(time.RFC3339, attr(root, "IssueInstant"))
	if err != nil {
		return nil, errors.New("message without a proper IssueInstant")
	}
	issuer := issuerOf(root)
	switch {
	case attr(root, "Version") != "2.0":
		return nil, fmt.Errorf("message of version %q", short(attr(root, "Version")))
	case attr(root, "ID") == "" || len(attr(root, "ID")) > maxID:
		return nil, errors.New("message without an ID, or with one that is too long")
	case issuer == "" || p.entityID != "" && issuer != p.entityID:
		return nil, fmt.Errorf("message of issuer %q", short(issuer))
	case attr(root, "Destination") != base+sloPath:
		return nil, fmt.Errorf("message for destination %q, not %q", short(attr(root, "Destination")), base+sloPath)
	}
	return root, recent("message", made, m.now(), m.cfg.ClockTolerance)
}

// logoutRequest says which sessions end, and answers the provider.
func (m *Method) logoutRequest(ctx context.Context, root *etree.Element, relay string, p *provider, base string) (authn.Goodbye, error) {
	var none authn.Goodbye
	invalid := func(err error) (authn.Goodbye, error) {
		return none, authn.Invalid(notEnded, fmt.Errorf("saml: logout request: %w", err))
	}
	if !is(root, nsProtocol, "LogoutRequest") {
		return invalid(errors.New("not a LogoutRequest"))
	}
	if end := attr(root, "NotOnOrAfter"); end != "" {
		if err := within("message", "", end, m.now(), m.cfg.ClockTolerance); err != nil {
			return invalid(err)
		}
	}
	ended, err := m.ended(root)
	if err != nil {
		return invalid(err)
	}
	issuer, id := issuerOf(root), attr(root, "ID")
	err = m.once.Spend(ctx, fmt.Sprintf("saml:logout:%d:%s:%s", len(issuer), issuer, id), m.now().Add(2*(m.cfg.ClockTolerance+maxAnswerAge)))
	switch {
	case errors.Is(err, authn.ErrSpent):
		return invalid(err)
	case err != nil:
		return none, authn.Unavailable(notEnded, fmt.Errorf("saml: mark logout request as used: %w", err))
	}
	goodbye := authn.Goodbye{Ended: ended}
	binding, address := p.signOff(m.cfg.Binding, true)
	if address == "" || len(m.keys) == 0 {
		return goodbye, nil
	}
	el := message("LogoutResponse", "_"+rand.Text(), m.entityID(base), address, m.now())
	el.CreateAttr("InResponseTo", id)
	el.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", statusSuccess)
	if len(relay) > maxRelay {
		relay = ""
	}
	goodbye.Reply, err = m.send(binding, address, "SAMLResponse", relay, el)
	if err != nil {
		m.log.Warn("saml: logout request is not answered", "error", err)
		goodbye.Reply = nil
	}
	return goodbye, nil
}

// ended reads whose sessions end: those with the named indexes, or all of the
// person.
func (m *Method) ended(root *etree.Element) ([]authn.Ended, error) {
	name, err := m.logoutName(root)
	if err != nil {
		return nil, err
	}
	issuer := issuerOf(root)
	indexes := children(root, nsProtocol, "SessionIndex")
	if len(indexes) > maxIndexes {
		return nil, fmt.Errorf("%d session indexes", len(indexes))
	}
	var all []authn.Ended
	for _, index := range indexes {
		all = append(all, authn.Ended{Issuer: issuer, SID: sessionID(name, text(index))})
	}
	if len(all) > 0 {
		return all, nil
	}
	all = append(all, authn.Ended{Issuer: issuer, SID: sessionID(name, "")})
	if slices.Contains(m.cfg.Attributes.Subject, nameID) {
		all = append(all, authn.Ended{Issuer: issuer, Subject: name})
	}
	return all, nil
}

func (m *Method) logoutName(root *etree.Element) (string, error) {
	if sealed := children(root, nsAssertion, "EncryptedID"); len(sealed) == 1 && len(children(root, nsAssertion, "NameID")) == 0 {
		id, err := decrypt(sealed[0], m.keys.private(), m.cfg.InsecureCBC)
		if err != nil {
			return "", err
		}
		if !is(id, nsAssertion, "NameID") || text(id) == "" {
			return "", errors.New("something else than a NameID was encrypted")
		}
		return text(id), nil
	}
	id, err := child(root, nsAssertion, "NameID")
	if err != nil || id == nil || text(id) == "" {
		return "", errors.New("message that names nobody")
	}
	return text(id), nil
}
