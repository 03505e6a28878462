// Package certtest makes authorities, people's certificates and lists of revoked ones, for
// tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"
)

// Authority signs.
type Authority struct {
	t    *testing.T
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Change alters what is about to be signed.
type Change func(*x509.Certificate)

// New makes an authority that signs itself.
func New(t *testing.T, name string, changes ...Change) *Authority {
	t.Helper()
	return makeOne(t, nil, name, changes)
}

// Below makes an authority that a signs.
func (a *Authority) Below(name string, changes ...Change) *Authority {
	a.t.Helper()
	return makeOne(a.t, a, name, changes)
}

func makeOne(t *testing.T, above *Authority, name string, changes []Change) *Authority {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: Serial(t), Subject: pkix.Name{Organization: []string{"St Elsewhere"}, CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	for _, change := range changes {
		change(c)
	}
	key := newKey(t)
	parent, signer := c, key
	if above != nil {
		parent, signer = above.Cert, above.Key
	}
	return &Authority{t, sign(t, c, parent, key, signer), key}
}

// Person makes the certificate of a person.
func (a *Authority) Person(name, email string, changes ...Change) tls.Certificate {
	a.t.Helper()
	c := &x509.Certificate{
		SerialNumber: Serial(a.t), Subject: pkix.Name{Organization: []string{"St Elsewhere"}, CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if email != "" {
		c.EmailAddresses = []string{email}
	}
	for _, change := range changes {
		change(c)
	}
	key := newKey(a.t)
	leaf := sign(a.t, c, a.Cert, key, a.Key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// With is a certificate that is sent with those of authorities between.
func With(c tls.Certificate, between ...*Authority) tls.Certificate {
	c.Certificate = append([][]byte{}, c.Certificate...)
	for _, a := range between {
		c.Certificate = append(c.Certificate, a.Cert.Raw)
	}
	return c
}

// Chain is what a browser shows.
func Chain(t *testing.T, c tls.Certificate) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for _, der := range c.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// List is the authority's list of revoked certificates, DER.
func (a *Authority) List(from, until time.Time, revoked ...*x509.Certificate) []byte {
	a.t.Helper()
	var entries []x509.RevocationListEntry
	for _, c := range revoked {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: from, NextUpdate: until, RevokedCertificateEntries: entries,
	}, a.Cert, a.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// Partial is a list that says that it is not about all certificates, or is about changes
// alone, by an extension; it revokes none.
func (a *Authority) Partial(from, until time.Time, extension asn1.ObjectIdentifier, critical bool) []byte {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: from, NextUpdate: until,
		ExtraExtensions: []pkix.Extension{{Id: extension, Critical: critical, Value: []byte{0x30, 0x03, 0x81, 0x01, 0xff}}},
	}, a.Cert, a.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// PEM is the authorities' certificates as a file has them.
func PEM(all ...*Authority) []byte {
	var text []byte
	for _, a := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw})...)
	}
	return text
}

// Write puts text in place of a file at once, as who renews one should.
func Write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// Files writes a certificate and its key as curl and others take them.
func Files(t *testing.T, c tls.Certificate, cert, key string) {
	t.Helper()
	var text []byte
	for _, der := range c.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	Write(t, cert, text)
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	Write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// UPN is a Change that puts Microsoft's user principal names into a certificate, beside no
// other name.
func UPN(critical bool, names ...string) Change {
	return func(c *x509.Certificate) {
		var values [][]byte
		for _, name := range names {
			values = append(values, marshal(name, "utf8"))
		}
		c.EmailAddresses = nil
		c.ExtraExtensions = append(c.ExtraExtensions, otherNames(asn1.ObjectIdentifier{2, 5, 29, 17}, critical, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, values))
	}
}

// SID is a Change that writes an account's security identifiers as Active Directory's
// authority does.
func SID(sids ...string) Change {
	return func(c *x509.Certificate) {
		var values [][]byte
		for _, sid := range sids {
			values = append(values, marshal([]byte(sid), ""))
		}
		c.ExtraExtensions = append(c.ExtraExtensions, otherNames(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}, false, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1}, values))
	}
}

// otherNames is an extension of names of one kind.
func otherNames(extension asn1.ObjectIdentifier, critical bool, kind asn1.ObjectIdentifier, values [][]byte) pkix.Extension {
	var others []asn1.RawValue
	for _, value := range values {
		explicit := marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: value}, "")
		others = append(others, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(marshal(kind, ""), explicit...)})
	}
	return pkix.Extension{Id: extension, Critical: critical, Value: marshal(others, "")}
}

func marshal(v any, params string) []byte {
	der, err := asn1.MarshalWithParams(v, params)
	if err != nil {
		panic(err)
	}
	return der
}

// Serial draws a serial number.
func Serial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
