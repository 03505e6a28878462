package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// Route is where the requests below one path of an application go. The zero Path
// is every path.
type Route struct {
	// Path is this path and all below it: "/api" and "/api/" both are /api, /api/
	// and /api/x, and never /apis. It is compared with the decoded path, which is
	// the one that rules are asked about; an encoded slash is part of a name here.
	Path string

	// Rewrite is put in place of Path; "" leaves the path as it is.
	Rewrite string

	// URL is http or https, a host, optionally a base path that is put before every
	// path; or unix:///run/app.sock, a socket on which http is spoken.
	URL *url.URL
	// Folder and Answer are in place of URL: nobody is asked. Folder is an absolute
	// path whose files stand below Path; nothing outside of it is reached, also not
	// by a link, and what begins with a dot is not served.
	Folder string
	Answer *Answer
	// Also are more addresses, host and port, at which the same application listens:
	// requests are shared among them and that of URL. Not with a socket.
	Also       []string
	Health     Health // how each of them is asked whether it can take requests
	Retry      Retry  // which of their answers are put to another of them
	Least      bool   // to the one with the fewest requests under way; false is each in turn
	Sticky     bool   // those of one person to the same address, while that can take them
	HostHeader string // the Host header to send; "" keeps the one that the browser asked for
	// Basic is sent with the requests of people who are signed in, and nobody else's;
	// the client's own Authorization then never is. nil is none.
	Basic *BasicUser
	// PerUser is in place of Basic: everybody's own, which their Credentials hold (see
	// KeepLogin). Who is signed in and has none is refused.
	PerUser bool
	H2C     bool // speak HTTP/2 without TLS, and nothing else (RFC 9113, section 3.3)

	// Of an https application.
	CA          *x509.CertPool   // who may sign its certificate; nil means the system's
	ServerName  string           // the name in its certificate, and in SNI; "" is that of URL
	Certificate *tls.Certificate // our own, if it asks; nil is none

	Timeouts Timeouts
	MaxBody  int64 // bytes of a request's body, more is 413; 0 means any number

	socket string // path of a Unix socket; "" is TCP
}

// route is a Route, ready to be used.
type route struct {
	Route
	basic     []string // the Authorization header; nil is none
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	pool      *pool // nil for one address
}

// newRoute makes a Route ready. It does not connect.
func (u *Upstream) newRoute(r Route) *route {
	r.Path = strings.TrimRight(r.Path, "/")
	if r.isLocal() {
		return &route{Route: r}
	}
	if r.URL.Scheme == "unix" {
		r.socket, r.URL = r.URL.Path, &url.URL{Scheme: "http", Host: "unix"}
	}
	own := &route{Route: r, transport: newTransport(r), basic: r.Basic.header()}
	var way http.RoundTripper
	if len(r.Also) > 0 {
		own.pool = newPool(r, guarded{own.transport}, u.cfg.Name, u.cfg.Log)
		way = own.pool
	} else {
		way = newDirect(r, guarded{own.transport})
	}
	own.proxy = &httputil.ReverseProxy{
		Rewrite:        u.rewrite,
		Transport:      way,
		BufferPool:     u.buffers,
		ModifyResponse: u.modifyResponse,
		ErrorHandler:   u.transportFailed,
		ErrorLog:       log.New(brokenOff{u.cfg.Log, u.cfg.Name}, "", 0),
	}
	return own
}

// byLength puts the longest path first, so that the first that matches wins.
func byLength(routes []*route) {
	slices.SortStableFunc(routes, func(a, b *route) int { return len(b.Path) - len(a.Path) })
}

// routeOf returns where a request goes, and how many bytes of its escaped path
// the route's own path takes up.
func (u *Upstream) routeOf(at *url.URL) (r *route, taken int) {
	if len(u.routes) == 0 {
		return nil, 0
	}
	last := len(u.routes) - 1
	for _, r := range u.routes[:last] {
		if n, ok := covers(r.Path, at); ok {
			return r, n
		}
	}
	return u.routes[last], 0 // every path
}

