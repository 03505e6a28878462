package config

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

// badHost says why a text is not a host, and which one may be meant.
type badHost struct{ problem, meant string }

func (b *badHost) Error() string { return b.problem }

// canonicalHost is a host as the router compares it: lower-case ASCII, with a
// port only if one is written. Anything that would have to be guessed at is an
// error of type *badHost.
func canonicalHost(s string) (string, error) {
	switch {
	case strings.Contains(s, "://"):
		_, rest, _ := strings.Cut(s, "://")
		host, _, _ := strings.Cut(rest, "/")
		return "", &badHost{"is an address and not a host", suggest(host)}
	case strings.ContainsAny(s, "/?#"):
		return "", &badHost{"has a path, and a host has none", suggest(s[:strings.IndexAny(s, "/?#")])}
	case strings.Contains(s, "@"):
		return "", &badHost{"has a user name, and a host has none", ""}
	case strings.Contains(s, "*"):
		return "", &badHost{"has a wildcard: each host must be named", ""}
	case strings.ToLower(s) != s:
		return "", &badHost{"has capital letters", suggest(strings.ToLower(s))}
	}
	name, port, err := splitPort(s)
	if err != nil {
		return "", &badHost{err.Error(), suggest(name)}
	}
	if strings.HasSuffix(name, ".") {
		return "", &badHost{"ends with a dot", suggest(strings.TrimRight(name, ".") + port)}
	}
	ascii, err := hostName(name)
	if err != nil {
		return "", err
	}
	return ascii + port, nil
}

// splitPort returns the port with its colon.
func splitPort(s string) (name, port string, err error) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") || !strings.Contains(s, ":") {
		return s, "", nil
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s, "", nil // a bare IPv6 address; hostName says how to write it
	}
	name, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", errors.New("is not a host")
	}
	if port == "" || !validPort(port) || port[0] == '0' {
		return name, "", errors.New("has a port that is none")
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	return name, ":" + port, nil
}

func hostName(name string) (string, error) {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		if written := hostOf(ip); written != name {
			return "", &badHost{"is an IP address in an unusual form", written}
		}
		return name, nil
	}
	ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(name)
	if err != nil || !dnsName.MatchString(ascii) || len(ascii) > 253 {
		return "", &badHost{"is not a host", ""}
	}
	if allDigits.MatchString(ascii) {
		return "", &badHost{"is neither a name nor an IP address", ""}
	}
	return ascii, nil
}

func hostOf(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

// suggest returns s if it is a host in the right form, else "".
func suggest(s string) string {
	if host, err := canonicalHost(s); err == nil {
		return host
	}
	return ""
}

var (
	// An underscore is not of the DNS, but intranets have it.
	dnsName   = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	allDigits = regexp.MustCompile(`^(.*\.)?(0x[0-9a-f]*|[0-9]+)$`) // RFC 3986 and browsers take it for IPv4
)
