package command

import (
	"crypto/tls"
	"maps"
	"time"

	"foregate/internal/config"
)

// certificateEnds tells when each certificate of a configuration ends. The files are read
// when figures are asked for, so that a renewed one is seen; one that cannot be read
// has no figure.
func certificateEnds(file *config.File) map[string]time.Time {
	ends := make(map[string]time.Time)
	if file == nil || file.Listen.HTTPS == "" {
		return ends
	}
	for _, c := range file.TLS.Certificates {
		if pair, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key)); err == nil {
			ends[string(c.Cert)] = pair.Leaf.NotAfter
		}
	}
	return ends
}

// certificateEnds are those of files by their name, also of authorities of people's
// certificates, and of ordered ones by their host.
func (fg *running) certificateEnds() map[string]time.Time {
	ends := certificateEnds(fg.file.Load())
	authorities, _ := fg.server.Set().Ends()
	maps.Copy(ends, authorities)
	if fg.certs != nil {
		for host, end := range fg.certs.Ordered() {
			ends["acme:"+host] = end
		}
	}
	return ends
}

// listEnds tells when each list of revoked certificates is out of date.
func (fg *running) listEnds() map[string]time.Time {
	_, lists := fg.server.Set().Ends()
	return lists
}
