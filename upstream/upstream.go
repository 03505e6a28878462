// Package upstream carries a request to the application as someone. It is the
// only door out.
//
// Forward receives a request that the proxy has let through, with a Trip that
// says for whom and from where. It copies the request, takes off every header
// that a client has no business to send, sets the identity headers that the
// session's Credentials hold ready, and hands it to one tuned transport. On the
// way back it takes our cookies off the response and lets the rest stream.
package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
)

// Config describes one application. Only Name and URL are required.
type Config struct {
	Name      string  // the application's name: the audience of its assertions
	Headers   Headers // which identity headers it gets, and from what
	Assertion bool    // send X-Foregate-Assertion, a signed JWT (RFC 7519)

	Route          // where requests go that none of Routes takes; its Path is empty
	Routes []Route // where those below a path go; the longest path wins

	// Strip names further headers that are never accepted from a client. Give the
	// identity headers of all applications: a client of one must not be able to
	// send what another believes.
	Strip []string

	RawQuery bool // queries with ";" or a bad percent escape go out unchanged; otherwise such parameters are dropped

	OwnCookie    func(name string) bool // our cookies: dropped from the application's Set-Cookie
	StripCookies func(h http.Header)    // takes our cookies off a request's header
	Tunnels      *Tunnels               // where WebSockets are noted; nil for nowhere

	// OnError answers a request that could not be forwarded. err is always an
	// *authn.Error with Status and words; r is the request as Forward got it. Nil
	// means a bare status line in plain text.
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	Log *slog.Logger // responses that broke off half-way; nil keeps quiet
}

// Upstream is one application, ready to be forwarded to. It is safe for
// concurrent use.
type Upstream struct {
	cfg       Config
	headers   []header
	forbidden *nameSet
	signer    *Signer
	signing   sync.Mutex
	buffers   httputil.BufferPool
	routes    []*route // the longest path first, every path last
	perUser   bool     // one of them sends people's own names and passwords

	insertFault sync.Once
}

// New checks cfg and makes an Upstream of it. It does not connect. The signer may
// be nil unless cfg.Assertion is set.
func New(cfg Config, signer *Signer) (*Upstream, error) {
	if err := cfg.check(signer); err != nil {
		return nil, fmt.Errorf("upstream %q: %w", cfg.Name, err)
	}
	if cfg.OnError == nil {
		cfg.OnError = plainError
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	u := &Upstream{
		cfg:       cfg,
		headers:   cfg.Headers.list(),
		forbidden: forbiddenNames(cfg.Headers.Names(), cfg.Strip),
		signer:    signer,
		buffers:   newBuffers(),
	}
	for _, r := range cfg.all() {
		u.routes = append(u.routes, u.newRoute(r))
		u.perUser = u.perUser || r.PerUser
	}
	byLength(u.routes)
	return u, nil
}

// Close gives up idle connections. Requests under way end undisturbed.
func (u *Upstream) Close() {
	for _, r := range u.routes {
		if r.isLocal() {
			continue
		}
		r.transport.CloseIdleConnections()
		if r.pool != nil {
			r.pool.close()
		}
		if d, ok := r.proxy.Transport.(*direct); ok {
			d.CloseIdleConnections()
		}
	}
}

// all are the routes, none where another proxy carries the requests.
func (c *Config) all() []Route {
	if c.URL == nil && !c.isLocal() && len(c.Routes) == 0 {
		return nil
	}
	return slices.Concat(c.Routes, []Route{c.Route})
}

func (c *Config) check(signer *Signer) error {
	switch {
	case c.Name == "":
		return errors.New("a name is missing")
	case c.Path != "":
		return errors.New("the route of every path has a path")
	case c.Assertion && signer == nil:
		return errors.New("an assertion is asked for, and there is no key to sign it")
	}
	paths := make(map[string]bool)
	for _, r := range c.all() {
		if err := r.check(); err != nil {
			return err
		}
		path := strings.TrimRight(r.Path, "/")
		if paths[path] {
			return fmt.Errorf("two routes have the path %q", r.Path)
		}
		paths[path] = true
	}
	for _, name := range c.Strip {
		if len(name) > maxName {
			return fmt.Errorf("header name %q is longer than %d characters", name, maxName)
		}
	}
	return c.Headers.Validate()
}

// brokenOff takes the lines that ReverseProxy writes when a body ends early.
type brokenOff struct {
	log *slog.Logger
	app string
}

func (b brokenOff) Write(line []byte) (int, error) {
	b.log.Warn("response from the application broke off", "app", b.app, "detail", string(line))
	return len(line), nil
}
