package oidc

import (
	"time"

	"foregate/authn"
)

// Config is the "oidc" section of a method. A key that is left empty gets its
// value from the preset, or else from the row of presets that has no name.
type Config struct {
	Preset string `yaml:"preset" default:"" doc:"Known provider whose settings fill the keys left empty: entra, google, adfs, keycloak, nhs-login or nhs-cis2."`
	Issuer string `yaml:"issuer" default:"" doc:"Issuer, exactly as the provider publishes it."`

	ClientID                string       `yaml:"client_id" default:"" doc:"Name under which the provider knows Foregate."`
	ClientSecret            authn.Secret `yaml:"client_secret" default:"" doc:"Secret for client_auth basic and post."`
	ClientAuth              string       `yaml:"client_auth" default:"" doc:"How Foregate proves itself to the provider: basic, post or private_key_jwt; if empty basic, or what the preset says."`
	PrivateKey              authn.Secret `yaml:"private_key" default:"" doc:"PEM private key for private_key_jwt: RSA of 2048 bits or more, EC P-256, P-384 or P-521, or Ed25519."`
	PrivateKeyAlg           string       `yaml:"private_key_algorithm" default:"" doc:"Signature algorithm of private_key_jwt; if empty what suits the key."`
	ClientAssertionAudience string       `yaml:"client_assertion_audience" default:"token_endpoint" doc:"Whom private_key_jwt addresses: token_endpoint or issuer."`

	Scopes          []string          `yaml:"scopes" default:"[]" doc:"Scopes to ask for; if empty openid, profile and email, or what the preset says."`
	ResponseMode    string            `yaml:"response_mode" default:"" doc:"How the answer comes back: query or form_post; if empty query, or what the preset says."`
	Prompt          string            `yaml:"prompt" default:"" doc:"What the provider shall show each time: login, consent or select_account; empty leaves it to the provider."`
	MaxAge          time.Duration     `yaml:"max_age" default:"0s" doc:"The person must have authenticated at the provider within this time; 0s does not ask."`
	ACRValues       []string          `yaml:"acr_values" default:"[]" doc:"Strengths of authentication to ask for, best first."`
	RequireACR      []string          `yaml:"require_acr" default:"[]" doc:"Strengths of authentication of which the provider must confirm one; empty accepts any."`
	LoginHint       bool              `yaml:"login_hint" default:"true" doc:"Tell the provider the name or e-mail that the person gave already."`
	ExtraParameters map[string]string `yaml:"extra_parameters" default:"{}" doc:"Further parameters of the authorization request."`

	Claims        Claims            `yaml:"claims" doc:"Which claims say who the person is."`
	UserInfo      string            `yaml:"userinfo" default:"" doc:"When to ask the userinfo endpoint: auto (if the ID token lacks a claim), always or never; if empty auto, or what the preset says."`
	RequireClaims map[string]string `yaml:"require_claims" default:"{}" doc:"Claims that must have a value, such as identity_proofing_level: P9; several allowed values are separated by spaces."`

	Refresh bool `yaml:"refresh" default:"true" doc:"Renew what the provider says of people while they work, if it gives a refresh token: changed groups take effect, and who is shut out there is signed out here."`

	RequireVerifiedEmail bool     `yaml:"require_verified_email" default:"false" doc:"Refuse people whose e-mail address the provider has not verified."`
	Tenants              []string `yaml:"tenants" default:"[]" doc:"Tenant IDs that may sign in with preset entra; needed when the issuer is common or organizations."`
	HostedDomains        []string `yaml:"hosted_domains" default:"[]" doc:"Google Workspace domains that may sign in with preset google; empty lets any Google account in."`

	Algorithms     []string      `yaml:"id_token_algorithms" default:"[]" doc:"Signature algorithms to accept; if empty RS, PS and ES with 256, 384 and 512 bits, and EdDSA."`
	ClockTolerance time.Duration `yaml:"clock_tolerance" default:"60s" doc:"How far the provider's clock may differ, at most 5m."`
	Timeout        time.Duration `yaml:"timeout" default:"5s" doc:"Limit for each request to the provider, at most 10s."`
	CA             authn.Path    `yaml:"ca" default:"" doc:"PEM file of the certificate authorities to trust for the provider, in place of the system's."`
	InsecureHTTP   bool          `yaml:"insecure_http" default:"false" doc:"Allow http:// to the provider over a network, where anybody on the way can sign in as anyone."`
	EndpointHosts  []string      `yaml:"endpoint_hosts" default:"[]" doc:"Other hosts than the issuer's that the provider may name for its endpoints."`

	AuthorizationEndpoint string `yaml:"authorization_endpoint" default:"" doc:"In place of the discovered one; with token_endpoint and jwks_uri no discovery is needed."`
	TokenEndpoint         string `yaml:"token_endpoint" default:"" doc:"In place of the discovered one."`
	UserInfoEndpoint      string `yaml:"userinfo_endpoint" default:"" doc:"In place of the discovered one."`
	JWKSURI               string `yaml:"jwks_uri" default:"" doc:"In place of the discovered one."`
	EndSessionEndpoint    string `yaml:"end_session_endpoint" default:"" doc:"In place of the discovered one."`
}

// Claims are lists of claim paths.
//
// A path is first taken as the exact name of a claim ("https://example/roles"),
// then as names joined by dots ("realm_access.roles"). A path that begins with a
// slash is a JSON Pointer (RFC 6901): "/https:~1~1example/roles" is the member
// "roles" of the claim "https://example". On its way through a list a dotted
// path looks into every element: "memberships.role".
type Claims struct {
	User              []string `yaml:"user" default:"[]" doc:"Name that the application is given; the first that is there. An e-mail address counts only if it is verified."`
	Email             []string `yaml:"email" default:"[]" doc:"E-mail address; the first that is there."`
	EmailVerified     string   `yaml:"email_verified" default:"" doc:"Claim that says the e-mail address is verified; only JSON true says so."`
	Name              []string `yaml:"name" default:"[]" doc:"Name for people; the first that is there."`
	PreferredUsername []string `yaml:"preferred_username" default:"[]" doc:"Name that the person chose; the first that is there."`
	Groups            []string `yaml:"groups" default:"[]" doc:"Groups; all that are there."`
}

const (
	authBasic      = "basic"
	authPost       = "post"
	authPrivateKey = "private_key_jwt"

	modeQuery    = "query"
	modeFormPost = "form_post"

	infoAuto   = "auto"
	infoAlways = "always"
	infoNever  = "never"

	audienceToken  = "token_endpoint"
	audienceIssuer = "issuer"

	maxTolerance = 5 * time.Minute
	maxTimeout   = 10 * time.Second
)

// filled returns a copy with the preset applied to what was left empty.
func (c *Config) filled() Config {
	f := *c
	apply(&f, presets[c.Preset])
	apply(&f, presets[""])
	if f.Timeout == 0 {
		f.Timeout = 5 * time.Second
	}
	return f
}

// static reports whether the configuration names all that sign-in needs, so
// that the provider need not publish a discovery document.
func (c *Config) static() bool {
	return c.AuthorizationEndpoint != "" && c.TokenEndpoint != "" && c.JWKSURI != ""
}
