package saml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/beevik/etree"
	"github.com/russellhaering/gosaml2/types"
)

const statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"

// answer is a Response as far as it was read, and the one assertion in it.
//
// Fields of the Response itself are only vouched for if responseSigned; they may
// refuse an answer, never admit one. The assertion comes from verified bytes.
type answer struct {
	response       types.Response // without assertions
	responseSigned bool

	assertion types.Assertion

	signed    []signature // what the answer is believed by
	encrypted bool        // the assertion was
}

// signature is one that was verified.
type signature struct {
	of string // the element
	by signer
}

// statusError is an answer by which the provider signs nobody in.
type statusError struct{ code, second string }

func (e *statusError) Error() string {
	return fmt.Sprintf("provider answered with status %q %q", short(e.code), short(e.second))
}

// read verifies a Response. It goes on with what a signature covers and with
// nothing else: the Response if that is signed, then the assertion, decrypted and
// verified by itself where it is signed.
func (m *Method) read(text []byte, signers []signer) (*answer, error) {
	root, err := parse(text, messageLimits)
	if err != nil {
		return nil, err
	}
	if err := checkResponse(root); err != nil {
		return nil, err
	}
	var a answer
	if len(children(root, nsSignature, "Signature")) > 0 {
		var by signer
		if root, by, err = verifiedWith(root, signers); err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
		a.signed = append(a.signed, signature{"Response", by})
		if err := checkResponse(root); err != nil {
			return nil, err
		}
		a.responseSigned = true
	}
	if err := unmarshal(root, &a.response); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	a.response.Assertions, a.response.EncryptedAssertions = nil, nil
	if err := status(root); err != nil {
		return nil, err
	}
	var assertion *etree.Element
	assertion, a.encrypted, err = m.theAssertion(root, a.responseSigned)
	if err != nil {
		return nil, err
	}
	assertion, err = m.verifiedAssertion(assertion, &a, signers)
	if err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if err := m.openNameID(assertion); err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if err := checkAssertion(assertion); err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if err := unmarshal(assertion, &a.assertion); err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if a.encrypted {
		m.log.Debug("assertion was encrypted")
	}
	return &a, nil
}

// checkResponse says why a document is not a Response with one assertion, in the
// place where one belongs, and signatures in the two places where they belong.
// Whatever could be read in another place is refused, wherever it stands.
func checkResponse(root *etree.Element) error {
	if !is(root, nsProtocol, "Response") {
		return errors.New("not a SAML 2.0 Response")
	}
	for el := range elements(root) {
		parent := el.Parent()
		switch el.Tag {
		case "Response":
			if el != root {
				return errors.New("a Response within the Response")
			}
		case "Assertion", "EncryptedAssertion":
			if parent != root || el.NamespaceURI() != nsAssertion {
				return errors.New("an assertion where none belongs")
			}
		case "Signature":
			if el.NamespaceURI() != nsSignature || parent != root && !(is(parent, nsAssertion, "Assertion") && parent.Parent() == root) {
				return errors.New("a signature where none belongs")
			}
		}
	}
	if err := checkIssuerFormat(root); err != nil {
		return err
	}
	n := len(children(root, nsAssertion, "Assertion")) + len(children(root, nsAssertion, "EncryptedAssertion"))
	if n > 1 {
		return fmt.Errorf("%d assertions where one may be", n)
	}
	return atMostOne(root, map[string][]string{"Response": {"Issuer", "Signature", "Extensions", "Status"}, "Status": {"StatusCode", "StatusMessage", "StatusDetail"}, "StatusCode": {"StatusCode"}})
}

// atMostOne refuses a second child where a reader would take the last of several,
// or a mixture. Names count in any namespace.
func atMostOne(root *etree.Element, singles map[string][]string) error {
	for el := range elements(root) {
		for _, tag := range singles[el.Tag] {
			n := 0
			for _, c := range el.ChildElements() {
				if c.Tag == tag {
					n++
				}
			}
			if n > 1 {
				return fmt.Errorf("%d elements %s in %s", n, tag, el.Tag)
			}
		}
	}
	return nil
}

// status returns a *statusError for an answer other than success.
func status(root *etree.Element) error {
	st, err := child(root, nsProtocol, "Status")
	if err != nil || st == nil {
		return errors.New("answer without a status")
	}
	code, err := child(st, nsProtocol, "StatusCode")
	if err != nil || code == nil {
		return errors.New("answer without a status code")
	}
	second, err := child(code, nsProtocol, "StatusCode")
	if err != nil {
		return err
	}
	if second == nil && attr(code, "Value") == statusSuccess {
		return nil
	}
	e := &statusError{code: attr(code, "Value")}
	if second != nil {
		e.second = attr(second, "Value")
	}
	return e
}

// theAssertion returns the only assertion of a Response, decrypted.
func (m *Method) theAssertion(root *etree.Element, responseSigned bool) (el *etree.Element, encrypted bool, err error) {
	if plain := children(root, nsAssertion, "Assertion"); len(plain) == 1 {
		return plain[0], false, nil
	}
	sealed := children(root, nsAssertion, "EncryptedAssertion")
	if len(sealed) != 1 {
		return nil, false, errors.New("answer without an assertion")
	}
	el, err = decrypt(sealed[0], m.keys.private(), m.cfg.InsecureCBC && responseSigned)
	if err != nil {
		return nil, false, fmt.Errorf("assertion: %w", err)
	}
	if !is(el, nsAssertion, "Assertion") {
		return nil, false, errors.New("something else than an assertion was encrypted")
	}
	return el, true, nil
}

