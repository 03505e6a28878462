package proxy

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"foregate/authn/accounts"
	"foregate/proxy/pages"
	"foregate/upstream"
)

// App is one application behind Foregate.
type App struct {
	Name        string
	Hosts       []string // ASCII, lower case, without a trailing dot; with a port only that port is answered
	Methods     []string // names of the ways to sign in, in the order of their buttons
	Guests      []string // further ones, of organisations, which are offered to their people
	Discover    bool     // the sign-in page asks for the e-mail address first
	Kinds       []string // of the accounts that may come in; empty: all, and people without one
	Policy      *Policy
	Upstream    *upstream.Upstream
	Maintenance *Maintenance     // nil: none
	Verifiers   []netip.Prefix   // proxies that carry its requests and ask about each; empty: Foregate carries them
	Terms       map[string]Terms // by method
	Basic       *Basic           // user name and password with each request of programs; nil: not here
	Activity    Activity
	Roles       accounts.Roles
	Look        pages.Look
	ReturnHosts []string       // further hosts that a sign-in may return to; ".example.org" covers subdomains
	RawPath     bool           // encoded and doubled slashes reach the application
	SharedIdle  time.Duration  // idle time of sessions that begin there, if it is shorter; 0: as elsewhere
	SelfService bool           // people enter their own name and password for it themselves, see login.go
	Warns       bool           // the script that warns before the end is put into its pages
	Audience    string         // which sessions are good here
	Shared      []netip.Prefix // where devices are that several people share; see shared.go

	metrics   appMetrics
	certified bool // some method looks at the browser's certificate
}

// calledBy is the name of the app for people.
func (a *App) calledBy() string { return cmp.Or(a.Look.Title, a.Name) }

// terms of sessions that a method began. A method that is not the app's has none,
// and begins none.
func (a *App) terms(method string) Terms { return a.Terms[method] }

// offers reports whether people may sign in by a method here.
func (a *App) offers(method string) bool {
	return slices.Contains(a.Methods, method) || slices.Contains(a.Guests, method)
}

// all are the methods that offers is true for, the app's own first.
func (a *App) all() []string { return slices.Concat(a.Methods, a.Guests) }

// invites reports whether the app offers a method to people of an organisation alone.
func (a *App) invites(method string) bool { return slices.Contains(a.Guests, method) }

// canonicalHost returns the host that a request names, in the one form that apps
// are configured in, and the same with its port. Both are empty when the Host
// header is no plain host name or address.
func canonicalHost(host string) (name, withPort string) {
	for i := 0; i < len(host); i++ {
		c := host[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		case c >= 'A' && c <= 'Z':
			return canonicalHost(strings.ToLower(host))
		default:
			return "", ""
		}
	}
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || host[0] == '[' && host[len(host)-1] == ']' {
		return host, host
	}
	name, port := host[:colon], host[colon+1:]
	if port == "" || strings.Trim(port, "0123456789") != "" || strings.IndexByte(name, ':') >= 0 && name[0] != '[' {
		return "", ""
	}
	return name, host
}

// route returns the app of a request's host. A name with a trailing dot, though
// the same to the DNS, has cookies of its own in browsers and is not served.
func (set *Set) route(r *http.Request) (*App, string, error) {
	name, withPort := canonicalHost(r.Host)
	if name != "" {
		if app := set.hosts[withPort]; app != nil {
			return app, withPort, nil
		}
		if app := set.hosts[name]; app != nil {
			return app, withPort, nil
		}
	}
	return nil, "", refuse(http.StatusMisdirectedRequest, "no application is configured for this host")
}
