package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// ownKey is one of our keys and its certificate.
type ownKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// ownKeys are our keys; the first signs.
type ownKeys []ownKey

func (k ownKeys) private() []*rsa.PrivateKey {
	all := make([]*rsa.PrivateKey, len(k))
	for i := range k {
		all[i] = k[i].key
	}
	return all
}

func loadKeys(pairs []KeyPair) (ownKeys, error) {
	var all ownKeys
	for i, p := range pairs {
		k, err := loadKey(p)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		all = append(all, k)
	}
	return all, nil
}

// loadKey takes RSA alone: AD FS and Entra ID know nothing else for SAML.
func loadKey(p KeyPair) (ownKey, error) {
	block, _ := pem.Decode([]byte(p.Key.Reveal()))
	if block == nil {
		return ownKey{}, errors.New("key is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return ownKey{}, errors.New("key is no RSA private key without a passphrase")
		}
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < 2048 {
		return ownKey{}, errors.New("key is not RSA of 2048 bits or more")
	}
	certs, err := loadCertificates(string(p.Certificate))
	if err != nil {
		return ownKey{}, err
	}
	if len(certs) != 1 || !key.PublicKey.Equal(certs[0].PublicKey) {
		return ownKey{}, fmt.Errorf("%s is not the one certificate of the key", p.Certificate)
	}
	return ownKey{key, certs[0]}, nil
}

const maxCertificateFile = 1 << 20

// loadCertificates reads what administrators are sent: PEM with one or several
// certificates, DER, or the bare base64 of metadata.
func loadCertificates(file string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(b) > maxCertificateFile {
		return nil, fmt.Errorf("%s is too large", file)
	}
	certs, err := readCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return certs, nil
}

func readCertificates(b []byte) ([]*x509.Certificate, error) {
	if !strings.Contains(string(b), "-----BEGIN") {
		if der, err := decodeBase64(string(b)); err == nil {
			b = der
		}
		cert, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, errors.New("holds no certificate")
		}
		return []*x509.Certificate{cert}, nil
	}
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return all, nil
}

// signQuery signs the octets of a query (SAML Bindings 3.4.4.1) with rsa-sha256.
func (k ownKey) signQuery(octets string) ([]byte, error) {
	sum := sha256.Sum256([]byte(octets))
	return rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, sum[:])
}

// sign puts a signature into el, behind its issuer where the schema wants it.
func (k ownKey) sign(el *etree.Element) error {
	ctx, err := dsig.NewSigningContext(k.key, [][]byte{k.cert.Raw})
	if err != nil {
		return err
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	sig, err := ctx.ConstructSignature(el, true)
	if err != nil {
		return err
	}
	issuer, err := child(el, nsAssertion, "Issuer")
	if err != nil || issuer == nil {
		return errors.New("sign a message without an issuer")
	}
	el.InsertChildAt(issuer.Index()+1, sig)
	return nil
}
