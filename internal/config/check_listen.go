package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"foregate/authn"
)

// maxSocket is what all systems take as the path of a Unix socket (unix(7)).
const maxSocket = 103

// listen checks the addresses and gives http its default, which only holds when
// neither http nor https is given.
func (c *checker) listen() {
	l := &c.file.Listen
	if l.HTTP == "" && l.HTTPS == "" && !c.faulty("listen.http") && !c.faulty("listen.https") {
		l.HTTP = ":8080"
	}
	if l.Admin == "off" {
		l.Admin = ""
	}
	if filepath.Base(string(l.AdminSocket)) == "off" {
		l.AdminSocket = "off"
	}
	if n := len(l.AdminSocket); n > maxSocket {
		c.fault("listen.admin_socket", FaultAt{
			Problem: "is too long for the path of a Unix socket", Found: fmt.Sprint(n, " characters"), Allowed: fmt.Sprint(maxSocket, " at most"),
			Remedy: "choose a shorter one, such as /run/foregate/admin.sock",
		})
	}
	c.address("listen.http", l.HTTP)
	c.address("listen.https", l.HTTPS)
	if l.HTTP3 && l.HTTPS == "" && !c.faulty("listen.https") {
		c.fault("listen.http3", FaultAt{
			Problem: "HTTP/3 is always encrypted, and listen.https is not set",
			Remedy:  `add https: ":443" to listen with a certificate, or remove http3; a proxy in front that ends TLS speaks HTTP/3 by itself`,
		})
	}
	c.adminListener()
	c.apart("listen.https", l.HTTPS, l.HTTP)
	c.apart("listen.admin", l.Admin, l.HTTP)
	c.apart("listen.admin", l.Admin, l.HTTPS)
	c.address("listen.ext_authz", l.ExtAuthz)
	for _, other := range []string{l.HTTP, l.HTTPS, l.Admin} {
		c.apart("listen.ext_authz", l.ExtAuthz, other)
	}
	if l.ExtAuthz != "" && len(c.file.TrustedProxies) == 0 && !c.faulty("listen.ext_authz") && !c.faulty("trusted_proxies") {
		c.fault("listen.ext_authz", FaultAt{
			Problem: "nobody could ask: there are no trusted_proxies",
			Remedy:  "list the addresses of your Envoys in trusted_proxies",
		})
	}
	c.certificates()
}

