package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"foregate/authn"
)

// Config is the part "network" of a method.
type Config struct {
	Addresses  []netip.Prefix `yaml:"addresses" required:"true" default:"[]" doc:"Networks and single addresses from which people are signed in without being asked, such as 192.0.2.0/24."`
	User       string         `yaml:"user" required:"true" default:"" doc:"The user that everybody there is, for rules, reports and the application; a name that no person has, such as site:reading-room."`
	Name       string         `yaml:"name" default:"" doc:"Its name for people, like Reading room."`
	Groups     []string       `yaml:"groups" default:"[]" doc:"Groups for rules and roles."`
	Everywhere bool           `yaml:"insecure_everywhere" default:"false" doc:"Allow networks wider than /8 (IPv6: /7), up to the whole internet, where strangers are signed in."`
}

var _ authn.MethodConfig = (*Config)(nil)

// maxText bounds names, in bytes.
const maxText = 256

// Validate implements authn.MethodConfig.
func (c *Config) Validate() error {
	faults := c.networkFaults()
	if c.User == "" {
		faults = append(faults, &authn.Fault{Path: "user", Problem: "is missing", Remedy: "write a name that no person has, such as site:reading-room"})
	} else {
		faults = append(faults, plain("user", c.User))
	}
	if c.Name != "" {
		faults = append(faults, plain("name", c.Name))
	}
	for i, g := range c.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		if g == "" {
			faults = append(faults, &authn.Fault{Path: at, Problem: "is empty", Remedy: "write a name, or remove it"})
			continue
		}
		faults = append(faults, plain(at, g))
	}
	return errors.Join(faults...)
}

func (c *Config) networkFaults() []error {
	var faults []error
	add := func(i int, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: fmt.Sprintf("addresses[%d]", i), Problem: problem, Remedy: remedy})
	}
	if len(c.Addresses) == 0 {
		faults = append(faults, &authn.Fault{Path: "addresses", Problem: "is empty, so nobody could sign in", Remedy: "list networks such as 192.0.2.0/24"})
	}
	anyWide := false
	for i, n := range c.Addresses {
		switch {
		case !n.IsValid():
			add(i, "is not a network", "write one such as 192.0.2.0/24")
			continue
		case n.Addr().Is4In6():
			add(i, fmt.Sprintf("%s is IPv4 written as IPv6", n), unmapped(n))
			continue
		case n != n.Masked():
			add(i, fmt.Sprintf("%s has bits set beyond its length", n), fmt.Sprintf("write %s for the network or %s for the one address", n.Masked(), n.Addr()))
			continue
		}
		if wide(n) {
			anyWide = true
			if !c.Everywhere {
				add(i, fmt.Sprintf("%s is so wide that strangers are in it", n), "list your own networks; insecure_everywhere: true allows it")
			}
		}
		if j := slices.IndexFunc(c.Addresses[:i], n.Overlaps); j >= 0 {
			add(i, fmt.Sprintf("%s overlaps %s", n, c.Addresses[j]), fmt.Sprintf("keep the wider, %s", wider(n, c.Addresses[j])))
		}
	}
	if c.Everywhere && !anyWide {
		faults = append(faults, &authn.Fault{Path: "insecure_everywhere", Problem: "has no effect: no network is that wide", Remedy: "remove it"})
	}
	return faults
}

// wide reports whether a network is larger than the largest that can be one's
// own: 10.0.0.0/8, fc00::/7. So half the internet, listed twice, needs the same
// permission as all of it.
func wide(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < 8
	}
	return n.Bits() < 7
}

func wider(a, b netip.Prefix) netip.Prefix {
	if a.Bits() < b.Bits() {
		return a
	}
	return b
}

// unmapped says how to write ::ffff:192.0.2.0/120.
func unmapped(n netip.Prefix) string {
	if n.Bits() < 96 {
		return "write an IPv4 network such as 192.0.2.0/24"
	}
	return fmt.Sprintf("write %s", netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96).Masked())
}

// plain returns a fault for a name that looks like another one or breaks a line.
func plain(path, s string) error {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
	}
	if len(s) > maxText || strings.TrimSpace(s) != s || strings.ContainsFunc(s, bad) {
		return &authn.Fault{
			Path:    path,
			Problem: fmt.Sprintf("%q has invisible characters, outer spaces or more than %d bytes", authn.CutControl(s, maxText), maxText),
			Remedy:  "write a plain name",
		}
	}
	return nil
}

// Open implements authn.MethodConfig.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	// A network that slipped through unchecked would let strangers in.
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return c.open(env, time.Now), nil
}

func (c *Config) open(env authn.Env, now func() time.Time) *method {
	return &method{
		name:     env.Name,
		networks: slices.Clone(c.Addresses),
		now:      now,
		identity: authn.Identity{
			Method:            env.Name,
			Issuer:            "network:" + env.Name,
			Subject:           c.User,
			User:              c.User,
			PreferredUsername: c.User,
			Name:              c.Name,
			Groups:            slices.Clone(c.Groups),
		},
	}
}