// covers reports whether a path without a slash at its end is that of at or above
// it, and over how many bytes it is spelt there.
func covers(path string, at *url.URL) (n int, ok bool) {
	if at.RawPath == "" {
		ok = strings.HasPrefix(at.Path, path) && (len(at.Path) == len(path) || at.Path[len(path)] == '/')
		return len(path), ok
	}
	raw := at.EscapedPath()
	for i := range len(path) {
		c, size := octet(raw[n:])
		if size == 0 || c != path[i] || c == '/' && size > 1 {
			return 0, false
		}
		n += size
	}
	return n, n == len(raw) || raw[n] == '/'
}

// octet is the first octet that an escaped path stands for, and the bytes it is
// written with; none at the end.
func octet(raw string) (c byte, size int) {
	switch {
	case raw == "":
		return 0, 0
	case raw[0] != '%':
		return raw[0], 1
	}
	plain, err := url.PathUnescape(raw[:min(3, len(raw))])
	if err != nil {
		return 0, 0
	}
	return plain[0], 3
}

// readdress puts Rewrite in place of the first taken bytes of the escaped path.
func (r *route) readdress(at *url.URL, taken int) {
	if r.Rewrite == "" {
		return
	}
	rest := at.EscapedPath()[taken:]
	to := strings.TrimRight((&url.URL{Path: r.Rewrite}).EscapedPath(), "/")
	raw := to + rest
	if raw == "" {
		raw = "/"
	}
	if plain, err := url.PathUnescape(raw); err == nil { // it was readable before, and what was put in is
		at.Path, at.RawPath = plain, raw
	}
}

// limit refuses a body that says it is too large, and cuts one that does not say.
func (r *route) limit(in *http.Request) error {
	if r.MaxBody <= 0 || in.Body == nil || in.Body == http.NoBody {
		return nil
	}
	if in.ContentLength > r.MaxBody {
		return &http.MaxBytesError{Limit: r.MaxBody}
	}
	in.Body = http.MaxBytesReader(nil, in.Body, r.MaxBody)
	return nil
}

func (r *Route) check() error {
	if err := r.Basic.check(); err != nil {
		return err
	}
	if r.PerUser && (r.Basic != nil || r.isLocal()) {
		return errors.New("people's own names and passwords are sent to an application, in place of one for all")
	}
	if err := r.Retry.check(1 + len(r.Also)); err != nil {
		return err
	}
	switch {
	case r.isLocal():
		return r.checkLocal()
	case r.URL != nil && r.URL.Scheme == "unix":
		return r.checkSocket()
	case r.URL == nil || r.URL.Host == "":
		return errors.New("the address has no host")
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return fmt.Errorf("the address begins with %q and not with http or https", r.URL.Scheme)
	case r.URL.User != nil || r.URL.RawQuery != "" || r.URL.ForceQuery || r.URL.Fragment != "":
		return errors.New("the address may hold a host and a path, and nothing else")
	}
	if len(r.Also) >= maxAddresses {
		return fmt.Errorf("there are more than %d addresses", maxAddresses)
	}
	seen := map[string]bool{r.URL.Host: true}
	for _, host := range r.Also {
		if host == "" || seen[host] {
			return fmt.Errorf("the address %q is there twice, or empty", host)
		}
		seen[host] = true
	}
	return r.checkPaths()
}

func (r *Route) checkSocket() error {
	if len(r.Also) > 0 {
		return errors.New("a socket has no other addresses")
	}
	if r.URL.Host != "" || !strings.HasPrefix(r.URL.Path, "/") || r.URL.User != nil || r.URL.RawQuery != "" || r.URL.Fragment != "" {
		return errors.New("a socket is written unix:///path and nothing else")
	}
	return r.checkPaths()
}

func (r *Route) checkPaths() error {
	switch {
	case r.H2C && r.URL.Scheme == "https":
		return errors.New("https agrees on HTTP/2 by itself")
	case r.Path != "" && r.Path[0] != '/', r.Rewrite != "" && r.Rewrite[0] != '/':
		return errors.New("a path must begin with a slash")
	case r.Path == "" && r.Rewrite != "":
		return errors.New("there is no path to be rewritten")
	}
	return nil
}
