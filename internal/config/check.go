package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// checker looks at what one key alone cannot tell: whether the sections fit each
// other and the world.
type checker struct {
	*report
	file  *File
	kinds []Kind
}

func check(f *File, kinds []Kind, r *report) {
	c := &checker{r, f, kinds}
	c.listen()
	c.trust()
	c.session()
	c.redis()
	c.mail()
	c.admin()
	c.prefix()
	c.methods()
	c.organisations()
	c.apps()
	c.cookieDomain()
	c.shownCertificates()
}

// trust refuses to believe the whole world by a wide network: who wants that
// must say it by the name of the risk.
func (c *checker) trust() {
	for i, p := range c.file.TrustedProxies {
		if p.IsValid() && wide(p) {
			c.fault(item("trusted_proxies", i), FaultAt{
				Problem: "trusts too much of the internet to say who a client is", Found: quoted(p.String()),
				Allowed: "networks of your own, /8 (IPv6: /7) or smaller",
				Remedy:  "list the addresses of your proxies; insecure_trust_all_proxies: true trusts everybody",
			})
		}
	}
	if !c.file.TrustAll {
		return
	}
	if len(c.file.TrustedProxies) > 0 {
		c.fault("trusted_proxies", FaultAt{
			Problem: "is useless beside insecure_trust_all_proxies: true",
			Remedy:  "remove insecure_trust_all_proxies",
		})
		return
	}
	c.file.TrustedProxies = everywhere()
	c.warn("insecure_trust_all_proxies", "every client may say that it is somebody else's address", "list the addresses of your proxies in trusted_proxies")
}

// wide reports whether a network is larger than the largest that can be one's own:
// 10.0.0.0/8, fc00::/7.
func wide(p netip.Prefix) bool {
	if p.Addr().Is6() {
		return p.Bits() < 7
	}
	return p.Bits() < 8
}

// everywhere is every address there is.
func everywhere() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
}

func (c *checker) session() {
	s := &c.file.Session
	for i, secret := range s.Secrets {
		at := item("session.secrets", i)
		if len(secret.Reveal()) < minSecret {
			c.fault(at, FaultAt{
				Problem: "the secret is too short",
				Found:   fmt.Sprintf("%d bytes", len(secret.Reveal())), Allowed: fmt.Sprintf("%d bytes or more", minSecret),
				Remedy: "make one with: foregate keys new",
			})
		}
		for j := range i {
			if s.Secrets[j].Reveal() == secret.Reveal() {
				c.fault(at, FaultAt{Problem: fmt.Sprintf("is the same secret as the one at [%d]", j), Remedy: "remove one of the two"})
			}
		}
	}
	if s.Idle > s.Lifetime && !c.faulty("session.lifetime") {
		c.fault("session.idle", FaultAt{
			Problem: "is longer than session.lifetime, so it would never end a session",
			Found:   span(s.Idle), Allowed: span(s.Lifetime) + " at most",
			Remedy: "shorten idle or lengthen lifetime",
		})
	}
	if !cookieName.MatchString(s.Cookie.Name) || strings.HasPrefix(s.Cookie.Name, "__") {
		c.fault("session.cookie.name", FaultAt{
			Problem: "is not a name for a cookie", Found: quoted(s.Cookie.Name),
			Allowed: "up to 32 letters, digits, dashes and underscores; __Host- is put in front where TLS allows it",
			Remedy:  "write a name such as foregate",
		})
	}
}

// terms that an app or a method has for itself.
func (c *checker) terms(path string, t *Terms) {
	if t.Idle > 0 && t.Lifetime > 0 && t.Idle > t.Lifetime {
		c.fault(join(path, "idle"), FaultAt{
			Problem: "is longer than the lifetime beside it, so it would never end a session",
			Found:   span(t.Idle), Allowed: span(t.Lifetime) + " at most",
			Remedy: "shorten idle or lengthen lifetime",
		})
	}
}

// sharedIdle is the idle time of an app on devices that several people share.
func (c *checker) sharedIdle(path string, a *App) {
	most := a.Session.Idle
	if most == 0 {
		most = c.file.Session.Idle
	}
	switch {
	case a.SharedIdle == 0 || c.faulty(path):
	case len(a.SharedDevices) == 0:
		c.fault(path, FaultAt{Problem: "is about devices that several people share, and there is no shared_devices", Remedy: "list their networks in shared_devices, or remove it"})
	case a.SharedIdle > most:
		c.fault(path, FaultAt{
			Problem: "is longer than the idle time elsewhere, so it would do nothing", Found: span(a.SharedIdle), Allowed: span(most) + " at most",
			Remedy: "shorten it, or lengthen session.idle",
		})
	}
}

func (c *checker) prefix() {
	if prefixPath.MatchString(c.file.Prefix) {
		return
	}
	c.fault("prefix", FaultAt{
		Problem: "is not a path for Foregate's own pages", Found: quoted(c.file.Prefix),
		Allowed: "a slash, then lower-case letters, digits, dashes; no slash at the end",
		Remedy:  "write a path such as /sso that the applications do not use",
	})
}

var (
	cookieName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	prefixPath = regexp.MustCompile(`^(/[a-z0-9_-]+)+$`)
	plainName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

func (c *checker) methods() {
	first := make(map[string]int)
	for i := range c.file.Methods {
		m := &c.file.Methods[i]
		at := item("methods", i)
		c.name(m.Name, at, "methods", first, i)
		if m.Title == "" {
			m.Title = m.Name
		}
		c.terms(join(at, "session"), &m.Session)
		if m.Config != nil {
			section := join(at, m.Kind)
			c.validated(section, m.Config.Validate())
			c.risks(section, m.Config)
			c.needsMail(section, m.Config)
			c.builds(section, m)
		}
		c.validated(join(at, "admit"), m.Admit.Validate())
		c.standsAlone(join(at, "admit"), m)
		c.admits(join(at, "admit"), m)
	}
}

// name checks the name of the method or app at path and that it is the only one
// of its list.
func (c *checker) name(name, path, list string, first map[string]int, i int) {
	at := join(path, "name")
	if name == "" {
		return // said already
	}
	if !plainName.MatchString(name) {
		c.fault(at, FaultAt{
			Problem: "is not a plain name", Found: quoted(name),
			Allowed: "up to 63 lower-case letters, digits and dashes",
			Remedy:  "write a short name such as careplan or ward-ad",
		})
		return
	}
	if earlier, ok := first[name]; ok {
		c.fault(at, FaultAt{
			Problem: fmt.Sprintf("the name is taken by %s in line %d", item(list, earlier), c.locate(join(item(list, earlier), "name")).line),
			Found:   quoted(name), Remedy: "give each a name of its own",
		})
		return
	}
	first[name] = i
}

// span prints a duration as people write it: 20m, not 20m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
