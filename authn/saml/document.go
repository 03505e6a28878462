package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/beevik/etree"
	xrv "github.com/mattermost/xml-roundtrip-validator"

	"foregate/authn"
)

// Namespaces.
const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsCipher    = "http://www.w3.org/2001/04/xmlenc#"
	nsScope     = "urn:mace:shibboleth:metadata:1.0"
)

// What a document may be. An honest one with a thousand groups keeps far below.
const (
	maxMessage    = 256 << 10 // bytes of XML
	maxTokens     = 50000
	maxDepth      = 64
	maxAttributes = 64 // of one element
)

// limits of a document: a message, or metadata, which people annotate.
type limits struct {
	bytes, tokens int
	comments      bool
}

var (
	messageLimits  = limits{bytes: maxMessage, tokens: maxTokens}
	metadataLimits = limits{bytes: 8 << 20, tokens: 1 << 20, comments: true}
)

// parse reads a document that every parser reads alike, or none: what has been
// used to make a verifier and a reader see different things is refused before
// anything in it is believed.
func parse(text []byte, l limits) (*etree.Element, error) {
	if len(text) > l.bytes {
		return nil, fmt.Errorf("document of %d bytes", len(text))
	}
	if err := scan(text, l); err != nil {
		return nil, err
	}
	if err := xrv.Validate(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("document that changes when it is written again: %w", cut(err))
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("read document: %w", cut(err))
	}
	root := doc.Root()
	if root == nil || len(doc.ChildElements()) != 1 {
		return nil, errors.New("document without one root")
	}
	if err := declared(root); err != nil {
		return nil, err
	}
	return root, uniqueIDs(root)
}

// cut keeps a stranger's text in an error short and plain.
func cut(err error) error { return errors.New(authn.CutControl(err.Error(), 300)) }

// scan reads the tokens alone. It bounds the work of all later steps, none of
// which is reached by a document type definition: entities are never declared.
func scan(text []byte, l limits) error {
	d := xml.NewDecoder(bytes.NewReader(text)) // knows no character set but UTF-8
	depth, tokens := 0, 0
	for {
		at := d.InputOffset()
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("scan document: %w", cut(err))
		}
		if tokens++; tokens > l.tokens {
			return fmt.Errorf("document of more than %d tokens", l.tokens)
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("document type definition")
		case xml.ProcInst:
			if t.Target != "xml" || at != 0 {
				return errors.New("processing instruction")
			}
		case xml.Comment:
			if !l.comments {
				return errors.New("comment in a message")
			}
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("more than %d elements within each other", maxDepth)
			}
			if err := checkElement(t); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// meaningful are the attributes that something here reads. encoding/xml takes
// x:ID for ID, so that a prefix could put a second one beside the signed one.
var meaningful = []string{
	"id", "version", "issueinstant", "destination", "inresponseto", "recipient", "notbefore", "notonorafter",
	"sessionindex", "sessionnotonorafter", "authninstant", "method", "format", "name", "nameformat", "namequalifier",
	"spnamequalifier", "value", "algorithm", "uri", "prefixlist", "entityid", "validuntil", "location", "responselocation", "binding", "use",
	"wantauthnrequestssigned", "protocolsupportenumeration", "regexp",
}

func checkElement(t xml.StartElement) error {
	if strings.Contains(t.Name.Local, ":") {
		return errors.New("element name with a stray colon")
	}
	if len(t.Attr) > maxAttributes {
		return fmt.Errorf("element of more than %d attributes", maxAttributes)
	}
	for i, a := range t.Attr {
		for _, b := range t.Attr[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("attribute %q twice", authn.CutControl(a.Name.Local, 40))
			}
		}
		if a.Name.Space != "" && a.Name.Space != "xmlns" && slices.Contains(meaningful, strings.ToLower(a.Name.Local)) {
			return fmt.Errorf("attribute %q with a prefix", authn.CutControl(a.Name.Local, 40))
		}
		if a.Name.Local == "" || strings.Contains(a.Name.Local, ":") {
			return errors.New("attribute name with a stray colon")
		}
		if a.Name.Space == "xmlns" && a.Value == "" {
			return errors.New("prefix without a namespace")
		}
	}
	return nil
}

// declared refuses prefixes without a namespace.
func declared(root *etree.Element) error {
	for el := range elements(root) {
		if el.Space != "" && el.NamespaceURI() == "" {
			return fmt.Errorf("prefix %q is not declared", authn.CutControl(el.Space, 40))
		}
		for _, a := range el.Attr {
			if a.Space != "" && a.Space != "xmlns" && a.Space != "xml" && a.NamespaceURI() == "" {
				return fmt.Errorf("prefix %q is not declared", authn.CutControl(a.Space, 40))
			}
		}
	}
	return nil
}

// uniqueIDs refuses a document in which a reference could mean two elements. ID,
// Id and id are alike, so that it holds for whichever a verifier reads.
func uniqueIDs(root *etree.Element) error {
	seen := make(map[string]bool)
	for el := range elements(root) {
		n := 0
		for _, a := range el.Attr {
			if a.Space != "" || !strings.EqualFold(a.Key, "ID") {
				continue
			}
			if n++; n > 1 || seen[a.Value] {
				return errors.New("the same ID twice")
			}
			seen[a.Value] = true
		}
	}
	return nil
}

// elements yields root and all elements below it.
func elements(root *etree.Element) func(yield func(*etree.Element) bool) {
	return func(yield func(*etree.Element) bool) { each(root, yield) }
}

func each(el *etree.Element, yield func(*etree.Element) bool) bool {
	if !yield(el) {
		return false
	}
	for _, child := range el.ChildElements() {
		if !each(child, yield) {
			return false
		}
	}
	return true
}

// is reports whether el is called tag in the namespace.
func is(el *etree.Element, namespace, tag string) bool {
	return el != nil && el.Tag == tag && el.NamespaceURI() == namespace
}

// children returns those children of el that are called tag in the namespace.
func children(el *etree.Element, namespace, tag string) []*etree.Element {
	var found []*etree.Element
	for _, c := range el.ChildElements() {
		if is(c, namespace, tag) {
			found = append(found, c)
		}
	}
	return found
}

// child returns the only such child, nil if there is none.
func child(el *etree.Element, namespace, tag string) (*etree.Element, error) {
	found := children(el, namespace, tag)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%d elements %s where one may be", len(found), tag)
}

// attr returns an attribute without prefix.
func attr(el *etree.Element, name string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}

// text returns all text of el itself; what stands around a comment is whole.
func text(el *etree.Element) string {
	var b strings.Builder
	for _, c := range el.Child {
		if t, ok := c.(*etree.CharData); ok {
			b.WriteString(t.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
