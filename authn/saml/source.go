package saml

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"foregate/authn"
	"foregate/internal/resolve"
)

const (
	soon         = 30 * 24 * time.Hour // a certificate that ends within this is warned about
	fileEvery    = 30 * time.Second    // how often files are looked at
	fetchTimeout = 10 * time.Second

	describeEvery = 24 * time.Hour // so that the warning of an end is not lost in old logs
)

// source reads what is known of a provider, from where the configuration says.
type source struct {
	cfg    *Config
	log    *slog.Logger
	client *http.Client // for a metadata address
	now    func() time.Time
}

func newSource(cfg *Config, log *slog.Logger, now func() time.Time) (*source, error) {
	s := &source{cfg: cfg, log: log, now: now}
	if cfg.Metadata.URL == "" && cfg.Metadata.MDQ == "" {
		return s, nil
	}
	roots, err := loadCA(cfg.Metadata.CA)
	if err != nil {
		return nil, err
	}
	s.client = &http.Client{
		Timeout: fetchTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return checkAddress(r.URL.String(), cfg.InsecureHTTP)
		},
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            resolve.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true, // the next time is in an hour
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
	return s, nil
}

// loadCA reads a PEM bundle; an empty path means the system's authorities.
func loadCA(ca authn.Path) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil // what crypto/tls takes for the system's
	}
	pem, err := os.ReadFile(string(ca))
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", ca)
	}
	return pool, nil
}

// every is how long what was read is good.
func (s *source) every() time.Duration {
	if s.client != nil {
		return s.cfg.Metadata.Refresh
	}
	return fileEvery
}

// load reads the provider anew. old is what was read before, nil at first.
func (s *source) load(ctx context.Context, old *circle) (*circle, error) {
	c, err := s.read(ctx, old)
	if err != nil {
		return nil, err
	}
	if s.cfg.Metadata.Federation {
		return c, nil
	}
	p, before := c.only(), old.only()
	// Whose people these are must not change behind anybody's back.
	if before != nil && before.entityID != p.entityID {
		return nil, fmt.Errorf("the provider calls itself %q now, and was %q; restart if that is right", short(p.entityID), short(before.entityID))
	}
	if before != nil && sameCertificates(before.certs, p.certs) && s.now().Sub(old.described) < describeEvery {
		c.described = old.described
		return c, nil
	}
	s.describe(p)
	c.described = s.now()
	return c, nil
}

func (s *source) read(ctx context.Context, old *circle) (*circle, error) {
	md := s.cfg.Metadata
	switch {
	case s.client != nil:
		text, err := s.fetch(ctx)
		var c *circle
		if err == nil {
			c, err = s.parse(text)
		}
		if err == nil && md.Keep {
			s.keep(text)
		}
		if err == nil || old != nil || md.File == "" {
			return c, err
		}
		s.log.Warn("saml: metadata address cannot be used, the file is instead", "error", err)
		fallthrough
	case md.File != "":
		text, err := readFile(string(md.File))
		if err != nil {
			return nil, err
		}
		return s.parse(text)
	}
	certs, err := loadCertificates(string(s.cfg.Certificate))
	if err != nil {
		return nil, err
	}
	p, err := s.cfg.values(certs)
	if err != nil {
		return nil, err
	}
	return circleOf(p), nil
}

func (s *source) parse(text []byte) (*circle, error) {
	md := s.cfg.Metadata
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	signed := md.Certificate != ""
	if md.Federation {
		c, unusable, err := readFederation(text, md.Entities, signers, signed, s.now(), s.cfg.InsecureHTTP)
		if unusable > 0 {
			s.log.Warn("saml: some providers of the federation cannot be used", "providers", unusable)
		}
		return c, err
	}
	p, err := readMetadata(text, md.EntityID, signers, signed, s.now(), s.cfg.InsecureHTTP)
	if err != nil {
		return nil, err
	}
	return circleOf(p), nil
}

// signers are who may have signed the metadata.
func (s *source) signers() ([]signer, error) {
	if s.cfg.Metadata.Certificate == "" {
		return nil, nil
	}
	certs, err := loadCertificates(string(s.cfg.Metadata.Certificate))
	if err != nil {
		return nil, err
	}
	return signersAt(certs, s.now(), s.cfg.InsecureExpired), nil
}

// keep writes what the address answered to the file that stands in for it.
func (s *source) keep(text []byte) {
	name := string(s.cfg.Metadata.File)
	if same, err := os.ReadFile(name); err == nil && bytes.Equal(same, text) {
		return
	}
	temp := name + ".new"
	err := os.WriteFile(temp, text, 0o600)
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		s.log.Warn("saml: metadata cannot be kept; a start without its address signs nobody in", "file", name, "error", err)
	}
}

// values makes a provider of the three values.
func (c *Config) values(certs []*x509.Certificate) (*provider, error) {
	p := &provider{entityID: c.IdPEntityID, certs: certs, sso: map[string]string{c.Binding: c.SSOURL}, slo: map[string]string{}}
	if c.SLOURL != "" {
		p.slo[c.Binding] = c.SLOURL
	}
	for _, cert := range certs {
		if err := checkKey(cert); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	return p, nil
}

func (s *source) fetch(ctx context.Context) ([]byte, error) {
	most := metadataLimits
	if s.cfg.Metadata.Federation {
		most = federationLimits
	}
	return s.get(ctx, s.cfg.Metadata.URL, most)
}

// get fetches metadata from an address.
func (s *source) get(ctx context.Context, address string, most limits) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: status %d", address, resp.StatusCode)
	}
	return readLimited(resp.Body, most)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, federationLimits)
}

func readLimited(r io.Reader, most limits) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(most.bytes)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read metadata: %w", err)
	case len(b) > most.bytes:
		return nil, fmt.Errorf("metadata of more than %d bytes; use the federation's query service (metadata.mdq)", most.bytes)
	}
	return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), nil // AD FS begins with a byte order mark
}

// describe says in the log whom is believed from now on, and until when.
func (s *source) describe(p *provider) {
	now := s.now()
	for _, c := range p.certs {
		fields := []any{"entity_id", p.entityID, "subject", c.Subject.String(), "not_after", c.NotAfter, "sha256", fingerprint(c)}
		switch {
		case !now.Before(c.NotAfter):
			s.log.Warn("saml: certificate of the provider has ended", fields...)
		case c.NotAfter.Sub(now) < soon:
			s.log.Warn("saml: certificate of the provider ends soon", fields...)
		default:
			s.log.Info("saml: certificate of the provider", fields...)
		}
	}
	if p.entityID == "" {
		s.log.Warn("saml: idp_entity_id is empty: whatever issuer the certificate signs is believed")
	}
}
