package proxy

import (
	"net/url"
	"strings"
)

// maxReturn bounds a return address; longer ones go back to the start page.
const maxReturn = 2 << 10

// returnTo makes of what a request asks to return to a Location that is safe to
// send: a path on this host, or an address on a host that the app lists. What is
// anything else becomes "/". It is asked when an address is stored and again
// when it is used.
func returnTo(rd string, prefix, host string, allowed []string) string {
	if plainReturn(rd) && !noReturn(rd, prefix) {
		return rd
	}
	if rd == "" || len(rd) > maxReturn || strings.ContainsFunc(rd, unsafeInLocation) {
		return "/"
	}
	u, err := url.Parse(rd)
	if err != nil || u.Opaque != "" || u.User != nil {
		return "/"
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Scheme != "" || u.Host != "" {
		return returnElsewhere(u, prefix, host, allowed)
	}
	if !localPath(u.EscapedPath()) || !localPath(u.Path) || noReturn(u.Path, prefix) {
		return "/"
	}
	return u.String()
}

// unsafeInLocation finds what a browser drops, folds or reads differently in an
// address: controls, white space, the backslash, and everything beyond ASCII.
func unsafeInLocation(c rune) bool {
	return c <= ' ' || c >= 0x7f || c == '\\'
}

// localPath reports whether p stays on the host: one slash, and then no second
// one in any spelling.
func localPath(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	return len(p) == 1 || p[1] != '/' && p[1] != '\\' && !strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' })
}

// noReturn refuses Foregate's own addresses: one that signs in or out would do so again
// and again. The person's own page does neither.
func noReturn(p, prefix string) bool {
	if !below(p, prefix) {
		return false
	}
	switch p[len(prefix):] {
	case "/account", "/account/" + accountPassword, "/account/" + accountApp:
		return false
	}
	return true
}

func below(p, prefix string) bool {
	return p == prefix || strings.HasPrefix(p, prefix+"/")
}

func returnElsewhere(u *url.URL, prefix, host string, allowed []string) string {
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" && !localPath(u.Path) {
		return "/"
	}
	name, withPort := canonicalHost(u.Host)
	if name == "" {
		return "/"
	}
	if withPort == host {
		u.Scheme, u.Host = "", ""
		return returnTo(u.String(), prefix, host, nil)
	}
	for _, a := range allowed {
		if a == withPort || a == name || strings.HasPrefix(a, ".") && strings.HasSuffix(name, a) {
			u.Host = withPort
			return u.String()
		}
	}
	return "/"
}

// plainReturn recognises a path of which nothing can be read in two ways, as
// nearly all are: it need not be parsed.
func plainReturn(rd string) bool {
	return rd != "" && rd[0] == '/' && len(rd) <= maxReturn && shapeOf(rd) != odd
}
