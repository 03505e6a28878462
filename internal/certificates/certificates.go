// Package certificates chooses what the https listener shows to a client.
//
// A handshake names a host (SNI). Keeper.Get looks it up among the hosts that are
// configured and answers with the certificate that fits; a name that nobody configured
// is refused before anything is signed. Certificates come from files (files.go), which a
// reload reads again, and from an authority for hosts that no file is for (acme.go); when
// one nears its end the log says so (expiry.go). Clients of some hosts are asked for a
// certificate of their own (clients.go).
package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3"
)

// every is how often the days that remain are counted.
const every = time.Hour

// suites of TLS 1.2; those of 1.3 cannot be chosen. All have forward secrecy and
// authenticate what they encrypt: no CBC, no RSA key exchange (RFC 9325, section 4.2).
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Keeper has the certificates of one listener.
type Keeper struct {
	log *slog.Logger

	mu   sync.Mutex // for what changes them
	said map[said]bool

	now     atomic.Pointer[table]             // what handshakes see
	clients atomic.Pointer[map[string]*asker] // nil before Ask
	orders  *orders                           // nil without an authority
	begun   bool                              // our listeners take its challenges
	ctx     context.Context                   // ends with the Keeper
	stop    context.CancelFunc
	done    chan struct{}
}

// table is what one handshake needs. Hosts without an entry are strangers.
type table struct {
	hosts map[string][]*tls.Certificate // the best first
	other []*tls.Certificate            // for a client that names no host
	order map[string]bool               // hosts that an authority has certificates for
}

// New returns a Keeper that refuses everybody until Use. It is ended by Close. Without
// an authority, nil, all certificates are files.
func New(log *slog.Logger, authority *ACME) (*Keeper, error) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{log: log, said: make(map[said]bool), stop: cancel, done: make(chan struct{})}
	k.now.Store(&table{})
	if authority != nil {
		var err error
		if k.orders, err = newOrders(*authority, log); err != nil {
			cancel()
			return nil, err
		}
	}
	k.ctx = ctx
	go k.watch(ctx)
	return k, nil
}

// Close ends the watching.
func (k *Keeper) Close() {
	k.stop()
	<-k.done
	if k.orders != nil {
		k.orders.cache.Stop()
	}
}

func (k *Keeper) watch(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look()
		}
	}
}

func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.warn(time.Now())
}

// Use puts pairs and the hosts that they are for in force, or changes nothing and says
// which pair is broken. Hosts may have a port, which does not matter here.
func (k *Keeper) Use(pairs []Pair, hosts []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := load(pairs)
	if err != nil {
		return err
	}
	t := arrange(all, names(hosts))
	if k.orders != nil {
		t.leaveToAuthority()
	}
	k.now.Store(t)
	k.unfit()
	k.warn(time.Now())
	return k.manage()
}

// Begin orders what is missing. Our listeners must be there by then, since the authority
// looks at them.
func (k *Keeper) Begin() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun = true
	return k.manage()
}

func (k *Keeper) manage() error {
	if k.orders == nil || !k.begun {
		return nil
	}
	return k.orders.manage(k.ctx, slices.Sorted(maps.Keys(k.now.Load().order)))
}

// leaveToAuthority marks the hosts that no file is for. An address is no name that it
// would vouch for.
func (t *table) leaveToAuthority() {
	t.order = make(map[string]bool)
	for h, certs := range t.hosts {
		if net.ParseIP(h) == nil && (len(certs) == 0 || certs[0].Leaf.VerifyHostname(h) != nil) {
			t.order[h] = true
		}
	}
}

// arrange finds the certificates of each host once, so that a handshake need not.
func arrange(all []*tls.Certificate, hosts []string) *table {
	t := &table{hosts: make(map[string][]*tls.Certificate, len(hosts)), other: all}
	for _, h := range hosts {
		t.hosts[h] = all // a browser warns, which is better than no answer at all
		if fit := fitting(all, h); len(fit) > 0 {
			t.hosts[h] = fit
		}
	}
	return t
}

func fitting(all []*tls.Certificate, host string) []*tls.Certificate {
	var fit []*tls.Certificate
	for _, c := range all {
		if c.Leaf.VerifyHostname(host) == nil {
			fit = append(fit, c)
		}
	}
	return fit
}

// unfit tells of hosts that browsers will warn of.
func (k *Keeper) unfit() {
	for h, certs := range k.now.Load().hosts {
		if len(certs) > 0 && certs[0].Leaf.VerifyHostname(h) != nil && !k.now.Load().order[h] {
			k.log.Warn("no certificate fits a host: browsers will warn people; add one to tls.certificates", "host", h)
		}
	}
}

// names are hosts as a handshake names them: without port and brackets.
func names(hosts []string) []string {
	set := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		if name, _, err := net.SplitHostPort(h); err == nil {
			h = name
		}
		set[strings.Trim(h, "[]")] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Config is for tls.NewListener. Its session tickets change keys every day, as the
// standard library does it.
func (k *Keeper) Config() *tls.Config {
	cfg := k.plain()
	cfg.GetConfigForClient = k.forClient
	return cfg
}

// plain asks no client for a certificate.
func (k *Keeper) plain() *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: k.Get,
	}
	if k.orders != nil {
		cfg.NextProtos = append(cfg.NextProtos, acmez.ACMETLS1Protocol)
	}
	return cfg
}

// Get answers a handshake. For a name that is not configured it returns no certificate
// and no error, which crypto/tls turns into the alert unrecognized_name (RFC 6066,
// section 3): refused with one map look-up, before any key is used. A client that names
// no host, as old ones and those that connect to an IP address do, gets the first
// certificate that it can use.
func (k *Keeper) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	t := k.now.Load()
	certs := t.other
	if hello.ServerName != "" {
		name := strings.ToLower(hello.ServerName)
		certs = t.hosts[name]
		if t.order[name] {
			ordered, err := k.orders.config.GetCertificate(hello)
			if err == nil || len(certs) == 0 || isChallenge(hello) {
				return ordered, err
			}
		}
	}
	if len(certs) == 0 {
		return nil, nil
	}
	for _, c := range certs {
		if len(certs) == 1 || hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	return certs[0], nil
}

// first is the certificate that ends first; nil of none.
func first(certs []*tls.Certificate) *x509.Certificate {
	var least *x509.Certificate
	for _, c := range certs {
		if least == nil || c.Leaf.NotAfter.Before(least.NotAfter) {
			least = c.Leaf
		}
	}
	return least
}

// Ordered is when the certificates that an authority gave end, by host.
func (k *Keeper) Ordered() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.orders == nil {
		return nil
	}
	return k.orders.ends()
}
