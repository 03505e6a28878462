package saml

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/beevik/etree"

	"foregate/authn"
)

const metadataType = "application/samlmetadata+xml"

// Publish describes our side on one host (SAML 2.0 Metadata), whether or not the
// provider is known. It has no end of validity: most providers read it once.
func (m *Method) Publish(base string) (authn.Document, error) {
	root := etree.NewElement("md:EntityDescriptor")
	root.CreateAttr("xmlns:md", nsMetadata)
	root.CreateAttr("xmlns:ds", nsSignature)
	root.CreateAttr("entityID", m.entityID(base))
	sp := root.CreateElement("md:SPSSODescriptor")
	sp.CreateAttr("AuthnRequestsSigned", fmt.Sprint(len(m.keys) > 0))
	sp.CreateAttr("WantAssertionsSigned", fmt.Sprint(m.cfg.Signed != signedResponse))
	sp.CreateAttr("protocolSupportEnumeration", nsProtocol)
	for _, k := range m.keys {
		keyDescriptor(sp, "signing", k.cert)
	}
	for _, k := range m.keys {
		m.encryptionMethods(keyDescriptor(sp, "encryption", k.cert))
	}
	if len(m.keys) > 0 { // logout messages must be signed
		for _, binding := range []string{uriRedirect, uriPost} {
			slo := sp.CreateElement("md:SingleLogoutService")
			slo.CreateAttr("Binding", binding)
			slo.CreateAttr("Location", base+sloPath)
		}
	}
	if f := m.cfg.nameIDFormat(); f != "" {
		sp.CreateElement("md:NameIDFormat").SetText(f)
	}
	acs := sp.CreateElement("md:AssertionConsumerService")
	acs.CreateAttr("Binding", uriPost)
	acs.CreateAttr("Location", base+acsPath)
	acs.CreateAttr("index", "0")
	acs.CreateAttr("isDefault", "true")
	if m.cfg.Contact != "" {
		contact := root.CreateElement("md:ContactPerson")
		contact.CreateAttr("contactType", "technical")
		contact.CreateElement("md:EmailAddress").SetText("mailto:" + m.cfg.Contact)
	}
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	doc.SetRoot(root)
	doc.Indent(2)
	b, err := doc.WriteToBytes()
	if err != nil {
		return authn.Document{}, fmt.Errorf("saml: write metadata: %w", err)
	}
	return authn.Document{Type: metadataType, Body: b}, nil
}

func keyDescriptor(sp *etree.Element, use string, cert *x509.Certificate) *etree.Element {
	k := sp.CreateElement("md:KeyDescriptor")
	k.CreateAttr("use", use)
	k.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(cert.Raw))
	return k
}

// encryptionMethods lists what decrypt accepts, best first.
func (m *Method) encryptionMethods(k *etree.Element) {
	methods := []string{
		"http://www.w3.org/2009/xmlenc11#aes256-gcm",
		"http://www.w3.org/2009/xmlenc11#aes192-gcm",
		"http://www.w3.org/2009/xmlenc11#aes128-gcm",
	}
	if m.cfg.InsecureCBC {
		methods = append(methods, "http://www.w3.org/2001/04/xmlenc#aes256-cbc", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")
	}
	for _, algorithm := range append(methods, oaep11, oaepMGF1P) {
		k.CreateElement("md:EncryptionMethod").CreateAttr("Algorithm", algorithm)
	}
}

// fingerprint is how administrators compare certificates.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
