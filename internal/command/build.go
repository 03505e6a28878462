package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/internal/config"
	"foregate/proxy"
	"foregate/proxy/pages"
	"foregate/proxy/scim"
	"foregate/upstream"
)

// builder turns a checked file into the apps and methods of a proxy.Server.
type builder struct {
	file     *config.File
	sessions *cookies.Sessions
	once     authn.Once
	tries    authn.Tries
	signer   *upstream.Signer
	log      *slog.Logger
	onError  func(http.ResponseWriter, *http.Request, error)
	tunnels  *upstream.Tunnels

	secrets  [][]byte           // of sessions; each method gets keys that are derived from them
	mail     authn.Mailer       // nil without a mail server
	accounts *accounts.Accounts // nil where nobody needs one
}

func (b *builder) set() (*proxy.Set, error) {
	var apps []*proxy.App
	strip, err := b.identityHeaders()
	if err != nil {
		return nil, err
	}
	for i := range b.file.Apps {
		app, err := b.app(&b.file.Apps[i], strip)
		if err != nil {
			return nil, fmt.Errorf("app %q: %w", b.file.Apps[i].Name, err)
		}
		apps = append(apps, app)
	}
	claims := b.furtherClaims()
	var methods []*proxy.Method
	for _, m := range b.file.Methods {
		title := m.Title
		if title == "" {
			title = m.Name
		}
		keys, err := methodKeys(b.secrets, m.Name)
		if err != nil {
			return nil, fmt.Errorf("method %q: %w", m.Name, err)
		}
		methods = append(methods, &proxy.Method{
			Name: m.Name, Title: title, Config: m.Config, Admit: m.Admit, Visits: b.file.NeedsAccounts(),
			Env: authn.Env{
				Name: m.Name, Title: title, Once: b.once, Tries: b.tries, Log: b.log, Claims: claims,
				Keys: keys, People: peopleOf(b.accounts), Mail: b.mail,
			},
		})
	}
	set := proxy.NewSet(apps, methods, b.organisations()...)
	set.SCIM = b.scim()
	return set, nil
}

func (b *builder) organisations() []*proxy.Organisation {
	var all []*proxy.Organisation
	for i := range b.file.Organisations {
		o := &b.file.Organisations[i]
		all = append(all, &proxy.Organisation{
			Name: o.Name, Title: o.Title, Domains: o.Domains, Networks: o.Networks, Methods: o.Methods, Only: o.Only,
		})
	}
	return all
}

// scim takes requests of the organisations that have a token; nil where none has.
func (b *builder) scim() *scim.Handler {
	var all []scim.Organisation
	deciding := b.file.DecidingGroups()
	for i := range b.file.Organisations {
		o := &b.file.Organisations[i]
		if o.SCIM == nil {
			continue
		}
		all = append(all, scim.Organisation{
			Name: o.Name, Secret: scim.Hash(o.SCIM.Token.Reveal()), Kind: o.SCIM.Kind, Roles: o.SCIM.Roles, Domains: o.Domains,
			Closed: slices.DeleteFunc(slices.Clone(deciding), func(g string) bool { return slices.Contains(o.SCIM.Groups, g) }),
		})
	}
	if len(all) == 0 || b.accounts == nil {
		return nil
	}
	return scim.New(scim.Config{Organisations: all, Accounts: b.accounts, Tries: b.tries})
}

// identityHeaders are the names of all apps' identity headers, and of the one with a
// person's certificate: none of them is accepted from a client, whichever app it asks for.
func (b *builder) identityHeaders() ([]string, error) {
	var names []string
	if h := b.file.CertHeader; h != "" {
		names = append(names, h, h+"-Chain")
	}
	for i := range b.file.Apps {
		h := headersOf(&b.file.Apps[i])
		if err := h.Validate(); err != nil {
			return nil, fmt.Errorf("app %q: headers: %w", b.file.Apps[i].Name, err)
		}
		names = append(names, h.Names()...)
	}
	return names, nil
}

