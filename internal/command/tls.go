package command

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"foregate/internal/certificates"
	"foregate/internal/config"
	"foregate/proxy"
)

func pairsOf(c config.TLS) []certificates.Pair {
	var pairs []certificates.Pair
	for _, p := range c.Certificates {
		pairs = append(pairs, certificates.Pair{Cert: string(p.Cert), Key: string(p.Key)})
	}
	return pairs
}

// hostsOf are the hosts of all apps.
func hostsOf(file *config.File) []string {
	var hosts []string
	for i := range file.Apps {
		hosts = append(hosts, file.Apps[i].Hosts...)
	}
	return hosts
}

// hstsOf is the header Strict-Transport-Security; empty for none.
func hstsOf(c config.HSTS) string {
	if c.MaxAge == 0 {
		return ""
	}
	header := "max-age=" + strconv.Itoa(int(c.MaxAge/time.Second))
	if c.Subdomains {
		header += "; includeSubDomains"
	}
	if c.Preload {
		header += "; preload"
	}
	return header
}

// publicPort is where browsers reach the https listener.
func publicPort(file *config.File) string {
	if p := file.TLS.PublicPort; p != 0 {
		return strconv.Itoa(p)
	}
	_, port, _ := net.SplitHostPort(file.Listen.HTTPS)
	return port
}

// clientsOf are the hosts whose clients are asked for a certificate, and by which methods.
func clientsOf(set *proxy.Set) certificates.Clients {
	clients := make(certificates.Clients)
	for host, methods := range set.Certified() {
		for _, m := range methods {
			clients[host] = append(clients[host], m.Authorities)
		}
	}
	return clients
}

// authorityOf is where certificates are ordered, by a file that names an authority. What it
// needs to know of our listeners holds until a restart.
func authorityOf(file *config.File, store Store, seals certificates.Seals) *certificates.ACME {
	a := file.TLS.ACME
	takes := func(challenge string) bool { return len(a.Challenges) == 0 || slices.Contains(a.Challenges, challenge) }
	authority := &certificates.ACME{
		Directory: a.Directory, Email: a.Email, CA: string(a.CA), KeyID: a.KeyID, MACKey: a.MACKey.Reveal(),
		HTTP: file.Listen.HTTP != "" && takes(config.ChallengeHTTP), TLS: takes(config.ChallengeTLS),
		Folder:      filepath.Join(string(file.Storage.Path), "acme"),
		HTTPAddress: file.Listen.HTTP, HTTPSAddress: file.Listen.HTTPS,
	}
	if len(file.Storage.Redis.Addresses) > 0 {
		authority.Records, authority.Seals = store, seals
	}
	return authority
}
