package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"foregate/authn"
)

// provider is an OpenID Connect provider that does as it is told, wrong things
// too. It signs everybody in as "alice" without asking.
type provider struct {
	*httptest.Server
	path string // of the issuer, may be empty

	mu        sync.Mutex
	hits      map[string]int        // requests by path
	forms     map[string]url.Values // last form by path
	headers   map[string]http.Header
	signer    jose.SigningKey
	header    map[jose.HeaderKey]any
	published []jose.JSONWebKey
	sent      url.Values // the authorization request

	metadata func(map[string]any)        // spoils the metadata
	claims   func(map[string]any)        // spoils the ID token's claims
	payload  func([]byte) []byte         // spoils them as bytes
	spoil    func(token string) string   // spoils the signed token
	userinfo map[string]any              // the answer beside sub
	refresh  func(map[string]any)        // gives refresh tokens, and spoils the answer to them; nil: none
	current  string                      // the refresh token that is good
	instead  map[string]http.HandlerFunc // answers a path altogether differently
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{
		hits: map[string]int{}, forms: map[string]url.Values{}, headers: map[string]http.Header{},
		instead: map[string]http.HandlerFunc{},
	}
	p.rotate(ecKey(t), "key-1")
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// rotate signs with key from now on, and publishes nothing else.
func (p *provider) rotate(key *ecdsa.PrivateKey, kid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signer = jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}
	p.published = []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}}
}

func (p *provider) issuer() string { return p.URL + p.path }

func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[path]
}

func (p *provider) form(path string) url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forms[path]
}

// answer makes path answer differently from now on.
func (p *provider) answer(path string, h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead[path] = h
}

func (p *provider) headersOf(path string) http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.headers[path]
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.hits[r.URL.Path]++
	p.forms[r.URL.Path] = r.PostForm
	p.headers[r.URL.Path] = r.Header.Clone()
	handler := p.instead[r.URL.Path]
	p.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case r.URL.Path == p.path+"/.well-known/openid-configuration":
		p.serveMetadata(w)
	case r.URL.Path == "/jwks":
		p.mu.Lock()
		defer p.mu.Unlock()
		writeJSON(w, jose.JSONWebKeySet{Keys: p.published})
	case r.URL.Path == "/token":
		p.serveToken(w, r)
	case r.URL.Path == "/userinfo":
		info := map[string]any{"sub": "alice"}
		maps.Copy(info, p.userinfo)
		writeJSON(w, info)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) serveMetadata(w http.ResponseWriter) {
	md := map[string]any{
		"issuer":                 p.issuer(),
		"authorization_endpoint": p.URL + "/authorize",
		"token_endpoint":         p.URL + "/token",
		"userinfo_endpoint":      p.URL + "/userinfo",
		"jwks_uri":               p.URL + "/jwks",
		"end_session_endpoint":   p.URL + "/logout",
	}
	if p.metadata != nil {
		p.metadata(md)
	}
	writeJSON(w, md)
}

