package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func (c *checker) apps() {
	names := make(map[string]int)
	taken := make(map[string]string) // host → path of the key that has it
	for i := range c.file.Apps {
		a := &c.file.Apps[i]
		at := item("apps", i)
		c.name(a.Name, at, "apps", names, i)
		c.hosts(join(at, "hosts"), a.Hosts, taken)
		c.returnHosts(join(at, "return_hosts"), a.ReturnHosts)
		c.methodNames(join(at, "methods"), a.Methods, c.configured())
		c.invited(at, a)
		c.taken(join(at, "methods"), append(slices.Clone(a.Methods), c.file.Guests(a)...))
		c.upstream(join(at, "upstream"), &a.Upstream)
		c.branches(join(at, "upstreams"), a.Upstreams)
		c.ownLogins(at, a)
		c.basic(join(at, "basic.method"), a)
		c.maintenance(join(at, "maintenance"), a.Maintenance)
		c.forwardAuth(at, a)
		c.rules(join(at, "rules"), a)
		c.headers(join(at, "headers"), &a.Headers)
		c.terms(join(at, "session"), &a.Session)
		c.sharedIdle(join(at, "shared_idle"), a)
		for j, p := range a.Activity.Except {
			c.rulePath(item(join(at, "activity.except"), j), p)
		}
		c.page(join(at, "page"), a)
	}
}

// hosts puts every host into its canonical form.
func (c *checker) hosts(path string, hosts []string, taken map[string]string) {
	for i, h := range hosts {
		at := item(path, i)
		if host, ok := c.host(at, h); ok {
			hosts[i] = host
			if other := taken[host]; other != "" {
				c.fault(at, FaultAt{
					Problem: fmt.Sprintf("the host is taken by %s in line %d", other, c.locate(other).line),
					Found:   quoted(h), Remedy: "keep it in one place",
				})
				continue
			}
			taken[host] = at
		}
	}
}

// returnHosts are hosts like the others, or with a leading dot all hosts below a
// domain, which must then be somebody's own.
func (c *checker) returnHosts(path string, hosts []string) {
	for i, h := range hosts {
		at := item(path, i)
		bare, below := strings.CutPrefix(h, ".")
		host, ok := c.host(at, bare)
		if !ok {
			continue
		}
		hosts[i] = h[:len(h)-len(bare)] + host
		if suffix, _ := publicsuffix.PublicSuffix(host); below && suffix == host {
			c.fault(at, FaultAt{
				Problem: "would let a sign-in lead to anybody's site", Found: quoted(h),
				Remedy: "write a domain of your own",
			})
		}
	}
}

func (c *checker) host(path, h string) (string, bool) {
	if c.faulty(path) {
		return "", false
	}
	host, err := canonicalHost(h)
	if err == nil {
		return host, true
	}
	fault := FaultAt{
		Problem: err.Error(), Found: quoted(h),
		Allowed: "a name such as careplan.hospital.example, with :port only if people type it",
		Remedy:  "write the name alone, in lower case",
	}
	var bad *badHost
	if errors.As(err, &bad) && bad.meant != "" {
		fault.Remedy = "write " + bad.meant
	}
	if strings.Contains(h, "@") {
		fault.Found = "" // what stands before the @ may be a password
	}
	c.fault(path, fault)
	return "", false
}

func (c *checker) configured() []string {
	var names []string
	for _, m := range c.file.Methods {
		if m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// taker is a method's configuration that recognises people by something in a
// request, which it names.
type taker interface{ Takes(method string) string }

// taken checks that no two methods of an app take the same thing in a request.
func (c *checker) taken(path string, names []string) {
	by := make(map[string]string)
	for i, name := range names {
		m := slices.IndexFunc(c.file.Methods, func(m Method) bool { return m.Name == name })
		if m < 0 {
			continue
		}
		t, ok := c.file.Methods[m].Config.(taker)
		if !ok {
			continue
		}
		what := t.Takes(name)
		if other := by[what]; other != "" && other != name {
			c.fault(item(path, i), FaultAt{
				Problem: fmt.Sprintf("takes %s, as %s does, which would refuse its people", what, other),
				Remedy:  "give the two different parameters, or tell them apart by partner_parameter",
			})
		}
		by[what] = name
	}
}

// methodNames checks names of methods against those that may stand there.
func (c *checker) methodNames(path string, names, known []string) {
	if len(known) == 0 && c.faulty("methods") {
		return
	}
	for i, name := range names {
		at := item(path, i)
		switch {
		case slices.Contains(names[:i], name):
			c.fault(at, FaultAt{Problem: "is listed twice", Found: quoted(name), Remedy: "remove one of the two"})
		case !slices.Contains(known, name):
			c.fault(at, FaultAt{
				Problem: "there is no such method", Found: quoted(name),
				Allowed: cmp.Or(strings.Join(known, ", "), "none yet"), Nearest: nearest(name, known),
				Remedy: "write the name of one of the methods",
			})
		}
	}
}

// basic must name a way that takes a user name and a password, of the app's own.
func (c *checker) basic(path string, a *App) {
	if a.Basic == nil || c.faulty(path) {
		return
	}
	var able []string
	for _, m := range c.file.Methods {
		if slices.Contains(a.Methods, m.Name) && (m.Kind == "ldap" || m.Kind == "local") {
			able = append(able, m.Name)
		}
	}
	if !slices.Contains(able, a.Basic.Method) {
		c.fault(path, FaultAt{
			Problem: "is no method of this app that takes a user name and a password", Found: quoted(a.Basic.Method),
			Allowed: cmp.Or(strings.Join(able, ", "), "none yet"), Remedy: "write the name of one of the app's methods with ldap or local",
		})
	}
}

// cookieDomain checks that browsers would send the cookie to every host.
func (c *checker) cookieDomain() {
	const at = "session.cookie.domain"
	domain := c.file.Session.Cookie.Domain
	if domain == "" || c.faulty(at) {
		return
	}
	if bare := strings.TrimPrefix(domain, "."); bare != domain {
		c.fault(at, FaultAt{Problem: "begins with a dot", Found: quoted(domain), Remedy: "write " + shown(bare)})
		return
	}
	host, ok := c.host(at, domain)
	if !ok {
		return
	}
	name, port, _ := splitPort(host)
	if _, err := netip.ParseAddr(name); err == nil || port != "" || strings.HasPrefix(name, "[") {
		c.fault(at, FaultAt{Problem: "is not a domain", Found: quoted(domain), Allowed: "a name such as hospital.example", Remedy: "write the name alone, or leave it empty"})
		return
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
		c.fault(at, FaultAt{Problem: "is a public suffix, for which browsers refuse cookies", Found: quoted(domain), Remedy: "write a domain of your own"})
		return
	}
	c.file.Session.Cookie.Domain = name
	for i, a := range c.file.Apps {
		for j, h := range a.Hosts {
			if bare := withoutPort(h); bare != name && !strings.HasSuffix(bare, "."+name) && !c.faulty(item(join(item("apps", i), "hosts"), j)) {
				c.fault(at, FaultAt{
					Problem: fmt.Sprintf("does not cover the host %s of the app %s", shown(h), shown(a.Name)), Found: quoted(domain),
					Allowed: "a domain that all hosts lie in, or nothing", Remedy: "remove it, or correct the domain or the host",
				})
				return
			}
		}
	}
}

func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
