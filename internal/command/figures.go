package command

import (
	"crypto/tls"
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
