package command

import (
	"net"
	"strconv"
	"time"

	"foregate/internal/certificates"
	"foregate/internal/config"
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
