package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"foregate/authn"
)

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func rsaPEM(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func curveKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyConfig(p *provider, pem, alg string) *Config {
	c := p.config()
	c.ClientSecret, c.ClientAuth = authn.Secret{}, authPrivateKey
	c.PrivateKey, c.PrivateKeyAlg = authn.NewSecret(pem), alg
	return c
}

func TestPrivateKeyProvesTheClient(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curveKey(t, elliptic.P384()))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		pem, alg string
		want     jose.SignatureAlgorithm
	}{
		"RSA PKCS #1": {rsaPEM(t, rsaKey()), "", jose.RS256},
		"RSA RS512":   {pkcs8(t, rsaKey()), "RS512", jose.RS512},
		"EC P-256":    {pkcs8(t, curveKey(t, elliptic.P256())), "", jose.ES256},
		"EC SEC 1":    {string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "", jose.ES384},
		"EC P-521":    {pkcs8(t, curveKey(t, elliptic.P521())), "", jose.ES512},
		"Ed25519":     {pkcs8(t, edwards), "", jose.EdDSA},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			m := openMethod(t, keyConfig(p, c.pem, c.alg))
			p.mustIn(t, m)
			checkAssertion(t, p, m, c.want)
		})
	}
}

// checkAssertion reads the assertion as the provider does, with the published key.
func checkAssertion(t *testing.T, p *provider, m *Method, alg jose.SignatureAlgorithm) {
	t.Helper()
	form := p.form("/token")
	if form.Get("client_assertion_type") != assertionType || form.Has("client_secret") {
		t.Errorf("sent type %q", form.Get("client_assertion_type"))
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(m.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || !set.Keys[0].IsPublic() || strings.Contains(string(m.JWKS()), `"d"`) {
		t.Fatalf("published %d keys, or a private one", len(set.Keys))
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := set.Keys[0].Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if kid := token.Headers[0].KeyID; kid != set.Keys[0].KeyID || len(kid) != 43 || len(sum) != 32 {
		t.Errorf("key ID is %q, published %q", kid, set.Keys[0].KeyID)
	}
	var c jwt.Claims
	if err := token.Claims(set.Keys[0].Key, &c); err != nil {
		t.Fatal(err)
	}
	life := c.Expiry.Time().Sub(time.Now())
	if c.Issuer != "foregate" || c.Subject != "foregate" || len(c.Audience) != 1 || c.Audience[0] != p.URL+"/token" ||
		c.ID == "" || life <= 0 || life > time.Minute {
		t.Errorf("claims are %+v", c)
	}
}

func TestClientAssertionsAreNotRepeated(t *testing.T) {
	p := newProvider(t)
	c := keyConfig(p, pkcs8(t, ecKey(t)), "")
	c.ClientAssertionAudience = audienceIssuer
	m := openMethod(t, c)
	seen := map[string]bool{}
	for range 3 {
		p.mustIn(t, m)
		token, err := jwt.ParseSigned(p.form("/token").Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var claims jwt.Claims
		if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
			t.Fatal(err)
		}
		if seen[claims.ID] || claims.Audience[0] != p.issuer() {
			t.Errorf("jti %q, audience %q", claims.ID, claims.Audience)
		}
		seen[claims.ID] = true
	}
}

func TestUnfitPrivateKeysAreRefused(t *testing.T) {
	short, err := x509.ParsePKCS1PrivateKey(shortRSA(t))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ pem, alg string }{
		"empty":           {"", ""},
		"not PEM":         {"key", ""},
		"public key":      {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), ""},
		"RSA 1024":        {rsaPEM(t, short), ""},
		"EC P-224":        {pkcs8(t, curveKey(t, elliptic.P224())), ""},
		"RSA with ES256":  {rsaPEM(t, rsaKey()), "ES256"},
		"RSA with HS256":  {rsaPEM(t, rsaKey()), "HS256"},
		"P-256 and ES512": {pkcs8(t, curveKey(t, elliptic.P256())), "ES512"},
	} {
		if _, err := newSigner(&Config{PrivateKey: authn.NewSecret(c.pem), PrivateKeyAlg: c.alg}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// shortRSA makes a key that the standard library makes only when told to.
func shortRSA(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(k)
}