// serveRefresh takes the last refresh token once and gives the next.
func (p *provider) serveRefresh(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	good := r.PostForm.Get("refresh_token") == p.current
	p.current += "+"
	next := p.current
	p.mu.Unlock()
	if !good {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	answer := map[string]any{"access_token": "access" + next, "token_type": "bearer", "expires_in": 120, "refresh_token": next, "id_token": p.token("")}
	p.refresh(answer)
	writeJSON(w, answer)
}

func (p *provider) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("grant_type") == "refresh_token" {
		p.serveRefresh(w, r)
		return
	}
	p.mu.Lock()
	sent := p.sent
	p.mu.Unlock()
	if r.PostForm.Get("code") != "good" ||
		oauth2.S256ChallengeFromVerifier(r.PostForm.Get("code_verifier")) != sent.Get("code_challenge") ||
		r.PostForm.Get("redirect_uri") != sent.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"no"}`))
		return
	}
	answer := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.token(sent.Get("nonce"))}
	if p.refresh != nil {
		p.mu.Lock()
		p.current = "refresh"
		p.mu.Unlock()
		answer["refresh_token"] = "refresh"
	}
	writeJSON(w, answer)
}

// token makes the ID token, spoilt as wished.
func (p *provider) token(nonce string) string {
	now := time.Now()
	claims := map[string]any{
		"iss": p.issuer(), "sub": "alice", "aud": "foregate",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"preferred_username": "alice", "name": "Alice Archer", "email": "alice@hospital.test", "email_verified": true,
		"groups": []string{"staff", "admins"},
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if p.claims != nil {
		p.claims(claims)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	if p.payload != nil {
		body = p.payload(body)
	}
	p.mu.Lock()
	token := sign(p.signer, p.header, body)
	p.mu.Unlock()
	if p.spoil != nil {
		token = p.spoil(token)
	}
	return token
}

func sign(key jose.SigningKey, header map[jose.HeaderKey]any, body []byte) string {
	opts := &jose.SignerOptions{ExtraHeaders: header}
	s, err := jose.NewSigner(key, opts)
	if err != nil {
		panic(err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		panic(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// config is what an administrator would write for this provider.
func (p *provider) config() *Config {
	return &Config{
		Issuer:         p.issuer(),
		ClientID:       "foregate",
		ClientSecret:   authn.NewSecret("s3cret"),
		LoginHint:      true,
		ClockTolerance: time.Minute,
		Timeout:        2 * time.Second,
	}
}

// marks is an authn.Once in memory.
type marks struct {
	mu   sync.Mutex
	seen map[string]bool
	err  error
}

func (m *marks) Spend(_ context.Context, key string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.seen[key] {
		return authn.ErrSpent
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[key] = true
	return nil
}

func env() authn.Env {
	return authn.Env{Name: "entra", Title: "Sign in", Once: &marks{}, Claims: []string{"preferred_username", "missing"}, Log: slog.New(slog.DiscardHandler)}
}

func openMethod(t testing.TB, c *Config) *Method {
	t.Helper()
	m, err := open(c, env(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func attempt() *authn.Attempt {
	return &authn.Attempt{
		ID: rand.Text(), Method: "entra", Host: "app.test", Return: "/", Began: time.Now(),
		Origin: "https://app.test", Callback: "https://app.test/sso/callback/entra",
	}
}

// begin sends the person to the provider, which takes note of the request.
func (p *provider) begin(t testing.TB, m *Method, a *authn.Attempt) url.Values {
	t.Helper()
	reply, err := m.Begin(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(reply.(authn.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = u.Query()
	return p.sent
}

func get(values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/sso/callback/entra?"+values.Encode(), nil)
	_ = r.ParseForm()
	return r
}

// signIn goes all the way.
func (p *provider) signIn(t testing.TB, m *Method, a *authn.Attempt) (authn.Identity, error) {
	t.Helper()
	p.begin(t, m, a)
	return resume(t, m, a, get(url.Values{"code": {"good"}, "state": {a.ID}}))
}

func resume(t testing.TB, m *Method, a *authn.Attempt, r *http.Request) (authn.Identity, error) {
	t.Helper()
	reply, err := m.Resume(t.Context(), a, r)
	if err != nil {
		if reply != nil {
			t.Fatalf("both reply %T and error %v", reply, err)
		}
		return authn.Identity{}, err
	}
	return reply.(authn.SignedIn).Identity, nil
}

// mustIn signs in as somebody who may come in.
func (p *provider) mustIn(t testing.TB, m *Method) authn.Identity {
	t.Helper()
	id, err := p.signIn(t, m, attempt())
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return id
}

// refused wants an error with words for the person and that status.
func refused(t testing.TB, err error, status int) {
	t.Helper()
	var e *authn.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *authn.Error", err)
	}
	if e.Public == "" || e.Status != status {
		t.Fatalf("got status %d, %q (%v), want status %d", e.Status, e.Public, e.Err, status)
	}
}
