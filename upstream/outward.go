package upstream

import (
	"net/http"
	"net/url"
	"strings"
)

// An application that knows only its inner name redirects people to it, and binds
// its cookies to it. outward puts the names that browsers know in their place. What
// names anything else is the application's own affair and stays as it is.
func (p *passage) outward(h http.Header) {
	for _, name := range []string{"Location", "Content-Location"} {
		if v := h[name]; len(v) == 1 {
			p.replace(h, name, p.outwardURL(v[0]))
		}
	}
	if v := h["Refresh"]; len(v) == 1 {
		p.replace(h, "Refresh", p.outwardRefresh(v[0]))
	}
	for i, line := range h["Set-Cookie"] {
		h["Set-Cookie"][i] = p.outwardCookie(line)
	}
}

func (*passage) replace(h http.Header, name, value string) {
	if h[name][0] != value {
		h[name] = []string{value}
	}
}

// outwardURL is a reference of the application as a browser must follow it.
func (p *passage) outwardURL(ref string) string {
	u, err := url.Parse(ref)
	if err != nil || ref == "" {
		return ref
	}
	if u.Host == "" {
		path := ref
		if ref[0] == '/' {
			path = p.route.outwardPath(ref)
		}
		if strings.HasPrefix(path, "//") || strings.HasPrefix(path, `/\`) {
			return ref // without its beginning the path would be somebody else's host
		}
		return path
	}
	if p.trip.Host == "" || p.trip.Scheme == "" || !p.route.isInner(u) {
		return ref
	}
	_, path, _ := strings.Cut(ref, "//")
	if i := strings.IndexAny(path, "/?#"); i >= 0 {
		path = path[i:]
	} else {
		path = ""
	}
	return p.trip.Scheme + "://" + p.trip.Host + p.route.outwardPath(path)
}

// outwardRefresh is the header Refresh, "5; url=/next", as browsers read it.
func (p *passage) outwardRefresh(value string) string {
	i := strings.Index(strings.ToLower(value), "url=")
	if i < 0 {
		return value
	}
	ref := value[i+len("url="):]
	quote := ""
	if ref != "" && (ref[0] == '"' || ref[0] == '\'') {
		quote = ref[:1]
		ref, _, _ = strings.Cut(ref[1:], quote)
	}
	return value[:i+len("url=")] + quote + p.outwardURL(strings.TrimSpace(ref)) + quote
}

// outwardCookie takes an inner name off a cookie, which is then the browser's
// host's alone, and puts its path below the route's. A cookie of every path stays
// one: other parts of the application may want it.
func (p *passage) outwardCookie(line string) string {
	if !strings.Contains(line, ";") {
		return line
	}
	parts := strings.Split(line, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "domain":
			if p.route.isInnerName(strings.TrimPrefix(value, ".")) && !sameHost(p.trip.Host, value) {
				continue
			}
		case "path":
			if path := p.route.outwardPath(value); p.route.innerPath() != "" && path != value {
				part = name + "=" + path
			}
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";")
}

// isInner reports whether a URL is that of the application as only we reach it.
func (r *route) isInner(u *url.URL) bool {
	if u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(r.HostHeader, u.Host) || r.isAddress(u)
}

// isAddress reports whether a URL has the host and port of one of the addresses.
func (r *route) isAddress(u *url.URL) bool {
	named := hostAndPort(u, r.URL.Scheme)
	if strings.EqualFold(hostAndPort(r.URL, r.URL.Scheme), named) {
		return true
	}
	for _, host := range r.Also {
		if strings.EqualFold(hostAndPort(&url.URL{Host: host}, r.URL.Scheme), named) {
			return true
		}
	}
	return false
}

func hostAndPort(u *url.URL, scheme string) string {
	if u.Scheme != "" {
		scheme = u.Scheme
	}
	switch {
	case u.Port() != "":
		return u.Host
	case scheme == "https":
		return u.Host + ":443"
	}
	return u.Host + ":80"
}

func (r *route) isInnerName(name string) bool {
	if name == "" {
		return false
	}
	for _, host := range r.Also {
		if sameHost(host, name) {
			return true
		}
	}
	return strings.EqualFold(name, r.URL.Hostname()) || sameHost(r.HostHeader, name)
}

// sameHost reports whether host, perhaps with a port, has a cookie's domain as name.
func sameHost(host, domain string) bool {
	return strings.EqualFold((&url.URL{Host: host}).Hostname(), strings.TrimPrefix(domain, "."))
}

// innerPath is what the application sees in place of the route's path.
func (r *route) innerPath() string {
	path := strings.TrimRight(r.URL.EscapedPath(), "/")
	if r.Rewrite != "" {
		path += strings.TrimRight((&url.URL{Path: r.Rewrite}).EscapedPath(), "/")
	}
	return path
}

// outwardPath is a path, with query and fragment, of the application as browsers
// ask for it. One that no browser's path leads to stays.
func (r *route) outwardPath(path string) string {
	inner, outer := r.innerPath(), ""
	if r.Rewrite != "" {
		outer = (&url.URL{Path: r.Path}).EscapedPath()
	}
	rest, ok := strings.CutPrefix(path, inner)
	if !ok || inner == outer || rest != "" && !strings.ContainsRune("/?#", rune(rest[0])) {
		return path
	}
	if outer == "" && (rest == "" || rest[0] != '/') {
		outer = "/"
	}
	return outer + rest
}
