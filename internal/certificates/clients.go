package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Clients says whose certificates clients of each host may show: those of all its
// authorities together, as they are when a handshake asks.
type Clients map[string][]Authorities

// Authorities returns those that may have issued a client's certificate. None of them is
// believed here.
type Authorities func() []*x509.Certificate

// asker asks the clients of one host for a certificate.
type asker struct {
	of   []Authorities
	base *tls.Config

	mu    sync.Mutex
	names []*x509.Certificate // that cfg was made of
	cfg   *tls.Config         // nil before the first
}

// Ask puts clients in force for handshakes from now on. Hosts may have a port, which does
// not matter here.
func (k *Keeper) Ask(clients Clients) {
	askers := make(map[string]*asker)
	for _, host := range slices.Sorted(maps.Keys(clients)) {
		name := names([]string{host})[0]
		if askers[name] == nil {
			askers[name] = &asker{base: k.plain()}
		}
		askers[name].of = append(askers[name].of, clients[host]...)
	}
	k.clients.Store(&askers)
}

// forClient answers a handshake of a host whose clients are asked for a certificate.
func (k *Keeper) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	askers := k.clients.Load()
	if askers == nil || hello.ServerName == "" {
		return nil, nil
	}
	if a := (*askers)[strings.ToLower(hello.ServerName)]; a != nil {
		return a.config(), nil
	}
	return nil, nil
}

// config asks for a certificate and takes none for true: one that is no good shall get a
// page, so it is verified when somebody signs in by it. Without an authority nobody is
// asked.
//
// No session is resumed there. A resumed one would bring a certificate along whose key was
// not used now, as after a card was taken out; and a ticket of another host, none.
func (a *asker) config() *tls.Config {
	var all []*x509.Certificate
	for _, of := range a.of {
		all = append(all, of()...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg != nil && slices.Equal(a.names, all) {
		return a.cfg
	}
	cfg := a.base.Clone()
	cfg.SessionTicketsDisabled = true
	if len(all) > 0 {
		cfg.ClientAuth = tls.RequestClientCert
		cfg.ClientCAs = x509.NewCertPool()
		for _, c := range all {
			cfg.ClientCAs.AddCert(c)
		}
	}
	a.names, a.cfg = all, cfg
	return cfg
}
