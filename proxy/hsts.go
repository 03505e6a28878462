package proxy

import (
	"net/netip"
	"strings"
)

// strictTransport is in the form of http.Header's keys.
const strictTransport = "Strict-Transport-Security"

// strict tells the browser to come by https from now on (RFC 6797). What the application
// says itself stands: its operator knows which hosts are below it, and browsers read the
// first of two anyway. A terminator in front says it for us, so only our own TLS does.
func (x *exchange) strict() {
	if h := x.Header(); len(h[strictTransport]) == 0 && !nearby(x.host) {
		h[strictTransport] = x.hsts
	}
}

// nearby reports hosts that must not be held to https: the developer's own machine, where
// other ports speak plain http, and addresses, for which browsers ignore it (section
// 8.1.1). The empty host belongs to no app.
func nearby(host string) bool {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if c := host[len(host)-1]; c != ']' && (c < '0' || c > '9') {
		return false // no address ends with a letter, and most hosts do
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
