package upstream

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"foregate/authn"
)

const (
	assertionLife   = 5 * time.Minute
	assertionIssuer = "foregate"
	assertionType   = "fg-assertion+jwt" // told apart from other tokens (RFC 8725, section 3.11)
	minSecret       = 16                 // bytes
)

// assertion is the claims set of X-Foregate-Assertion. Only aud, sub with idp,
// and the times are always there.
type assertion struct {
	jwt.Claims        // iss "foregate", aud the application, sub the subject within idp
	IdP        string `json:"idp"` // the identity's issuer

	Method            string           `json:"method"`
	User              string           `json:"user,omitempty"`
	PreferredUsername string           `json:"preferred_username,omitempty"`
	Name              string           `json:"name,omitempty"`
	Email             string           `json:"email,omitempty"`
	EmailVerified     bool             `json:"email_verified,omitempty"`
	Groups            []string         `json:"groups,omitempty"`
	Roles             []string         `json:"roles,omitempty"`
	ACR               string           `json:"acr,omitempty"`
	AMR               []string         `json:"amr,omitempty"`
	AuthTime          *jwt.NumericDate `json:"auth_time,omitempty"`
}

func newAssertion(id *authn.Identity, audience string, now time.Time) assertion {
	a := assertion{
		Claims: jwt.Claims{
			Issuer:   assertionIssuer,
			Audience: jwt.Audience{audience},
			Subject:  id.Subject,
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(assertionLife)),
			ID:       rand.Text(),
		},
		IdP: id.Issuer, Method: id.Method, User: id.User, PreferredUsername: id.PreferredUsername, Name: id.Name,
		Email: id.Email, EmailVerified: id.Email != "" && id.Checked,
		Groups: id.Groups, Roles: id.Roles, ACR: id.ACR, AMR: id.AMR,
	}
	if !id.Authenticated.IsZero() {
		a.AuthTime = jwt.NewNumericDate(id.Authenticated)
	}
	return a
}

// Signer signs assertions with ES256 (RFC 7518, section 3.4) and publishes the
// keys to check them with. It is safe for concurrent use.
type Signer struct {
	signer jose.Signer
	jwks   []byte
}

// NewSigner takes P-256 keys. The first signs; all are published, so that what an
// earlier key signed can be checked while it lasts. A key's ID is its thumbprint
// (RFC 7638).
func NewSigner(keys []*ecdsa.PrivateKey) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("upstream: no key to sign with")
	}
	var set jose.JSONWebKeySet
	for i, key := range keys {
		public, err := publicKey(key)
		if err != nil {
			return nil, fmt.Errorf("upstream: signing key %d: %w", i+1, err)
		}
		set.Keys = append(set.Keys, public)
	}
	published, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("upstream: encode the public keys: %w", err)
	}
	signing := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: keys[0], KeyID: set.Keys[0].KeyID}}
	signer, err := jose.NewSigner(signing, new(jose.SignerOptions).WithType(assertionType))
	if err != nil {
		return nil, fmt.Errorf("upstream: signing key 1: %w", err)
	}
	return &Signer{signer, published}, nil
}

func publicKey(key *ecdsa.PrivateKey) (jose.JSONWebKey, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return jose.JSONWebKey{}, errors.New("not a P-256 key")
	}
	public := jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return public, nil
}

// JWKS returns the public keys as a JWK set (RFC 7517). The bytes are shared: do
// not change them.
func (s *Signer) JWKS() []byte { return s.jwks }

// Sign returns claims, marshalled as JSON, as a compact JWS.
func (s *Signer) Sign(claims any) (string, error) {
	return jwt.Signed(s.signer).Claims(claims).Serialize()
}

// DeriveKey makes the signing key that belongs to a session secret, with HKDF
// (RFC 5869). Replicas with the same secret so publish the same key, and nobody
// keeps another one. The secret has at least 16 bytes.
func DeriveKey(secret []byte) (*ecdsa.PrivateKey, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("upstream: a secret of %d bytes is too short for a signing key", len(secret))
	}
	for counter := range 100 {
		info := fmt.Sprintf("foregate assertion ES256 %d", counter)
		raw, err := hkdf.Key(sha256.New, secret, nil, info, 32)
		if err != nil {
			return nil, fmt.Errorf("upstream: derive a signing key: %w", err)
		}
		// One in 2^32 candidates is not below the order of the curve.
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("upstream: no candidate is a signing key")
}
