// Package oidc signs people in at an OpenID Connect provider.
//
// Begin sends the browser to the provider with a state, a nonce and a PKCE
// challenge of this attempt alone. What comes back goes through callback.go (are
// the parameters an answer to this attempt?), exchange.go (the code becomes
// tokens), idtoken.go (is the ID token true, and meant for us, now?), userinfo.go
// (claims that the ID token lacks) and identity.go (claims become a person).
// While they work refresh.go goes the second half of that way again.
// Beside it watch.go keeps the provider's addresses and keys current, so that no
// start of Foregate waits for a provider.
package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"foregate/authn"
)

// Kept in the attempt between Begin and Resume.
const (
	keptNonce    = "nonce"
	keptVerifier = "verifier"
	keptRedirect = "redirect_uri"
)

const (
	beginWait   = 3 * time.Second  // for a provider that has not been reached yet
	resumeLimit = 10 * time.Second // for all requests that one sign-in needs
	maxHint     = 256
)

const unreachable = "The sign-in service cannot be reached at the moment. Try again in a minute, or choose another way to sign in."

// Method is one OpenID Connect provider. It is an authn.Authenticator,
// SignOuter, Refresher, LogoutReceiver, Framed, Healther and KeyPublisher, and is
// closed when it is gone from the configuration.
type Method struct {
	cfg      Config // filled
	name     string
	claims   []string // further ones to keep
	log      *slog.Logger
	once     authn.Once
	client   *http.Client
	renewing *http.Client // with more patience: people do not wait for it
	signer   *signer      // with private_key_jwt, else nil
	keys     []byte       // its public half as a JWK set
	watch    *watch
	now      func() time.Time
}

// Open starts looking for the provider and does not wait for it. The result is
// a *Method; Close ends its background work.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	return open(c, env, time.Now)
}

func open(c *Config, env authn.Env, now func() time.Time) (*Method, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if env.Once == nil {
		return nil, errors.New("oidc: no store for used answers")
	}
	m := &Method{cfg: c.filled(), name: env.Name, claims: env.Claims, once: env.Once, now: now, keys: []byte(`{"keys":[]}`)}
	m.log = env.Log.With("method", env.Name)
	roots, err := loadCA(m.cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	client := newClient(roots, m.cfg.Timeout)
	m.client, m.renewing = client, newClient(roots, renewLimit)
	if m.cfg.ClientAuth == authPrivateKey {
		if err := m.openSigner(); err != nil {
			return nil, fmt.Errorf("oidc: %w", err)
		}
	}
	m.warn()
	d := &discoverer{cfg: &m.cfg, client: client, now: now}
	m.watch = startWatch(m.log, d.discover)
	return m, nil
}

func (m *Method) openSigner() error {
	s, err := newSigner(&m.cfg)
	if err != nil {
		return err
	}
	m.signer = s
	m.keys, err = s.jwks()
	return err
}

func (m *Method) warn() {
	if m.cfg.InsecureHTTP {
		m.log.Warn("insecure_http is on: anybody on the way to the provider can sign in as anyone")
	}
	if m.cfg.Preset == presetGoogle && len(m.cfg.HostedDomains) == 0 {
		m.log.Warn("hosted_domains is empty: any Google account can sign in")
	}
}

// Close ends the background work and the connections to the provider.
func (m *Method) Close() error {
	m.watch.close()
	m.client.CloseIdleConnections()
	m.renewing.CloseIdleConnections()
	return nil
}

// Health tells whether the last look at the provider failed.
func (m *Method) Health() error {
	if _, err := m.watch.current(); err != nil {
		return authn.Unavailable(unreachable, fmt.Errorf("oidc: %w", err))
	}
	return nil
}

// JWKS returns the public key that a provider needs for private_key_jwt, or an
// empty set.
func (m *Method) JWKS() []byte { return slices.Clone(m.keys) }

// Begin redirects to the provider. If that has not been reached yet it tries for
// three seconds.
func (m *Method) Begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	if a.ID == "" || a.Callback == "" {
		return nil, authn.Invalid(startAgain, errors.New("oidc: attempt has no ID or no callback address"))
	}
	md, err := m.metadata(ctx)
	if err != nil {
		return nil, err
	}
	a.Keep(keptNonce, rand.Text())
	a.Keep(keptVerifier, oauth2.GenerateVerifier())
	a.Keep(keptRedirect, a.Callback)
	oc := m.oauth(md, a)
	return authn.Redirect{URL: oc.AuthCodeURL(a.ID, m.parameters(a)...)}, nil
}

func (m *Method) metadata(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, beginWait)
	defer cancel()
	md, err := m.watch.get(ctx)
	if err != nil {
		return nil, authn.Unavailable(unreachable, fmt.Errorf("oidc: %w", err))
	}
	return md, nil
}

// oauth is this attempt's side of OAuth 2.0.
func (m *Method) oauth(md *metadata, a *authn.Attempt) *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if m.cfg.ClientAuth == authBasic {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID:     m.cfg.ClientID,
		ClientSecret: m.cfg.ClientSecret.Reveal(),
		Endpoint:     oauth2.Endpoint{AuthURL: md.Authorization, TokenURL: md.Token, AuthStyle: style},
		RedirectURL:  a.Values[keptRedirect],
		Scopes:       m.cfg.Scopes,
	}
}

// parameters are those of the authorization request beyond plain OAuth 2.0. They
// come from the configuration and the attempt, never from a request. Ours are
// last, where they win.
func (m *Method) parameters(a *authn.Attempt) []oauth2.AuthCodeOption {
	var opts []oauth2.AuthCodeOption
	set := func(name, value string) {
		if value != "" {
			opts = append(opts, oauth2.SetAuthURLParam(name, value))
		}
	}
	for name, value := range m.cfg.ExtraParameters {
		set(name, value)
	}
	if m.cfg.Preset == presetGoogle {
		set("hd", m.hostedDomainHint())
	}
	set("acr_values", strings.Join(m.cfg.ACRValues, " "))
	set("prompt", m.prompt(a))
	set("max_age", m.maxAge(a))
	if m.cfg.LoginHint && len(a.Hint) <= maxHint {
		set("login_hint", authn.CutControl(a.Hint, maxHint))
	}
	if m.cfg.ResponseMode == modeFormPost {
		set("response_mode", modeFormPost)
	}
	set("nonce", a.Values[keptNonce])
	return append(opts, oauth2.S256ChallengeOption(a.Values[keptVerifier]))
}

// fresh reports whether the person must prove who they are in this attempt.
func (m *Method) fresh(a *authn.Attempt) bool {
	return a.Fresh || slices.Contains(strings.Fields(m.cfg.Prompt), "login")
}

func (m *Method) prompt(a *authn.Attempt) string {
	if a.Fresh && !slices.Contains(strings.Fields(m.cfg.Prompt), "login") {
		return strings.TrimSpace("login " + m.cfg.Prompt)
	}
	return m.cfg.Prompt
}

// maxAge asks with 0 for a fresh authentication too: only max_age obliges a
// provider to send auth_time (OpenID Connect Core 1.0, section 2), and without
// it nothing shows that prompt=login was heeded.
func (m *Method) maxAge(a *authn.Attempt) string {
	switch {
	case m.fresh(a):
		return "0"
	case m.cfg.MaxAge > 0:
		return strconv.FormatInt(int64(m.cfg.MaxAge/time.Second), 10)
	}
	return ""
}
