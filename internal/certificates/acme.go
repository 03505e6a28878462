package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// ACME is where certificates are ordered (RFC 8555).
type ACME struct {
	Directory string // address of the authority
	Email     string
	CA        string // PEM file of those who may vouch for Directory; the system's if empty
	KeyID     string // of an account at the authority (external account binding); empty for none
	MACKey    string // its key, as the authority gives it: base64url
	HTTP      bool   // challenge HTTP-01, which comes to HTTPAddress
	TLS       bool   // challenge TLS-ALPN-01 (RFC 8737), which comes to HTTPSAddress
	Folder    string // where orders, keys and certificates are kept

	HTTPAddress, HTTPSAddress string // that we listen on

	Records Records // shared by replicas, which then order together; nil: Folder alone
	Seals   Seals   // needed with Records

	look time.Duration // how often it is looked whether one must be renewed; 0 is ten minutes
}

// orders obtains certificates and renews them when a third of their life is left.
type orders struct {
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	hosts  []string // that are managed
}

func newOrders(a ACME, log *slog.Logger) (*orders, error) {
	logger := zap.New(bridge{log: log})
	o := &orders{}
	o.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return o.config, nil }, Logger: logger,
		RenewCheckInterval: a.look,
	})
	var storage certmagic.Storage = &certmagic.FileStorage{Path: a.Folder}
	if a.Records != nil {
		storage = newShared(a.Records, a.Seals, a.Folder, log)
	}
	o.config = certmagic.New(o.cache, certmagic.Config{Storage: storage, Logger: logger})
	template := certmagic.ACMEIssuer{
		CA: a.Directory, Email: a.Email, Agreed: true, Logger: logger,
		DisableHTTPChallenge: !a.HTTP, DisableTLSALPNChallenge: !a.TLS,
	}
	// What the authority sends comes to our own listeners. certmagic would open some of its
	// own where these ports are free.
	template.ListenHost, template.AltTLSALPNPort = splitPort(a.HTTPSAddress)
	_, template.AltHTTPPort = splitPort(a.HTTPAddress)
	if a.KeyID != "" {
		template.ExternalAccount = &acme.EAB{KeyID: a.KeyID, MACKey: a.MACKey}
	}
	if a.CA != "" {
		pem, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		template.TrustedRoots = x509.NewCertPool()
		template.TrustedRoots.AppendCertsFromPEM(pem)
	}
	o.issuer = certmagic.NewACMEIssuer(o.config, template)
	o.config.Issuers = []certmagic.Issuer{o.issuer}
	return o, nil
}

func splitPort(address string) (host string, port int) {
	host, text, _ := net.SplitHostPort(address)
	port, _ = strconv.Atoi(text)
	return host, port
}

// manage orders what hosts lack, in the background, and gives up the others. It tries
// again for a month where that does not work at once.
func (o *orders) manage(ctx context.Context, hosts []string) error {
	var gone []certmagic.SubjectIssuer
	for _, h := range o.hosts {
		if !slices.Contains(hosts, h) {
			gone = append(gone, certmagic.SubjectIssuer{Subject: h})
		}
	}
	o.cache.RemoveManaged(gone)
	o.hosts = hosts
	if err := o.config.ManageAsync(ctx, hosts); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return nil
}

// ends is when the certificates of the managed hosts end.
func (o *orders) ends() map[string]time.Time {
	all := make(map[string]time.Time)
	for _, h := range o.hosts {
		for _, c := range o.cache.AllMatchingCertificates(h) {
			if !c.Empty() && c.Leaf.NotAfter.After(all[h]) {
				all[h] = c.Leaf.NotAfter
			}
		}
	}
	return all
}

// isChallenge reports a handshake of the authority.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

const challengePath = "/.well-known/acme-challenge/"

// Challenges answers the authority that asks for a configured host by plain http, and
// leaves everything else to next.
func (k *Keeper) Challenges(next http.Handler) http.Handler {
	if k.orders == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, challengePath) && k.orders.issuer.HandleHTTPChallenge(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}
