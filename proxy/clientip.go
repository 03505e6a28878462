package proxy

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how far an X-Forwarded-For is believed.
const maxHops = 32

// clientOf returns who asks: the peer of the connection, or, when that is a
// trusted proxy, the last address of X-Forwarded-For that is not one. An entry
// that is no address is nobody's: the invalid address, which is in no network.
// The second result says whether the peer is trusted.
func clientOf(r *http.Request, trusted []netip.Prefix) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client := peer.Addr().Unmap().WithZone("")
	if len(trusted) == 0 || !within(trusted, client) {
		return client, false
	}
	hops := 0
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, entry := lines[i], ""; ; {
			comma := strings.LastIndexByte(rest, ',')
			entry = rest[comma+1:]
			hop, ok := parseHop(entry)
			if hops++; !ok || hops > maxHops {
				return netip.Addr{}, true
			}
			if client = hop; !within(trusted, hop) {
				return client, true
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return client, true
}

// parseHop reads an address as proxies write it: bare, or with a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap(), a.Zone() == ""
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), ap.Addr().Zone() == ""
	}
	return netip.Addr{}, false
}

// secureOf reports whether the browser spoke TLS: with us, or with a trusted
// proxy that says so.
func secureOf(r *http.Request, trustedPeer bool) bool {
	if r.TLS != nil {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	return trustedPeer && len(proto) == 1 && strings.EqualFold(proto[0], "https")
}

// textOf writes an address. Nearly always it is the peer's, whose text is there
// already.
func textOf(client netip.Addr, remote string) string {
	if !client.IsValid() {
		return ""
	}
	if colon := strings.LastIndexByte(remote, ':'); colon > 0 && client.Is4() {
		if a, err := netip.ParseAddr(remote[:colon]); err == nil && a == client {
			return remote[:colon]
		}
	}
	return client.String()
}
