package config

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func (c *checker) upstream(path string, u *Upstream) {
	if u.URL != nil && (u.URL.RawQuery != "" || u.URL.ForceQuery || u.URL.Fragment != "") {
		c.fault(join(path, "url"), FaultAt{
			Problem: "has a query or a fragment, which would be sent with no request",
			Remedy:  "leave out what follows the path",
		})
	}
	if u.Folder != "" || u.Answer != nil {
		c.local(path, u)
		return
	}
	c.basicUser(join(path, "basic"), u.Basic)
	c.retry(join(path, "retry"), u)
	c.also(path, u)
	c.tlsOf(path, u)
	if pem, ok := c.content(join(path, "ca"), u.CA, 4<<20); ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		c.fault(join(path, "ca"), FaultAt{
			Problem: "holds no certificate", Found: quoted(string(u.CA)),
			Allowed: "a PEM file with BEGIN CERTIFICATE", Remedy: "export the authority's certificate as PEM",
		})
	}
	if u.Host == "" {
		return
	}
	if host, ok := c.host(join(path, "host"), u.Host); ok {
		u.Host = host
	}
}

func (c *checker) basicUser(path string, b *BasicUser) {
	if b == nil {
		return
	}
	for _, key := range []besides{{"user", b.User != ""}, {"password", !b.Password.Empty()}} {
		switch at := join(path, key.key); {
		case c.faulty(at):
		case b.PerUser && key.given:
			c.fault(at, FaultAt{Problem: "stands beside per_user, where everybody has their own", Remedy: "remove one of the two"})
			return
		case !b.PerUser && !key.given:
			c.fault(at, FaultAt{Problem: "is missing", Remedy: "give user and password for everybody, or write per_user: true for each person's own"})
			return
		}
	}
	if own := c.given(path, "self_service"); own.given && !b.PerUser {
		c.fault(join(path, own.key), FaultAt{Problem: "is of no use without per_user", Remedy: "remove it, or write per_user: true"})
		return
	}
	unwritable := func(s string) bool {
		return len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	}
	if at := join(path, "user"); !c.faulty(at) && (unwritable(b.User) || strings.Contains(b.User, ":")) {
		c.fault(at, FaultAt{Problem: "cannot be sent", Found: quoted(b.User), Allowed: "up to 1024 bytes, no colon and no control character", Remedy: "choose another user"})
	}
	if at := join(path, "password"); !c.faulty(at) && unwritable(b.Password.Reveal()) {
		c.fault(at, FaultAt{Problem: "cannot be sent", Allowed: "up to 1024 bytes, no control character such as the end of a line", Remedy: "choose another password"})
	}
}

// ownLogins checks that people can have accounts, which names and passwords of their own
// are kept with.
func (c *checker) ownLogins(path string, a *App) {
	for _, name := range append(slices.Clone(a.Methods), c.file.Guests(a)...) {
		if i := c.method(name); i >= 0 && !isEmergency(&c.file.Methods[i]) && c.file.Methods[i].accounts() {
			return
		}
	}
	ask := func(at string, u *Upstream) {
		if at = join(at, "basic.per_user"); u.Basic != nil && u.Basic.PerUser && u.Basic.User == "" && u.Basic.Password.Empty() && !c.faulty(at) {
			c.fault(at, FaultAt{
				Problem: "keeps names and passwords with people's accounts, and nobody who comes by a method of this app has one",
				Remedy:  "write admit: {account: create} at the method, or give user and password for everybody",
			})
		}
	}
	ask(join(path, "upstream"), &a.Upstream)
	for i := range a.Upstreams {
		ask(item(join(path, "upstreams"), i), &a.Upstreams[i].Upstream)
	}
}

// maxAlso is how many addresses there may be beside url.
const maxAlso = 15

// retry checks which answers another address is asked about.
func (c *checker) retry(path string, u *Upstream) {
	if u.Retry == nil {
		return
	}
	if len(u.Also) == 0 && !c.faulty(path) {
		c.fault(path, FaultAt{Problem: "is of no use for one address: an answer is put to another, never to the same again", Remedy: "remove it, or list more addresses in also"})
		return
	}
	at := join(path, "statuses")
	if len(u.Retry.Statuses) == 0 && !c.faulty(at) {
		c.fault(at, FaultAt{Problem: "the list is empty, so nothing would be asked again", Remedy: "list statuses such as 503, or remove retry"})
	}
	for i, status := range u.Retry.Statuses {
		if at := item(at, i); status != http.StatusTooManyRequests && (status < 500 || status > 599) && !c.faulty(at) {
			c.fault(at, FaultAt{
				Problem: "does not say that another address could do better", Found: strconv.Itoa(status),
				Allowed: "429, 500 to 599", Remedy: "remove it",
			})
		}
	}
}

