package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// forwardAuth checks that an app's requests are carried by somebody, and by one alone.
// What a proxy says of a request is believed, so it must be known which may say it.
func (c *checker) forwardAuth(at string, a *App) {
	f, url, beside := a.ForwardAuth, join(at, "upstream.url"), "upstream.url"
	if a.Upstream.URL == nil {
		beside = "upstream"
	}
	switch {
	case c.faulty(url) || c.faulty(join(at, "upstream")) || c.faulty(join(at, "forward_auth")):
		return
	case f == nil && !a.Upstream.Leads():
		c.fault(url, FaultAt{Problem: "is missing", Remedy: "add upstream.url: Address of the application, http or https; or forward_auth, if another proxy carries the requests"})
		return
	case f == nil:
		return
	case a.Upstream.Leads():
		c.fault(join(at, "forward_auth"), FaultAt{
			Problem: "stands beside " + beside + ", and only one of the two can carry the requests",
			Remedy:  "remove upstream, if another proxy carries them, or else forward_auth",
		})
		return
	}
	for key, given := range map[string]bool{"upstreams": len(a.Upstreams) > 0, "basic": a.Basic != nil, "insert_warning": a.InsertWarning} {
		if given {
			c.fault(join(at, key), FaultAt{Problem: "is of no use beside forward_auth: Foregate does not see the requests", Remedy: "remove it"})
		}
	}
	from := join(at, "forward_auth.from")
	if len(f.From) == 0 && (len(c.file.TrustedProxies) == 0 || c.file.TrustAll) && !c.faulty("trusted_proxies") && !c.faulty(from) {
		c.fault(join(at, "forward_auth"), FaultAt{
			Problem: "no proxy may ask about its requests",
			Remedy:  "list the addresses of your proxies in trusted_proxies",
		})
	}
	for i, p := range f.From {
		if !c.faulty(item(from, i)) && !c.faulty("trusted_proxies") && !covered(p, c.file.TrustedProxies) {
			c.fault(item(from, i), FaultAt{
				Problem: "does not lie within trusted_proxies, so that it would not be believed", Found: fmt.Sprintf("%q", p),
				Remedy: "add it to trusted_proxies",
			})
		}
	}
}

func covered(p netip.Prefix, by []netip.Prefix) bool {
	return slices.ContainsFunc(by, func(b netip.Prefix) bool { return b.Bits() <= p.Bits() && b.Contains(p.Addr()) })
}
