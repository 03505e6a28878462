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
	if cfg.Metadata.URL == "" {
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
func (s *source) load(ctx context.Context, old *provider) (*provider, error) {
	p, err := s.read(ctx, old)
	if err != nil {
		return nil, err
	}
	// Whose people these are must not change behind anybody's back.
	if old != nil && old.entityID != p.entityID {
		return nil, fmt.Errorf("the provider calls itself %q now, and was %q; restart if that is right", short(p.entityID), short(old.entityID))
	}
	if old != nil && sameCertificates(old.certs, p.certs) && s.now().Sub(old.described) < describeEvery {
		p.described = old.described
		return p, nil
	}
	s.describe(p)
	p.described = s.now()
	return p, nil
}

func (s *source) read(ctx context.Context, old *provider) (*provider, error) {
	md := s.cfg.Metadata
	switch {
	case s.client != nil:
		text, err := s.fetch(ctx)
		var p *provider
		if err == nil {
			p, err = s.parse(text)
		}
		if err == nil || old != nil || md.File == "" {
			return p, err
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
	return s.cfg.values(certs)
}

func (s *source) parse(text []byte) (*provider, error) {
	md := s.cfg.Metadata
	var signers []signer
	if md.Certificate != "" {
		certs, err := loadCertificates(string(md.Certificate))
		if err != nil {
			return nil, err
		}
		signers = signersAt(certs, s.now(), s.cfg.InsecureExpired)
	}
	return readMetadata(text, md.EntityID, signers, md.Certificate != "", s.now(), s.cfg.InsecureHTTP)
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
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.Metadata.URL, nil)
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
		return nil, fmt.Errorf("get %s: status %d", s.cfg.Metadata.URL, resp.StatusCode)
	}
	return readLimited(resp.Body)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f)
}

func readLimited(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(metadataLimits.bytes)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read metadata: %w", err)
	case len(b) > metadataLimits.bytes:
		return nil, fmt.Errorf("metadata of more than %d bytes", metadataLimits.bytes)
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
