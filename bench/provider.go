package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// The client that Foregate is at the stub provider.
const (
	clientID     = "bench"
	clientSecret = "bench-client-secret-of-no-value"
)

// provider is the least OpenID Connect provider that a full sign-in needs: it
// asks nobody anything and signs everybody in, each time somebody else. The
// code flow with PKCE (RFC 7636) is checked, so that a relying party that leaves
// a step out does not look cheap.
type provider struct {
	issuer string
	key    signingKey

	mu     sync.Mutex
	grants map[string]grant
	people int
}

type grant struct {
	nonce, challenge, redirect string
	person                     int
}

// providerRole serves with keys for alg, RS256 or ES256 (RFC 7518, section 3.1).
func providerRole(ctx context.Context, alg string, out io.Writer) error {
	key, err := newSigningKey(alg)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	p := &provider{issuer: "http://" + l.Addr().String(), key: key, grants: make(map[string]grant)}
	return serveUntil(ctx, out, listening{l, p.handler()})
}

func (p *provider) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{"keys": []any{p.key.public}})
	})
	return mux
}

func (p *provider) discovery(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, map[string]any{
		"issuer":                                p.issuer,
		"authorization_endpoint":                p.issuer + "/authorize",
		"token_endpoint":                        p.issuer + "/token",
		"jwks_uri":                              p.issuer + "/keys",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{p.key.alg},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"code_challenge_methods_supported":      []string{"S256"},
	})
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != clientID || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		http.Error(w, "not the request of an OpenID Connect client with PKCE", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.people++
	p.grants[code] = grant{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"), p.people}
	p.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	g, err := p.redeem(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	idToken, err := p.key.sign(p.claims(g))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": idToken,
	})
}

// redeem takes the grant of a code, which works once.
func (p *provider) redeem(r *http.Request) (grant, error) {
	id, secret, ok := r.BasicAuth()
	if !ok || id != clientID || subtle.ConstantTimeCompare([]byte(secret), []byte(clientSecret)) != 1 {
		return grant{}, errors.New("invalid_client")
	}
	p.mu.Lock()
	g, ok := p.grants[r.PostFormValue("code")]
	delete(p.grants, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.redirect != r.PostFormValue("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return grant{}, errors.New("invalid_grant")
	}
	return g, nil
}

func (p *provider) claims(g grant) map[string]any {
	now := time.Now()
	name := "user" + strconv.Itoa(g.person)
	return map[string]any{
		"iss": p.issuer, "aud": clientID, "sub": name, "nonce": g.nonce,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(),
		"email": name + "@bench.example", "email_verified": true,
		"name": "Bench User", "preferred_username": name, "groups": []string{"staff", "readers"},
	}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// signingKey signs tokens (RFC 7515) and is published as a JSON Web Key.
type signingKey struct {
	alg     string
	public  map[string]string
	signSum func(sum []byte) ([]byte, error)
}

func newSigningKey(alg string) (signingKey, error) {
	switch alg {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return signingKey{}, err
		}
		return rsaKey(key), nil
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return signingKey{}, err
		}
		return ecKey(key)
	}
	return signingKey{}, fmt.Errorf("no keys for %q; RS256 and ES256 are there", alg)
}

func rsaKey(key *rsa.PrivateKey) signingKey {
	return signingKey{
		alg: "RS256",
		public: map[string]string{"kty": "RSA", "kid": "bench", "use": "sig", "alg": "RS256",
			"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())},
		signSum: func(sum []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum) },
	}
}

func ecKey(key *ecdsa.PrivateKey) (signingKey, error) {
	point, err := key.PublicKey.Bytes() // 4, then x and y of 32 bytes each
	if err != nil {
		return signingKey{}, err
	}
	return signingKey{
		alg: "ES256",
		public: map[string]string{"kty": "EC", "kid": "bench", "use": "sig", "alg": "ES256", "crv": "P-256",
			"x": encode(point[1:33]), "y": encode(point[33:])},
		signSum: func(sum []byte) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, key, sum)
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		},
	}, nil
}

// sign returns the compact form.
func (k signingKey) sign(claims map[string]any) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": k.alg, "kid": "bench", "typ": "JWT"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := k.signSum(sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
