// Package samltest is an identity provider by SAML 2.0 that answers nobody's question, as a
// portal does, for tests and benchmarks.
package samltest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// IdP makes answers. They are taken where insecure_idp_initiated is on.
type IdP struct {
	key  *rsa.PrivateKey
	cert []byte // DER
}

// Entity is its name.
const Entity = "https://idp.bench.example/saml"

// New makes one with a key of its own.
func New() (*IdP, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return &IdP{key, cert}, err
}

// Certificate is that of its key, as PEM.
func (p *IdP) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert})
}

// GetKeyPair implements dsig.X509KeyStore.
func (p *IdP) GetKeyPair() (*rsa.PrivateKey, []byte, error) { return p.key, p.cert, nil }

// Forms are posts that sign in a thousand people in turn, each good once. base is the address of
// Foregate's own pages: http://app.example/sso.
func (p *IdP) Forms(base string, n int) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		answer, err := p.Answer(base, fmt.Sprintf("user%03d", i%1000))
		if err != nil {
			return nil, err
		}
		all[i] = url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(answer)}}.Encode()
	}
	return all, nil
}

// Answer is a Response whose assertion is signed by RSA-SHA256, with eight attributes.
func (p *IdP) Answer(base, user string) ([]byte, error) {
	now := time.Now().UTC()
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	doc := etree.NewDocument()
	text := fmt.Sprintf(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_%[1]s" Version="2.0" IssueInstant="%[3]s" Destination="%[5]s/acs">
<saml:Issuer>%[7]s</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_%[2]s" Version="2.0" IssueInstant="%[3]s"><saml:Issuer>%[7]s</saml:Issuer>
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">%[6]s</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="%[5]s/acs" NotOnOrAfter="%[4]s"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="%[3]s" NotOnOrAfter="%[4]s"><saml:AudienceRestriction><saml:Audience>%[5]s/metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="%[3]s" SessionIndex="_s%[1]s"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement>`, rand.Text(), rand.Text(), at(-time.Second), at(5*time.Minute), base, user, Entity)
	for name, value := range map[string]string{"uid": user, "mail": user + "@hospital.example", "givenName": "Alice", "sn": "Archer", "displayName": "Alice Archer", "groups": "Careplan-Users", "ward": "7", "employeeNumber": "4711"} {
		text += fmt.Sprintf(`<saml:Attribute Name="%s"><saml:AttributeValue>%s</saml:AttributeValue></saml:Attribute>`, name, value)
	}
	if err := doc.ReadFromString(text + "</saml:AttributeStatement></saml:Assertion></samlp:Response>"); err != nil {
		return nil, err
	}
	assertion := doc.Root().SelectElement("Assertion")
	sign := dsig.NewDefaultSigningContext(p)
	sign.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := sign.ConstructSignature(assertion, true)
	if err != nil {
		return nil, err
	}
	assertion.InsertChildAt(assertion.SelectElement("Subject").Index(), signature)
	return doc.WriteToBytes()
}

// Sign signs the outermost element of a document, which must have an ID: metadata, as a
// federation does.
func (p *IdP) Sign(text string) ([]byte, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		return nil, err
	}
	sign := dsig.NewDefaultSigningContext(p)
	sign.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := sign.ConstructSignature(doc.Root(), true)
	if err != nil {
		return nil, err
	}
	doc.Root().InsertChildAt(0, signature)
	return doc.WriteToBytes()
}
