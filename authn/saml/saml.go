// Package saml signs people in at a SAML 2.0 identity provider, as a service
// provider that can be set up before the provider is known.
//
// Begin sends the browser to the provider with a signed request of this attempt
// (request.go). What is posted back (resume.go) is read in steps, each of which sees only
// what the one before let through: document.go (XML that all parsers read alike),
// signature.go (what does a signature of the provider cover? from there on only
// those bytes), decrypt.go, response.go (the one assertion), check.go (is it
// meant for us, now, for this attempt?), facts.go and identity.go (attributes
// become a person). Beside it provider.go and watch.go know the provider's addresses and
// certificates and keep them current, metadata.go describes our side, and
// logout.go ends sessions in both directions.
package saml

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

// Paths below the address of our own pages on a host, which begin with that
// host's base: https://careplan.hospital.example/sso.
const (
	acsPath      = "/acs"
	sloPath      = "/slo"
	metadataPath = "/metadata"
)

const keptRequest = "request" // in the attempt between Begin and Resume: the ID of our request

const (
	beginWait   = 3 * time.Second // for a provider whose metadata has not been read yet
	attemptLife = time.Hour       // an attempt this old is refused, so that its mark may be forgotten
)

// What a person is told. The operator finds the reason in the log.
const (
	startAgain  = "This sign-in cannot be continued. Start again."
	usedAlready = "This sign-in was used already or took too long. Start again."
	notTrusted  = "The answer of the sign-in service could not be verified. Start again, and tell your IT department if it happens again."
	notReady    = "Signing in this way is not set up completely yet. Choose another way to sign in, or ask your IT department when it will be ready."
	unreachable = "The sign-in service cannot be reached at the moment. Try again in a minute, or choose another way to sign in."
	notStored   = "Signing in does not work at the moment. Try again in a minute."
)

// Method is one SAML identity provider. It is an authn.Authenticator, Publisher,
// Carried, SignOuter and Healther, and is closed when it is gone from the
// configuration.
type Method struct {
	cfg    Config // filled
	name   string
	claims []string
	log    *slog.Logger
	once   authn.Once
	keys   ownKeys
	watch  *watch // nil while nothing is known of the provider
	query  *query // in place of watch: a query service of a federation
	tries  authn.Tries
	now    func() time.Time
}

// Open starts reading the provider's metadata and does not wait for it. The
// result is a *Method; Close ends its background work.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	return openMethod(c, env, time.Now)
}

func openMethod(c *Config, env authn.Env, now func() time.Time) (*Method, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if env.Once == nil {
		return nil, errors.New("saml: no store for used answers")
	}
	m := &Method{cfg: c.filled(), name: env.Name, claims: env.Claims, once: env.Once, tries: env.Tries, now: now}
	m.log = env.Log.With("method", env.Name)
	if err := m.openKeys(); err != nil {
		return nil, fmt.Errorf("saml: %w", err)
	}
	m.warn()
	if m.cfg.provisional() {
		m.log.Info("saml: nothing is known of the provider yet; the metadata of our side is there already")
		return m, nil
	}
	src, err := newSource(&m.cfg, m.log, now)
	if err != nil {
		return nil, fmt.Errorf("saml: %w", err)
	}
	if m.cfg.Metadata.MDQ != "" {
		m.query = newQuery(m.log, src)
		m.query.start(m.cfg.Metadata.Entities)
		return m, nil
	}
	m.watch = startWatch(m.log, src)
	return m, nil
}

func (m *Method) openKeys() error {
	if m.cfg.KeyFile != "" {
		k, err := keyFile(m.cfg.KeyFile, "foregate "+m.name, m.now())
		m.keys = ownKeys{k}
		return err
	}
	keys, err := loadKeys(m.cfg.Keys)
	m.keys = keys
	return err
}

func (m *Method) warn() {
	if m.cfg.InsecureIdPInitiated {
		m.log.Warn("insecure_idp_initiated is on: another person's answer can be planted in a browser")
	}
	if m.cfg.InsecureCBC {
		m.log.Warn("insecure_cbc is on: encryption is accepted that cannot tell that it was changed")
	}
	if m.cfg.InsecureExpired {
		m.log.Warn("insecure_expired_certificate is on: the provider's certificate is believed after its end")
	}
	if m.cfg.InsecureHTTP {
		m.log.Warn("insecure_http is on: anybody on the way to the provider can read and change what is sent")
	}
	if len(m.keys) == 0 {
		m.log.Warn("saml: no keys: requests are not signed, nothing can be encrypted, and people are signed out here only")
	}
	for i, k := range m.keys {
		if left := k.cert.NotAfter.Sub(m.now()); left < soon {
			m.log.Warn("saml: certificate of our key ends soon", "key", i, "not_after", k.cert.NotAfter)
		}
	}
}

// Close ends the background work.
func (m *Method) Close() error {
	if m.watch != nil {
		m.watch.close()
	}
	if m.query != nil {
		m.query.close()
	}
	return nil
}

