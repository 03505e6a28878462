package certificates

import (
	"crypto/tls"
	"fmt"
)

// Pair names the PEM files of a certificate, with its intermediates, and of its key.
type Pair struct{ Cert, Key string }

func load(pairs []Pair) ([]*tls.Certificate, error) {
	var all []*tls.Certificate
	for _, p := range pairs {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return nil, fmt.Errorf("certificates: %s with %s: %w", p.Cert, p.Key, err)
		}
		all = append(all, &cert)
	}
	return all, nil
}
