package oidc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// checkAddress accepts an absolute https address without credentials, fragment
// or characters outside ASCII (a look-alike host). http is for this machine
// itself, or where it was asked for.
func checkAddress(address string, insecure bool) (*url.URL, error) {
	if strings.Contains(address, "@") {
		return nil, errors.New("has a user name or password before the @") // which is not repeated here
	}
	for i := range len(address) {
		if address[i] <= ' ' || address[i] >= 0x7f {
			return nil, fmt.Errorf("%q has a character that no address has", address)
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return nil, fmt.Errorf("%q is not an absolute address", address)
	}
	if u.Fragment != "" {
		return nil, fmt.Errorf("%q has a fragment", address)
	}
	switch {
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && (insecure || loopback(u.Hostname())):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q is not encrypted", address)
	}
	return nil, fmt.Errorf("%q is not an https address", address)
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

var errOtherHost = errors.New("is on another host than the issuer")

// checkEndpoint accepts an address that the provider published: as safe as the
// issuer's own, and on its host or one of hosts. Otherwise a document that was
// tampered with could send codes and client secrets anywhere.
func checkEndpoint(name, address, issuer string, hosts []string, insecure bool) error {
	u, err := checkAddress(address, insecure)
	if err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	own, err := url.Parse(issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if own.Scheme == "https" && u.Scheme != "https" {
		return fmt.Errorf("%s %q is not encrypted, though the issuer is", name, address)
	}
	if strings.EqualFold(u.Host, own.Host) {
		return nil
	}
	for _, h := range hosts {
		if strings.EqualFold(u.Host, h) {
			return nil
		}
	}
	return fmt.Errorf("%s %q %w; if that is right, add %q to endpoint_hosts", name, address, errOtherHost, u.Host)
}