// furtherClaims are the claims that some app's own headers and roles are made of, and
// those by which accounts are found.
func (b *builder) furtherClaims() []string {
	var names []string
	for i := range b.file.Apps {
		for _, h := range b.file.Apps[i].Headers.Map {
			if h.Claim != "" {
				names = append(names, h.Claim)
			}
		}
		names = append(names, b.file.Apps[i].Roles.Claims()...)
	}
	for i := range b.file.Methods {
		names = append(names, b.file.Methods[i].Admit.Claims()...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names
}

func headersOf(app *config.App) upstream.Headers {
	h := upstream.Headers{Preset: app.Headers.Preset, Map: make(map[string]upstream.Source)}
	for name, from := range app.Headers.Map {
		h.Map[name] = upstream.Source{Claim: from.Claim, Value: from.Value.Reveal()}
	}
	return h
}

func (b *builder) app(c *config.App, strip []string) (*proxy.App, error) {
	var verifiers []netip.Prefix
	if c.ForwardAuth != nil {
		verifiers = c.ForwardAuth.From
		if len(verifiers) == 0 {
			verifiers = b.file.TrustedProxies
		}
	}
	to, err := routeTo(&c.Upstream)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	branches, err := branchesOf(c)
	if err != nil {
		return nil, err
	}
	up, err := upstream.New(upstream.Config{
		Name: c.Name, Headers: headersOf(c), Assertion: c.Headers.Assertion, Strip: strip,
		Route: to, Routes: branches, RawQuery: c.RawQuery,
		OwnCookie: b.sessions.Own, StripCookies: b.sessions.StripOwn, OnError: b.onError, Tunnels: b.tunnels, Log: b.log,
	}, b.signer)
	if err != nil {
		return nil, err
	}
	look, err := lookOf(c)
	if err != nil {
		return nil, err
	}
	var basic *proxy.Basic
	if c.Basic != nil {
		if basic, err = proxy.NewBasic(c.Basic.Method, proxy.Cache{For: c.Basic.Cache}); err != nil {
			return nil, err
		}
	}
	guests := b.file.Guests(c)
	return &proxy.App{
		Name: c.Name, Hosts: c.Hosts, Methods: c.Methods, Guests: guests, Discover: b.file.Asks(c), Kinds: c.Kinds,
		Policy: proxy.NewPolicy(slices.Concat(c.Methods, guests), rulesOf(c), c.Kinds...), Upstream: up, Maintenance: maintenanceOf(c), Verifiers: verifiers,
		Terms: b.terms(c), Basic: basic, Activity: proxy.Activity{All: c.Activity.Counts == "all", Except: c.Activity.Except},
		Roles: c.Roles,
		Look:  look, ReturnHosts: c.ReturnHosts, RawPath: c.RawPath, Shared: c.SharedDevices, SharedIdle: c.SharedIdle, SelfService: c.SelfService(), Warns: c.InsertWarning, Audience: b.audience(c),
	}, nil
}

// terms of sessions at an app, for each of its methods.
func (b *builder) terms(c *config.App) map[string]proxy.Terms {
	all := make(map[string]proxy.Terms)
	ways := slices.Concat(c.Methods, b.file.Guests(c))
	for _, m := range b.file.Methods {
		if !slices.Contains(ways, m.Name) {
			continue
		}
		s := b.file.Session
		all[m.Name] = proxy.Terms{
			Limits: cookies.Limits{
				Idle:     shorter(c.Session.Idle, m.Session.Idle, s.Idle),
				Lifetime: shorter(c.Session.Lifetime, m.Session.Lifetime, s.Lifetime),
			},
			Reentry: s.Reentry && !c.Session.NoReentry && !m.Session.NoReentry,
			Current: s.Current,
		}
	}
	return all
}

// shorter of what an app and a method say; general where both say nothing.
func shorter(app, method, general time.Duration) time.Duration {
	switch {
	case app == 0 && method == 0:
		return general
	case app == 0:
		return method
	case method == 0:
		return app
	}
	return min(app, method)
}

// audience says for which apps a session is good: for its own alone, or for all
// that share the cookie's domain.
func (b *builder) audience(c *config.App) string {
	if d := b.file.Session.Cookie.Domain; d != "" {
		return "domain:" + d
	}
	return "app:" + c.Name
}

func rulesOf(c *config.App) []proxy.Rule {
	whom := map[string]proxy.Whom{"nobody": proxy.Nobody, "signed_in": proxy.SignedIn, "anyone": proxy.Anyone}
	var rules []proxy.Rule
	for _, r := range c.Rules {
		rules = append(rules, proxy.Rule{
			Path: r.Path, HTTPMethods: r.HTTPMethods, Allow: whom[r.Allow],
			Groups: r.Groups, Users: r.Users, Roles: r.Roles, Methods: r.Methods, Networks: r.Networks,
		})
	}
	return rules
}

func lookOf(c *config.App) (pages.Look, error) {
	look := pages.Look{Name: c.Name, Title: c.Page.Title, Colour: c.Page.Colour, Background: c.Page.Background, Help: c.Page.Help, Footer: c.Page.Footer, Languages: c.Page.Languages}
	if c.Page.Logo != "" {
		logo, err := pages.LoadLogo(string(c.Page.Logo))
		if err != nil {
			return pages.Look{}, fmt.Errorf("page.logo: %w", err)
		}
		look.Logo = logo
	}
	if c.Page.Templates != "" {
		own, err := pages.Load(string(c.Page.Templates))
		if err != nil {
			return pages.Look{}, fmt.Errorf("page.templates: %w", err)
		}
		look.Own = own
	}
	return look, nil
}

func pool(file authn.Path) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, errors.New(string(file) + " holds no certificate")
	}
	return p, nil
}

// RedisTLS is how to speak to Redis; nil in plain text.
func RedisTLS(c config.RedisTLS) (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil
	}
	roots, err := pool(c.CA)
	if err != nil {
		return nil, fmt.Errorf("storage.redis.tls.ca: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: c.ServerName}
	if c.Cert == "" {
		return cfg, nil
	}
	cert, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
	if err != nil {
		return nil, fmt.Errorf("storage.redis.tls: %w", err)
	}
	cfg.Certificates = []tls.Certificate{cert}
	return cfg, nil
}