// verifiedAssertion verifies the assertion's own signature if it has one. An
// assertion in a signed Response needs none, except where the configuration asks.
func (m *Method) verifiedAssertion(el *etree.Element, a *answer, signers []signer) (*etree.Element, error) {
	for inner := range elements(el) {
		if inner.Tag == "Signature" && inner.Parent() != el || inner != el && (inner.Tag == "Assertion" || inner.Tag == "EncryptedAssertion") {
			return nil, errors.New("a signature or an assertion where none belongs")
		}
	}
	own := len(children(el, nsSignature, "Signature")) > 0
	switch {
	case !own && !a.responseSigned:
		return nil, errors.New("neither the answer nor its assertion is signed")
	case !own && (m.cfg.Signed == signedAssertion || m.cfg.Signed == signedBoth):
		return nil, fmt.Errorf("not signed, which signed: %s asks for", m.cfg.Signed)
	case !a.responseSigned && (m.cfg.Signed == signedResponse || m.cfg.Signed == signedBoth):
		return nil, fmt.Errorf("the answer around it is not signed, which signed: %s asks for", m.cfg.Signed)
	case !own:
		return el, nil
	}
	el, by, err := verifiedWith(el, signers)
	if err == nil {
		a.signed = append(a.signed, signature{"Assertion", by})
	}
	return el, err
}

// openNameID puts a decrypted NameID in the place of the encrypted one. Its
// ciphertext is within what was signed, so that CBC is no oracle here.
func (m *Method) openNameID(assertion *etree.Element) error {
	subject, err := child(assertion, nsAssertion, "Subject")
	if err != nil || subject == nil {
		return err
	}
	sealed, err := child(subject, nsAssertion, "EncryptedID")
	if err != nil || sealed == nil {
		return err
	}
	if len(children(subject, nsAssertion, "NameID")) > 0 {
		return errors.New("both a NameID and an encrypted one")
	}
	id, err := decrypt(sealed, m.keys.private(), m.cfg.InsecureCBC)
	if err != nil {
		return fmt.Errorf("encrypted NameID: %w", err)
	}
	if !is(id, nsAssertion, "NameID") {
		return errors.New("something else than a NameID was encrypted")
	}
	subject.InsertChildAt(sealed.Index(), id)
	subject.RemoveChild(sealed)
	return nil
}

// assertionParts are the elements of which a reader would take the last.
var assertionParts = map[string][]string{
	"Assertion":           {"Issuer", "Signature", "Subject", "Conditions", "Advice", "AuthnStatement"},
	"Subject":             {"NameID", "BaseID", "EncryptedID", "SubjectConfirmation"},
	"SubjectConfirmation": {"NameID", "SubjectConfirmationData"},
	"Conditions":          {"OneTimeUse", "ProxyRestriction"},
	"AuthnStatement":      {"AuthnContext", "SubjectLocality"},
	"AuthnContext":        {"AuthnContextClassRef"},
}

// plainTexts are elements of which a reader takes the text, whatever else is in
// them.
var plainTexts = map[string]bool{"NameID": true, "Issuer": true, "Audience": true, "AuthnContextClassRef": true}

// conditions that are understood. An assertion with any other must not be relied
// on (SAML Core 2.5.1).
var conditionTags = map[string]bool{"AudienceRestriction": true, "OneTimeUse": true, "ProxyRestriction": true}

func checkAssertion(el *etree.Element) error {
	if err := atMostOne(el, assertionParts); err != nil {
		return err
	}
	if err := checkIssuerFormat(el); err != nil {
		return err
	}
	for part := range elements(el) {
		if plainTexts[part.Tag] && part.NamespaceURI() == nsAssertion && len(part.ChildElements()) > 0 {
			return fmt.Errorf("%s with elements in it", part.Tag)
		}
		if part.Tag == "SubjectConfirmationData" && attr(part, "NotBefore") != "" {
			return errors.New("bearer confirmation with NotBefore") // SAML Profiles 4.1.4.2
		}
	}
	for _, conditions := range children(el, nsAssertion, "Conditions") {
		for _, c := range conditions.ChildElements() {
			if c.NamespaceURI() != nsAssertion || !conditionTags[c.Tag] {
				return fmt.Errorf("condition %q is not understood", short(c.Tag))
			}
		}
	}
	return nil
}

// checkIssuerFormat accepts an issuer that is an entity (SAML Profiles 4.1.4.2).
func checkIssuerFormat(el *etree.Element) error {
	for _, issuer := range children(el, nsAssertion, "Issuer") {
		if f := attr(issuer, "Format"); f != "" && f != formatEntity {
			return fmt.Errorf("issuer of format %q", short(f))
		}
		if len(issuer.ChildElements()) > 0 {
			return errors.New("issuer with elements in it")
		}
	}
	return nil
}

// unmarshal reads el, alone, into one of the library's types.
func unmarshal(el *etree.Element, v any) error {
	alone, err := detached(el)
	if err != nil {
		return err
	}
	doc := etree.NewDocument()
	doc.SetRoot(alone)
	b, err := doc.WriteToBytes()
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(b, v); err != nil {
		return cut(err)
	}
	return nil
}

// value is an issuer, an audience or the like without the blanks around it.
func value(s string) string { return strings.TrimSpace(s) }