// also checks that further addresses differ from url in host and port alone.
func (c *checker) also(path string, u *Upstream) {
	if h := u.Health; h != nil {
		c.plainPath(join(path, "health.path"), h.Path)
		if len(u.Also) == 0 {
			c.fault(join(path, "health"), FaultAt{Problem: "is of no use for one address: there is no other to use instead", Remedy: "remove it, or list more addresses in also"})
		}
	}
	if len(u.Also) == 0 || c.faulty(join(path, "url")) {
		return
	}
	if u.URL == nil {
		c.fault(join(path, "also"), FaultAt{Problem: "stands without url", Remedy: "make its first address the url"})
		return
	}
	if u.URL.Scheme == "unix" || len(u.Also) > maxAlso {
		c.fault(join(path, "also"), FaultAt{
			Problem: "cannot be shared among so many", Allowed: fmt.Sprintf("at most %d beside url, none beside a socket", maxAlso), Remedy: "remove some",
		})
		return
	}
	seen := map[string]bool{strings.ToLower(u.URL.Host): true}
	for i, a := range u.Also {
		host := ""
		if a != nil {
			host = strings.ToLower(a.Host)
		}
		at := item(join(path, "also"), i)
		switch {
		case a == nil || c.faulty(at):
		case a.Scheme != u.URL.Scheme || strings.TrimRight(a.EscapedPath(), "/") != strings.TrimRight(u.URL.EscapedPath(), "/") || a.RawQuery != "" || a.ForceQuery || a.Fragment != "":
			c.fault(at, FaultAt{
				Problem: "differs from url in more than host and port", Found: quoted(a.String()),
				Remedy: "write scheme and path as in url; what listens elsewhere is one of upstreams",
			})
		case seen[host]:
			c.fault(at, FaultAt{Problem: "is there twice", Found: quoted(a.String()), Remedy: "keep one of the two"})
		}
		seen[host] = true
	}
}

// tlsOf checks what is of use for https alone, and the client's certificate.
func (c *checker) tlsOf(path string, u *Upstream) {
	secure := u.URL == nil || u.URL.Scheme == "https" // without an address nobody knows
	for _, k := range []struct {
		key   string
		given bool
	}{{"ca", u.CA != ""}, {"server_name", u.ServerName != ""}, {"cert", u.Cert != ""}, {"key", u.Key != ""}} {
		if k.given && !secure {
			c.fault(join(path, k.key), FaultAt{Problem: "is of no use for an application on plain http", Remedy: "write https:// in url, or remove " + k.key})
			return
		}
	}
	if u.URL != nil && secure && u.H2C {
		c.fault(join(path, "h2c"), FaultAt{Problem: "is HTTP/2 without TLS, and https agrees on HTTP/2 by itself", Remedy: "remove h2c, or write http:// in url"})
	}
	if (u.Cert == "") != (u.Key == "") {
		c.fault(join(path, "cert"), FaultAt{Problem: "cert and key go together", Remedy: "give both or neither"})
		return
	}
	if u.Cert != "" {
		c.pair(path, Certificate{Cert: u.Cert, Key: u.Key})
	}
}

// branches checks the paths of upstreams, and where they lead.
func (c *checker) branches(path string, all []Branch) {
	taken := make(map[string]string) // path → path of the key that has it
	for i := range all {
		b := &all[i]
		at := item(path, i)
		if !b.Leads() && !c.faulty(join(at, "url")) && !c.faulty(join(at, "folder")) && !c.faulty(join(at, "answer")) {
			c.fault(join(at, "url"), FaultAt{Problem: "is missing", Remedy: "add url: Address of the application, http or https"})
		}
		c.upstream(at, &b.Upstream)
		if c.plainPath(join(at, "rewrite"), b.Rewrite) && (b.Folder != "" || b.Answer != nil) {
			c.fault(join(at, "rewrite"), FaultAt{Problem: "is of no use where no application is asked: files of folder stand below path", Remedy: "remove it"})
		}
		if !c.plainPath(join(at, "path"), b.Path) {
			continue
		}
		bare := strings.TrimRight(b.Path, "/")
		if bare == "" {
			c.fault(join(at, "path"), FaultAt{
				Problem: "is every path, and where those go is said by upstream", Found: quoted(b.Path),
				Remedy: "put its address into upstream.url, or write a longer path",
			})
			continue
		}
		if other := taken[bare]; other != "" {
			c.fault(join(at, "path"), FaultAt{
				Problem: fmt.Sprintf("the path is taken by %s in line %d", other, c.locate(other).line), Found: quoted(b.Path),
				Remedy: "keep one of the two",
			})
			continue
		}
		taken[bare] = join(at, "path")
	}
}

// plainPath reports whether text is a path as requests have them, decoded, without
// wildcards.
func (c *checker) plainPath(path, text string) bool {
	if text == "" || c.faulty(path) {
		return false
	}
	fault := FaultAt{Found: quoted(text), Allowed: "a path such as /api, which stands for all below it, too"}
	switch {
	case text[0] != '/':
		fault.Problem = "does not begin with a slash"
		fault.Remedy = "write /" + shown(text)
	case strings.ContainsAny(text, `?#;*%\`):
		fault.Problem = "holds a character that has a meaning of its own"
		fault.Remedy = "write the beginning of the path alone, without wildcards and % escapes"
	case !canonicalPath(text):
		fault.Problem = "is never the path of a request"
		fault.Remedy = "remove empty segments, . and .."
	default:
		return true
	}
	c.fault(path, fault)
	return false
}

func (c *checker) maintenance(path string, m *Maintenance) {
	if m != nil && m.File != "" && !filepath.IsAbs(m.File) {
		c.fault(join(path, "file"), FaultAt{
			Problem: "is not an absolute path", Found: quoted(m.File),
			Remedy: "write it from the root on, such as /run/foregate/maintenance",
		})
	}
}