func (c *checker) address(path, addr string) bool {
	if addr == "" {
		return false
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if _, parseErr := netip.ParseAddr(host); err == nil && parseErr != nil && host != "" && host != "localhost" {
		err = parseErr
	}
	if err == nil {
		return true
	}
	fault := FaultAt{
		Problem: "is not an address to listen on", Found: quoted(addr),
		Allowed: "host:port or :port, the host an IP address or localhost",
		Remedy:  "write a port such as :8080",
	}
	if _, err := strconv.ParseUint(addr, 10, 16); err == nil {
		fault.Remedy = `write ":` + addr + `"`
	}
	if addr == "off" {
		fault.Remedy = "remove the key instead"
	}
	c.fault(path, fault)
	return false
}

// apart reports two listeners on one address.
func (c *checker) apart(path, addr, other string) {
	_, port, _ := net.SplitHostPort(addr)
	if addr != "" && addr == other && port != "0" {
		c.fault(path, FaultAt{Problem: "another listener has this address", Found: quoted(addr), Remedy: "give each a port of its own"})
	}
}

// LoopbackAddress reports whether nothing but this machine can connect to an address to
// listen on.
func LoopbackAddress(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c *checker) certificates() {
	pairs := c.file.TLS.Certificates
	https := c.file.Listen.HTTPS != ""
	if https && len(pairs) == 0 && c.file.TLS.ACME == nil && !c.faulty("tls.certificates") && !c.faulty("tls.acme") {
		c.fault("listen.https", FaultAt{
			Problem: "there is no certificate for https",
			Remedy:  "add tls.certificates with cert and key, or tls.acme, or use listen.http behind a TLS terminator",
		})
	}
	if !https && len(pairs) > 0 && !c.faulty("listen.https") {
		c.fault("tls.certificates", FaultAt{
			Problem: "nothing would use the certificates: listen.https is not set",
			Remedy:  `add https: ":8443" to listen, or remove the certificates`,
		})
	}
	for i, p := range pairs {
		c.pair(item("tls.certificates", i), p)
	}
	c.acme()
	c.hsts()
}

// The names of challenges.
const (
	ChallengeHTTP = "http-01"
	ChallengeTLS  = "tls-alpn-01"
)

// acme makes sure that a challenge can arrive.
func (c *checker) acme() {
	a := c.file.TLS.ACME
	if a == nil {
		return
	}
	if c.file.Listen.HTTPS == "" {
		c.fault("tls.acme", FaultAt{Problem: "nothing would use the certificates: listen.https is not set", Remedy: `add https: ":443" to listen, or remove acme`})
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		c.fault("tls.acme.directory", FaultAt{Problem: "is not an https address", Found: quoted(a.Directory), Remedy: "write the address that the authority gives for its ACME directory"})
	}
	for i, name := range a.Challenges {
		if name != ChallengeHTTP && name != ChallengeTLS {
			c.fault(item("tls.acme.challenges", i), FaultAt{Problem: "is no challenge that is known here", Found: quoted(name), Allowed: ChallengeHTTP + ", " + ChallengeTLS, Remedy: "write one of these"})
		}
	}
	if c.file.Listen.HTTP == "" && len(a.Challenges) == 1 && a.Challenges[0] == ChallengeHTTP {
		c.fault("tls.acme.challenges", FaultAt{Problem: "http-01 comes by plain http, and listen.http is not set", Remedy: `add http: ":80" to listen, or tls-alpn-01`})
	}
	if (a.KeyID == "") != a.MACKey.Empty() {
		c.fault("tls.acme", FaultAt{Problem: "key_id and mac_key belong together, and one is missing", Remedy: "write both, or none"})
	}
	if pem, ok := c.content("tls.acme.ca", a.CA, 4<<20); ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		c.fault("tls.acme.ca", FaultAt{Problem: "holds no certificate", Found: quoted(string(a.CA)), Allowed: "a PEM file with BEGIN CERTIFICATE", Remedy: "export the authority's certificate as PEM"})
	}
}

// hsts holds preloading to what the list's owners ask for (hstspreload.org).
func (c *checker) hsts() {
	h := c.file.TLS.HSTS
	if h.Preload && (!h.Subdomains || h.MaxAge < 365*24*time.Hour) {
		c.fault("tls.hsts.preload", FaultAt{
			Problem: "needs include_subdomains: true and a max_age of a year or more",
			Remedy:  "add them, or remove preload",
		})
	}
}

// pair opens a certificate with its key. A fault of the pair as a whole stands
// at cert, since the key's content must not be shown anyway.
func (c *checker) pair(path string, p Certificate) {
	cert, ok := c.content(join(path, "cert"), p.Cert, 1<<20)
	key, keyOK := c.content(join(path, "key"), p.Key, 1<<20)
	if !ok || !keyOK {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		c.fault(join(path, "cert"), FaultAt{
			Problem: "is not a certificate with this key: " + authn.CutControl(err.Error(), 160),
			Remedy:  "name a PEM file with the certificate and one with the key that belongs to it",
		})
	}
}

// content reads a file that the configuration names, or reports why it cannot.
func (c *checker) content(path string, name authn.Path, limit int64) ([]byte, bool) {
	if name == "" || c.faulty(path) {
		return nil, false
	}
	data, _, err := readSmall(string(name), limit)
	if err != nil {
		c.fault(path, FaultAt{
			Problem: "the file cannot be read: " + cause(err), Found: quoted(string(name)),
			Remedy: "look at its name and at who may read it; a relative name starts at the folder of this file",
		})
		return nil, false
	}
	return data, true
}
