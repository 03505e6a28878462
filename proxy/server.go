// Package proxy answers every request. A request is matched to an app by its
// host, its path is read in the one form that the application will see, its
// session is looked up, the app's rules decide, and the request is forwarded,
// refused, or sent to sign in.
//
// Read on in this order: router.go, path.go, gate.go, policy.go; then signin.go
// for what happens below the prefix.
package proxy

import (
	"html"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/internal/onetime"
	"foregate/proxy/admin"
	"foregate/proxy/pages"
	"foregate/proxy/scim"
)

// Config is what a Server needs for its whole life.
type Config struct {
	Prefix     string         // of Foregate's own addresses: "/sso"
	Trusted    []netip.Prefix // proxies whose X-Forwarded-For and -Proto are believed
	CertHeader string         // in which these pass the browser's certificate on; empty: none
	MaxForm    int64          // bytes of a body sent to Foregate's own addresses
	MaxTarget  int            // bytes of a path with its query; longer ones are 414
	Patience   time.Duration  // how long a peer may neither send nor take a byte of a body
	HSTS       string         // Strict-Transport-Security of answers over our own TLS; empty for none
	KeepPosts  bool           // keep forms that meet an ended session
	Keys       func() []byte  // the JWK set of the signed assertion; nil without one

	Sessions *cookies.Sessions
	Accounts *accounts.Accounts // nil where nobody has one
	Codes    *onetime.Codes     // prove that an account is somebody's; nil without Mail
	Mail     authn.Mailer
	Attempts *cookies.Attempts
	Tries    authn.Tries // at what people must know to change it
	Pages    *pages.Pages
	Metrics  *admin.Metrics
	Faults   *admin.Faults // that support codes are asked about; nil for none
	Visits   Visits        // nil where nobody counts them
	Log      *slog.Logger  // decisions and faults
	Access   *slog.Logger  // a line for each request; nil for none
	Tracer   Tracer        // nil: requests are not followed
}

// Server answers the requests of all apps. Its set of apps and methods can be
// swapped while it serves.
type Server struct {
	Config
	set         atomic.Pointer[Set]
	hsts        []string
	altSvc      []string // Alt-Svc of answers over our own TLS; nil without HTTP/3
	crossOrigin *http.CrossOriginProtection
	ids         requestIDs
	lost        lostCookies
	warningTag  string // includes the script of pages.WriteWarning
}

// Visits counts the visits of people, for reports. It must not wait.
type Visits interface{ Count(v accounts.Visit) }

// Set is the apps and methods that are in force together.
type Set struct {
	SCIM *scim.Handler // nil where no organisation keeps its people here

	hosts   map[string]*App
	methods map[string]*Method

	organisations []*Organisation
	owners        map[string]*Organisation // by method
}

// NewSet indexes apps by host and methods by name. Methods of an organisation admit its
// people only, whatever their Admit says.
func NewSet(apps []*App, methods []*Method, organisations ...*Organisation) *Set {
	set := &Set{
		hosts: make(map[string]*App), methods: make(map[string]*Method),
		organisations: organisations, owners: make(map[string]*Organisation),
	}
	for _, o := range organisations {
		for _, m := range o.Methods {
			set.owners[m] = o
		}
	}
	for _, a := range apps {
		for _, h := range a.Hosts {
			set.hosts[h] = a
		}
	}
	for _, a := range apps {
		a.Activity.compile()
	}
	for _, m := range methods {
		set.methods[m.Name] = m
		m.Env.Method = set.authenticator
		if o := set.owners[m.Name]; o != nil {
			m.Admit.Organisation = o.Name
		}
	}
	for _, a := range apps {
		a.certified = set.asksCertificate(a)
	}
	return set
}

// New returns a Server that answers 421 until it is given a set.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, crossOrigin: http.NewCrossOriginProtection()}
	s.warningTag = `<script src="` + html.EscapeString(cfg.Prefix) + `/warning.js" defer></script>`
	if cfg.HSTS != "" {
		s.hsts = []string{cfg.HSTS}
	}
	s.set.Store(NewSet(nil, nil))
	return s
}

// Swap puts set in force for requests from now on and returns the one before.
// Whoever swaps closes what the old set alone had open.
func (s *Server) Swap(set *Set) *Set {
	for _, app := range set.hosts {
		app.metrics = newAppMetrics(s.Metrics, app.Name)
	}
	for _, m := range set.methods {
		m.tracer = s.Tracer
		if e, ok := m.Config.(interface{ Emergency() bool }); ok && e.Emergency() {
			s.Metrics.MayBreakGlass(m.Name)
		}
	}
	return s.set.Swap(set)
}

// Set is what is in force.
func (s *Server) Set() *Set { return s.set.Load() }

// ServeHTTP is the way of every request: number it, find out who asks, serve,
// and let no fault end more than this one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.open(w, r)
	if s.Tracer != nil {
		var end func()
		r, end = s.follow(x, r)
		defer end()
	}
	defer s.close(x, r)
	r.Body = s.patient(x, r)
	if err := s.serve(x, r); err != nil {
		s.answer(x, r, err)
	}
}

func (s *Server) serve(x *exchange, r *http.Request) error {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return refuse(http.StatusMethodNotAllowed, "method %s", r.Method)
	}
	set := s.set.Load()
	if below(r.URL.Path, s.Prefix+verifyPath) {
		return s.verify(x, r, set)
	}
	app, host, err := set.route(r)
	if err != nil {
		return err
	}
	x.app, x.host = app, host
	if err := s.misdirected(x, r); err != nil {
		return err
	}
	if len(r.RequestURI) > s.MaxTarget {
		return refuse(http.StatusRequestURITooLong, "request target of %d bytes", len(r.RequestURI))
	}
	if r.ProtoMajor >= 2 {
		if err := oneTarget(r); err != nil {
			return err
		}
	}
	path, err := readPath(r, app.RawPath)
	if err != nil {
		return err
	}
	if below(path.Exact, s.Prefix) {
		return s.own(x, r, set, path.Exact[len(s.Prefix):])
	}
	if path.Exact == changePassword && isSafe(r) && set.keepsPasswords(x.app) {
		redirect(x, http.StatusFound, s.accountURL(accountPassword))
		return nil
	}
	return s.gate(x, r, set, path)
}

// HTTPServer returns a server for one listener, with its limits set.
func (s *Server) HTTPServer(limits ServerLimits) *http.Server {
	return &http.Server{
		Handler:           s,
		ConnContext:       connContext,
		ReadHeaderTimeout: limits.HeaderTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    limits.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// ServerLimits bound what a connection may take.
type ServerLimits struct {
	HeaderTimeout  time.Duration
	IdleTimeout    time.Duration
	MaxHeaderBytes int
}

// ToHTTPS redirects plain requests for the hosts of apps to https at port.
func (s *Server) ToHTTPS(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app, _, err := s.set.Load().route(r)
		if err != nil || app == nil || r.URL.Path == "" || r.URL.Path[0] != '/' {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		name, _ := canonicalHost(r.Host)
		if port != "443" && port != "" {
			name += ":" + port
		}
		redirect(w, http.StatusPermanentRedirect, "https://"+name+r.URL.RequestURI())
	})
}
