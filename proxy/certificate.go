package proxy

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// A browser shows a certificate in the handshake of a connection, for the host that it
// names there (SNI). Methods that sign people in by one are given it when somebody begins
// with them, and nobody else is; they verify it themselves. Where a trusted proxy ends TLS
// it comes in a header instead (clientcert.go).

// certified reports whether a method looks at the browser's certificate.
func (m *Method) certified() bool {
	_, ok := m.Config.(authn.CertifiedConfig)
	return ok
}

// Certified are the methods that look at certificates, by the hosts of the apps that offer
// them.
func (set *Set) Certified() map[string][]authn.Certified {
	all := make(map[string][]authn.Certified)
	for host, app := range set.hosts {
		for _, name := range app.all() {
			if c, ok := set.ready(name).(authn.Certified); ok {
				all[host] = append(all[host], c)
			}
		}
	}
	return all
}

// Ends is when authorities of people's certificates end, and when the lists of revoked ones
// are out of date, by the names of their files.
func (set *Set) Ends() (authorities, lists map[string]time.Time) {
	authorities, lists = make(map[string]time.Time), make(map[string]time.Time)
	for name := range set.methods {
		if m, ok := set.ready(name).(interface {
			Ends() (authorities, lists map[string]time.Time)
		}); ok {
			a, l := m.Ends()
			maps.Copy(authorities, a)
			maps.Copy(lists, l)
		}
	}
	return authorities, lists
}

// asksCertificate reports whether an app offers a method that looks at certificates.
func (set *Set) asksCertificate(app *App) bool {
	return slices.ContainsFunc(app.all(), func(name string) bool { return set.methods[name] != nil && set.methods[name].certified() })
}

// misdirected refuses a request that came on a connection made for another host, where a
// certificate may have been shown to that one, or none was asked for. Browsers share a
// connection among hosts of one address (RFC 9113, section 9.1.1), and make a new one after
// this answer (RFC 9110, section 15.5.20). A proxy in front names what it likes.
func (s *Server) misdirected(x *exchange, r *http.Request) error {
	if !x.app.certified || r.TLS == nil || r.TLS.ServerName == "" || sameName(r.TLS.ServerName, x.host) {
		return nil
	}
	if _, trusted := clientOf(r, s.Trusted); trusted {
		return nil
	}
	return refuse(http.StatusMisdirectedRequest, "the connection was made for %q, and this host asks for a certificate", authn.CutControl(r.TLS.ServerName, 255))
}

// sameName compares the name of a handshake with a canonical host, which may have a port.
func sameName(sni, host string) bool {
	name, _ := canonicalHost(host)
	return strings.EqualFold(sni, name)
}

// shown is the certificate of a request's browser, for a method that looks at it.
func (s *Server) shown(x *exchange, r *http.Request, m *Method) (authn.Shown, error) {
	if !m.certified() {
		return authn.Shown{}, nil
	}
	if _, trusted := clientOf(r, s.Trusted); trusted { // its own certificate is no person's
		if s.CertHeader == "" && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			s.Log.Warn("certificate does not count: who showed it is one of trusted_proxies, and there is no certificate_header", "request_id", x.id, "peer", authn.CutControl(r.RemoteAddr, 64))
		}
		return s.passedOn(r)
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !sameName(r.TLS.ServerName, x.host) {
		return authn.Shown{}, nil
	}
	return authn.Shown{Chain: r.TLS.PeerCertificates, Since: connectedAt(r)}, nil
}

// connectedAt is when a request's connection was accepted; the zero time if nobody noted.
func connectedAt(r *http.Request) time.Time {
	if p, ok := r.Context().Value(placeKey{}).(*seat); ok {
		return p.opened
	}
	return time.Time{}
}

// showAgain tells a person who has signed out that their certificate would sign them in.
const showAgain = "Your smart card or digital ID signs you in again without asking. To leave for good, take the card out and close all windows of the browser."
