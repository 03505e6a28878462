package saml

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"foregate/authn"
)

var _ authn.Checker = (*Config)(nil)

// Checks implements authn.Checker: the provider's metadata and the certificates in
// it. The address of sign-in is for browsers and is not asked.
func (c *Config) Checks() []authn.Check {
	full := c.filled()
	target := full.SSOURL
	switch {
	case full.Metadata.MDQ != "":
		target = full.Metadata.MDQ
	case full.Metadata.URL != "":
		target = full.Metadata.URL
	case full.Metadata.File != "":
		target = string(full.Metadata.File)
	}
	return []authn.Check{{Target: target, Look: full.look}}
}

func (c *Config) look(ctx context.Context, w *authn.Witness) authn.Finding {
	if c.provisional() {
		return authn.Finding{
			Warning: "the provider is not known yet, so nobody can sign in by it",
			Remedy:  "send the provider's operator the address of our metadata, and write what comes back to metadata.url",
		}
	}
	s, err := newSource(c, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return authn.Finding{Err: err}
	}
	if s.client != nil {
		s.client.Transport = w.Transport(s.client.Transport)
		// The file that stands in for the address would hide that the address fails.
		s.cfg.Metadata.File = ""
	}
	if c.Metadata.MDQ != "" {
		return c.lookUp(ctx, s)
	}
	s.cfg.Metadata.Keep = false // only looked at
	known, err := s.load(ctx, nil)
	if err != nil {
		return authn.Finding{Err: err}
	}
	if p := known.only(); p != nil {
		return c.judge(p, time.Now())
	}
	return authn.Finding{Detail: fmt.Sprintf("%d identity providers", len(known.all))}
}

// lookUp asks a query service about the first provider that is configured.
func (c *Config) lookUp(ctx context.Context, s *source) authn.Finding {
	if len(c.Metadata.Entities) == 0 {
		return authn.Finding{Detail: "each provider is asked for when somebody chooses it; none is configured to look for now"}
	}
	p, err := newQuery(s.log, s).load(ctx, c.Metadata.Entities[0])
	if err != nil {
		return authn.Finding{Err: err}
	}
	return c.judge(p, time.Now())
}

// judge tells how long what the provider signs with is good.
func (c *Config) judge(p *provider, now time.Time) authn.Finding {
	f := authn.Finding{Detail: fmt.Sprintf("%s, %d certificates", short(p.entityID), len(p.certs))}
	var last time.Time
	for _, cert := range p.certs {
		if cert.NotAfter.After(last) {
			last = cert.NotAfter
		}
	}
	day := last.Format(time.DateOnly)
	switch {
	case !now.Before(last) && !c.InsecureExpired:
		f.Err = fmt.Errorf("the certificate that the provider signs with ended on %s", day)
		f.Remedy = "ask the provider's operator for metadata with a new certificate"
	case last.Sub(now) < soon:
		f.Warning = "the certificate that the provider signs with ends on " + day
		f.Remedy = "ask the provider's operator when the new one comes; with metadata.url it is taken by itself"
	case p.entityID == "":
		f.Warning = "idp_entity_id is empty: whatever issuer the certificate signs is believed"
		f.Remedy = "write the provider's entity ID to idp_entity_id"
	}
	return f
}
