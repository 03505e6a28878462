package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife = time.Minute
	minRSABits    = 2048
)

// signer proves with a private key that Foregate is the client (RFC 7523).
type signer struct {
	jose     jose.Signer
	public   jose.JSONWebKey
	clientID string
}

func newSigner(c *Config) (*signer, error) {
	key, err := parsePrivateKey([]byte(c.PrivateKey.Reveal()))
	if err != nil {
		return nil, err
	}
	allowed := keyAlgorithms(key)
	if len(allowed) == 0 {
		return nil, errors.New("is a key of a kind or size that cannot be used")
	}
	alg := jose.SignatureAlgorithm(c.PrivateKeyAlg)
	if alg == "" {
		alg = allowed[0]
	}
	if !slices.Contains(allowed, alg) {
		return nil, fmt.Errorf("private_key_algorithm %s does not suit the key", alg)
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(alg), Use: "sig"}
	sum, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("thumbprint: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	js, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("use private key: %w", err)
	}
	return &signer{jose: js, public: public, clientID: c.ClientID}, nil
}

// parsePrivateKey reads PKCS #8, PKCS #1 or SEC 1.
func parsePrivateKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not a PEM private key")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if s, ok := key.(crypto.Signer); ok {
			return s, nil
		}
		return nil, errors.New("is not a key that signs")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errors.New("is not an unencrypted private key in PKCS #8, PKCS #1 or SEC 1 form")
}

// keyAlgorithms lists what a key may sign with, the usual one first.
func keyAlgorithms(key crypto.Signer) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	case *ecdsa.PrivateKey:
		switch k.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PrivateKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}

// assertion makes a statement for one request: it is good for a minute, for one
// reader, once.
func (s *signer) assertion(audience string, now time.Time) (string, error) {
	text, err := jwt.Signed(s.jose).Claims(jwt.Claims{
		Issuer:   s.clientID,
		Subject:  s.clientID,
		Audience: jwt.Audience{audience},
		ID:       rand.Text(),
		IssuedAt: jwt.NewNumericDate(now),
		Expiry:   jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	return text, nil
}

// jwks is the public half as a JWK set (RFC 7517).
func (s *signer) jwks() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.public}})
}
