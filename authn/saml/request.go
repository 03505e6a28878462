package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"foregate/authn"
)

const (
	uriRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	uriPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// nameIDFormats are the short names of name_id_format.
var nameIDFormats = map[string]string{
	"persistent":  "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
	"transient":   formatTransient,
	"email":       "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	"unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
}

const formatTransient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

func (c *Config) nameIDFormat() string {
	if f, ok := nameIDFormats[c.NameIDFormat]; ok {
		return f
	}
	return c.NameIDFormat
}

// message begins a protocol message of ours.
func message(tag, id, issuer, destination string, now time.Time) *etree.Element {
	el := etree.NewElement("samlp:" + tag)
	el.CreateAttr("xmlns:samlp", nsProtocol)
	el.CreateAttr("xmlns:saml", nsAssertion)
	el.CreateAttr("ID", id)
	el.CreateAttr("Version", "2.0")
	el.CreateAttr("IssueInstant", now.UTC().Format(time.RFC3339))
	el.CreateAttr("Destination", destination)
	el.CreateElement("saml:Issuer").SetText(issuer)
	return el
}

// authnRequest asks the provider to sign somebody in (SAML Core 3.4.1).
func (m *Method) authnRequest(id, base, destination string, fresh bool) *etree.Element {
	el := message("AuthnRequest", id, m.entityID(base), destination, m.now())
	el.CreateAttr("AssertionConsumerServiceURL", base+acsPath)
	el.CreateAttr("ProtocolBinding", uriPost)
	if fresh {
		el.CreateAttr("ForceAuthn", "true")
	}
	policy := el.CreateElement("samlp:NameIDPolicy")
	if f := m.cfg.nameIDFormat(); f != "" {
		policy.CreateAttr("Format", f)
	}
	policy.CreateAttr("AllowCreate", "true")
	if len(m.cfg.AuthnContext) > 0 {
		context := el.CreateElement("samlp:RequestedAuthnContext")
		context.CreateAttr("Comparison", "exact")
		for _, c := range m.cfg.AuthnContext {
			context.CreateElement("saml:AuthnContextClassRef").SetText(c)
		}
	}
	return el
}

// send makes of a message what takes it to the provider; parameter is SAMLRequest
// or SAMLResponse.
func (m *Method) send(binding, address, parameter, relay string, el *etree.Element) (authn.Reply, error) {
	if binding == bindingPost {
		return m.sendPost(address, parameter, relay, el)
	}
	return m.sendRedirect(address, parameter, relay, el)
}

func (m *Method) sendPost(address, parameter, relay string, el *etree.Element) (authn.Reply, error) {
	if len(m.keys) > 0 {
		if err := m.keys[0].sign(el); err != nil {
			return nil, fmt.Errorf("sign message: %w", err)
		}
	}
	b, err := written(el)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{parameter: base64.StdEncoding.EncodeToString(b)}
	if relay != "" {
		fields["RelayState"] = relay
	}
	return authn.PostForm{URL: address, Fields: fields}, nil
}

// sendRedirect deflates and signs as SAML Bindings 3.4.4.1 says: over the octets
// of the query as they are sent.
func (m *Method) sendRedirect(address, parameter, relay string, el *etree.Element) (authn.Reply, error) {
	b, err := written(el)
	if err != nil {
		return nil, err
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(b)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("deflate message: %w", err)
	}
	query := parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(small.Bytes()))
	if relay != "" {
		query += "&RelayState=" + url.QueryEscape(relay)
	}
	if len(m.keys) > 0 {
		query += "&SigAlg=" + url.QueryEscape(dsig.RSASHA256SignatureMethod)
		sig, err := m.keys[0].signQuery(query)
		if err != nil {
			return nil, fmt.Errorf("sign message: %w", err)
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig))
	}
	join := "?"
	if strings.Contains(address, "?") {
		join = "&"
	}
	return authn.Redirect{URL: address + join + query}, nil
}

func written(el *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(el)
	b, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return b, nil
}
