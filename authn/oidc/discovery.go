package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

// metadata is what a provider says of itself (OpenID Connect Discovery 1.0,
// section 3), checked.
type metadata struct {
	Issuer        string `json:"issuer"` // may hold {tenantid} with preset entra
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	JWKS          string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
	SendsIssuer   bool   `json:"authorization_response_iss_parameter_supported"` // RFC 9207

	keys *keySet
}

const tenantTemplate = "{tenantid}"

// discoverer fetches metadata and keys.
type discoverer struct {
	cfg    *Config
	client *http.Client
	now    func() time.Time
}

// discover answers with fresh metadata, or an error that says what is wrong with
// it. old is what was known before and may be nil: its keys live on while they
// are published at the same place.
func (d *discoverer) discover(ctx context.Context, old *metadata) (*metadata, error) {
	md := &metadata{Issuer: d.cfg.Issuer}
	if !d.cfg.static() {
		var err error
		if md, err = d.fetch(ctx); err != nil {
			return nil, err
		}
	}
	d.override(md)
	if md.Authorization == "" || md.Token == "" || md.JWKS == "" {
		return nil, errors.New("discovery: authorization_endpoint, token_endpoint or jwks_uri is missing")
	}
	md.keys = newKeySet(d.client, md.JWKS, d.now)
	if old != nil && old.JWKS == md.JWKS {
		md.keys = old.keys
	}
	return md, nil
}

func (d *discoverer) fetch(ctx context.Context) (*metadata, error) {
	address := strings.TrimSuffix(d.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	body, err := getJSON(ctx, d.client, address, "")
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var md metadata
	if err := json.Unmarshal(body, &md); err != nil {
		return nil, fmt.Errorf("discovery: %s is not a provider's metadata: %w", address, err)
	}
	if !d.issuerFits(md.Issuer) {
		return nil, d.misfit(md.Issuer)
	}
	if err := d.checkEndpoints(&md); err != nil {
		return nil, err
	}
	return &md, nil
}

func (d *discoverer) misfit(published string) error {
	remedy := "the two must be equal to the letter"
	if strings.Contains(published, tenantTemplate) {
		remedy = "write your tenant ID into the issuer, or set preset: entra and list tenants"
	}
	return fmt.Errorf("discovery: issuer is configured as %q, but the provider calls itself %q; %s",
		d.cfg.Issuer, authn.CutControl(published, 200), remedy)
}

// issuerFits accepts the configured issuer, and Microsoft's template where the
// tenants that may fill it are listed.
func (d *discoverer) issuerFits(published string) bool {
	if published == d.cfg.Issuer {
		return true
	}
	return d.cfg.Preset == presetEntra && len(d.cfg.Tenants) > 0 &&
		sharedTenant.MatchString(d.cfg.Issuer+"/") &&
		strings.TrimSuffix(sharedTenant.ReplaceAllString(d.cfg.Issuer+"/", "/"+tenantTemplate+"/"), "/") == published
}

func (d *discoverer) checkEndpoints(md *metadata) error {
	var errs []error
	for _, e := range []struct{ name, address, override string }{
		{"authorization_endpoint", md.Authorization, d.cfg.AuthorizationEndpoint},
		{"token_endpoint", md.Token, d.cfg.TokenEndpoint},
		{"userinfo_endpoint", md.UserInfo, d.cfg.UserInfoEndpoint},
		{"jwks_uri", md.JWKS, d.cfg.JWKSURI},
		{"end_session_endpoint", md.EndSession, d.cfg.EndSessionEndpoint},
	} {
		if e.address == "" || e.override != "" {
			continue
		}
		if err := checkEndpoint(e.name, e.address, d.cfg.Issuer, d.cfg.EndpointHosts, d.cfg.InsecureHTTP); err != nil {
			errs = append(errs, fmt.Errorf("discovery: %w", err))
		}
	}
	return errors.Join(errs...)
}

// override puts what the administrator wrote in place of what was discovered.
func (d *discoverer) override(md *metadata) {
	for _, o := range []struct {
		key   *string
		value string
	}{
		{&md.Authorization, d.cfg.AuthorizationEndpoint},
		{&md.Token, d.cfg.TokenEndpoint},
		{&md.UserInfo, d.cfg.UserInfoEndpoint},
		{&md.JWKS, d.cfg.JWKSURI},
		{&md.EndSession, d.cfg.EndSessionEndpoint},
	} {
		if o.value != "" {
			*o.key = o.value
		}
	}
}
