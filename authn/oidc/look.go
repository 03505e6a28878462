package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"foregate/authn"
)

var _ authn.Checker = (*Config)(nil)

// Checks implements authn.Checker: the provider's discovery document, and the keys
// that it names. Nothing is sent there but the two requests, and no secret.
func (c *Config) Checks() []authn.Check {
	full := c.filled()
	target := full.Issuer
	if full.static() {
		target = full.JWKSURI
	}
	return []authn.Check{{Target: target, Look: full.look}}
}

func (c *Config) look(ctx context.Context, w *authn.Witness) authn.Finding {
	roots, err := loadCA(c.CA)
	if err != nil {
		return authn.Finding{Err: err}
	}
	client := newClient(roots, c.Timeout)
	defer client.CloseIdleConnections()
	client = &http.Client{Timeout: client.Timeout, CheckRedirect: client.CheckRedirect, Transport: w.Transport(client.Transport)}
	d := &discoverer{cfg: c, client: client, now: time.Now}
	md, err := d.discover(ctx, nil)
	if err != nil {
		return authn.Finding{Err: err, Remedy: remedyOf(err)}
	}
	if err := md.keys.refresh(ctx); err != nil {
		return authn.Finding{Err: err, Remedy: remedyOf(err)}
	}
	keys, _ := md.keys.cached()
	return authn.Finding{Detail: fmt.Sprintf("discovery and %d keys", len(keys))}
}

// remedyOf is what only this package knows to say about an error.
func remedyOf(err error) string {
	var status statusError
	switch {
	case errors.As(err, &status) && status >= 300 && status < 400:
		return "write the address that the provider redirects to as issuer, to the letter"
	case errors.As(err, &status) && status == http.StatusNotFound:
		return "compare issuer with what the provider's own pages call it; a tenant or realm is often missing in it"
	case errors.As(err, &status) && status >= 500:
		return "the provider itself is in trouble: ask whoever runs it"
	case errors.Is(err, errOtherHost):
		return "if that host is the provider's too, add it to endpoint_hosts"
	case errors.Is(err, errNoKeys):
		return "the provider must publish an RSA key of 2048 bits or more, an EC or an Ed25519 key"
	}
	return ""
}