// Health says why nobody can sign in this way at the moment.
func (m *Method) Health() error {
	if m.query != nil {
		return nil // each provider is asked for when somebody chooses it
	}
	if m.watch == nil {
		return provisional()
	}
	c, err := m.watch.current()
	switch p := c.only(); {
	case c == nil && err == nil:
		return nil // it is being read
	case c == nil:
		return authn.Unavailable(unreachable, fmt.Errorf("saml: %w", err))
	case p != nil:
		return m.usable(p)
	}
	return nil
}

func provisional() error {
	return &authn.Error{Public: notReady, Err: fmt.Errorf("saml: the provider is %w", authn.ErrNotReady), Status: http.StatusServiceUnavailable}
}

// provider returns what is known of the provider, of a federation the one of a name; if
// it has not been read yet it waits for three seconds.
func (m *Method) provider(ctx context.Context, name string) (*provider, error) {
	ctx, cancel := context.WithTimeout(ctx, beginWait)
	defer cancel()
	var p *provider
	if m.query != nil {
		var err error
		if p, err = m.query.get(ctx, name); err != nil {
			return nil, authn.Unavailable(unreachable, fmt.Errorf("saml: %w", err))
		}
	} else {
		c, err := m.known(ctx)
		if err != nil {
			return nil, err
		}
		if p = c.only(); m.Federated() {
			p = c.named(name)
		}
		if p == nil {
			return nil, authn.Invalid(notOffered, fmt.Errorf("saml: no provider %q is known", short(name)))
		}
	}
	return p, m.usable(p)
}

// known waits until what is known has been read.
func (m *Method) known(ctx context.Context) (*circle, error) {
	if m.watch == nil {
		return nil, provisional()
	}
	ctx, cancel := context.WithTimeout(ctx, beginWait)
	defer cancel()
	c, err := m.watch.get(ctx)
	if err != nil {
		return nil, authn.Unavailable(unreachable, fmt.Errorf("saml: %w", err))
	}
	return c, nil
}

// doubt asks for a look at what is known, soon.
func (m *Method) doubt() {
	if m.watch != nil {
		m.watch.doubt()
	}
}

// at is the provider of a message or a session, if it is known now.
func (m *Method) at(issuer string) *provider {
	switch {
	case m.query != nil:
		return m.query.known(issuer)
	case m.watch == nil:
		return nil
	}
	c, _ := m.watch.current()
	if m.Federated() {
		return c.named(issuer)
	}
	if p := c.only(); p != nil && (p.entityID == "" || p.entityID == issuer) {
		return p
	}
	return nil
}

// usable says why what was read of the provider must not be used any more.
func (m *Method) usable(p *provider) error {
	if !p.validUntil.IsZero() && !m.now().Before(p.validUntil) {
		return authn.Unavailable(unreachable, fmt.Errorf("saml: the provider's metadata was valid until %s", p.validUntil.Format(time.RFC3339)))
	}
	if len(m.signers(p)) == 0 {
		return authn.Unavailable(unreachable, errors.New("saml: no certificate of the provider is valid now"))
	}
	return nil
}

func (m *Method) signers(p *provider) []signer {
	return signersAt(p.certs, m.now(), m.cfg.InsecureExpired)
}

// base is the address of our own pages on the attempt's host, of which its
// callback is one.
func (m *Method) base(a *authn.Attempt) (string, error) {
	base, ok := strings.CutSuffix(a.Callback, "/callback/"+a.Method)
	if !ok || base == "" || a.Method == "" {
		return "", errors.New("attempt without a callback address")
	}
	return base, nil
}

func (m *Method) entityID(base string) string {
	if m.cfg.EntityID != "" {
		return m.cfg.EntityID
	}
	return base + metadataPath
}

// Begin sends the browser to the provider. It is not ready while nothing is known
// of the provider.
func (m *Method) Begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	if a.ID == "" {
		return nil, authn.Invalid(startAgain, errors.New("saml: attempt has no ID"))
	}
	if m.Federated() {
		return m.discover(ctx, a)
	}
	p, err := m.provider(ctx, "")
	if err != nil {
		return nil, err
	}
	return m.ask(a, p)
}

// ask sends the browser to a provider.
func (m *Method) ask(a *authn.Attempt, p *provider) (authn.Reply, error) {
	base, err := m.base(a)
	if err != nil {
		return nil, authn.Invalid(startAgain, fmt.Errorf("saml: %w", err))
	}
	if p.wantSigned && len(m.keys) == 0 {
		return nil, &authn.Error{Public: notReady, Err: errors.New("saml: the provider wants signed requests; add keys"), Status: http.StatusServiceUnavailable}
	}
	binding, address := p.signOn(m.cfg.Binding)
	id := "_" + rand.Text()
	a.Keep(keptRequest, id)
	if m.Federated() {
		a.Keep(keptProvider, p.entityID)
	}
	reply, err := m.send(binding, address, "SAMLRequest", a.ID, m.authnRequest(id, base, address, a.Fresh || m.cfg.ForceAuthn))
	if err != nil {
		return nil, authn.Unavailable(notStored, fmt.Errorf("saml: %w", err))
	}
	return reply, nil
}
