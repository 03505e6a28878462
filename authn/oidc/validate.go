package oidc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Validate reads the configuration and the files that it names, and reports all
// faults at once.
func (c *Config) Validate() error {
	var f faults
	if _, ok := presets[c.Preset]; !ok {
		f.add("preset", fmt.Sprintf("%q is not known", c.Preset), "use "+oneOf(presetNames())+", or leave it out")
		return f.join()
	}
	full := c.filled()
	full.validateProvider(&f)
	full.validateClient(&f)
	full.validateRequest(&f)
	full.validateToken(&f)
	return f.join()
}

func (c *Config) validateProvider(f *faults) {
	if c.Issuer == "" {
		f.add("issuer", "is missing", "write the issuer exactly as the provider publishes it")
	} else {
		f.address("issuer", c.Issuer, c.InsecureHTTP)
		if strings.Contains(c.Issuer, "?") {
			f.add("issuer", fmt.Sprintf("%q has a query", c.Issuer), "write the issuer exactly as the provider publishes it")
		}
	}
	for key, value := range c.overrides() {
		if value != "" {
			f.address(key, value, c.InsecureHTTP)
		}
	}
	for i, h := range c.EndpointHosts {
		if h == "" || strings.ContainsAny(h, "/@?# ") {
			f.add(fmt.Sprintf("endpoint_hosts[%d]", i), fmt.Sprintf("%q is not a host", h), "write host or host:port without https://")
		}
	}
	if _, err := loadCA(c.CA); err != nil {
		f.add("ca", err.Error(), "name a readable PEM file")
	}
	if c.Timeout < time.Second || c.Timeout > maxTimeout {
		f.add("timeout", fmt.Sprintf("%s is not between 1s and %s", c.Timeout, maxTimeout), "leave it at 5s")
	}
	c.validateTenants(f)
}

func (c *Config) overrides() map[string]string {
	return map[string]string{
		"authorization_endpoint": c.AuthorizationEndpoint,
		"token_endpoint":         c.TokenEndpoint,
		"userinfo_endpoint":      c.UserInfoEndpoint,
		"jwks_uri":               c.JWKSURI,
		"end_session_endpoint":   c.EndSessionEndpoint,
	}
}

var sharedTenant = regexp.MustCompile(`/(common|organizations|consumers|\{tenantid\})/`)

func (c *Config) validateTenants(f *faults) {
	if len(c.Tenants) > 0 && c.Preset != presetEntra {
		f.add("tenants", "has no meaning without preset entra", "set preset: entra, or remove it")
	}
	if len(c.HostedDomains) > 0 && c.Preset != presetGoogle {
		f.add("hosted_domains", "has no meaning without preset google", "set preset: google, or remove it")
	}
	for i, t := range c.Tenants {
		if !guid.MatchString(t) {
			f.add(fmt.Sprintf("tenants[%d]", i), fmt.Sprintf("%q is not a tenant ID", t), "copy the Directory (tenant) ID, a GUID, from the Entra admin center")
		}
	}
	if c.Preset == presetEntra && len(c.Tenants) == 0 && sharedTenant.MatchString(c.Issuer+"/") {
		f.add("tenants", "is missing, so people of every organisation in the world could sign in", "list the tenant IDs that may, or write your own tenant ID into the issuer")
	}
}

func (c *Config) validateClient(f *faults) {
	if c.ClientID == "" {
		f.add("client_id", "is missing", "copy it from the registration of Foregate at the provider")
	}
	switch c.ClientAuth {
	case authBasic, authPost:
		if c.ClientSecret.Empty() {
			f.add("client_secret", "is missing for client_auth "+c.ClientAuth, "copy it from the registration at the provider, best as {file: …}")
		}
		if !c.PrivateKey.Empty() {
			f.add("private_key", "is not used with client_auth "+c.ClientAuth, "set client_auth: private_key_jwt, or remove it")
		}
	case authPrivateKey:
		if !c.ClientSecret.Empty() {
			f.add("client_secret", "is not used with client_auth private_key_jwt", "remove it")
		}
		if _, err := newSigner(c); err != nil {
			f.add("private_key", err.Error(), "give a PEM key: RSA of 2048 bits or more, EC P-256, P-384 or P-521, or Ed25519")
		}
	default:
		f.choice("client_auth", c.ClientAuth, authBasic, authPost, authPrivateKey)
	}
	if c.ClientAssertionAudience != "" {
		f.choice("client_assertion_audience", c.ClientAssertionAudience, audienceToken, audienceIssuer)
	}
}

// ownParameters are those of the authorization request that Foregate sets, or
// that would replace the request it makes.
var ownParameters = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "prompt", "max_age", "acr_values", "login_hint",
	"request", "request_uri", "id_token_hint",
}

func (c *Config) validateRequest(f *faults) {
	if !slices.Contains(c.Scopes, "openid") {
		f.add("scopes", "lacks openid", "add openid, without it there is no ID token")
	}
	for i, s := range c.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\"\\") {
			f.add(fmt.Sprintf("scopes[%d]", i), fmt.Sprintf("%q is not one scope", s), "write one scope per entry")
		}
	}
	if slices.Contains(c.Scopes, "offline_access") && !c.Refresh {
		f.add("scopes", "asks for offline_access, and refresh is false, so nobody would use the refresh token", "remove one of the two")
	}
	f.choice("response_mode", c.ResponseMode, modeQuery, modeFormPost)
	for _, p := range strings.Fields(c.Prompt) {
		f.choice("prompt", p, "login", "consent", "select_account")
	}
	if c.MaxAge < 0 {
		f.add("max_age", "is negative", "write a time such as 8h, or 0s for no limit")
	}
	for name := range c.ExtraParameters {
		if name == "" || slices.Contains(ownParameters, name) {
			f.add("extra_parameters", fmt.Sprintf("%q is set by Foregate itself", name), "remove it, or use the key of its own where there is one")
		}
	}
}

func (c *Config) validateToken(f *faults) {
	for i, a := range c.Algorithms {
		if !slices.Contains(presets[""].algorithms, a) {
			f.add(fmt.Sprintf("id_token_algorithms[%d]", i), fmt.Sprintf("%q is not allowed", a), "use "+oneOf(presets[""].algorithms))
		}
	}
	if c.ClockTolerance < 0 || c.ClockTolerance > maxTolerance {
		f.add("clock_tolerance", fmt.Sprintf("%s is not between 0s and %s", c.ClockTolerance, maxTolerance), "leave it at 60s and set the clocks right")
	}
	f.choice("userinfo", c.UserInfo, infoAuto, infoAlways, infoNever)
	for name, want := range c.RequireClaims {
		if name == "" || len(strings.Fields(want)) == 0 {
			f.add("require_claims", fmt.Sprintf("%q has no value that is allowed", name), "write the allowed value, or several with spaces between")
		}
	}
	for key, paths := range map[string][]string{
		"claims.user": c.Claims.User, "claims.email": c.Claims.Email, "claims.name": c.Claims.Name,
		"claims.preferred_username": c.Claims.PreferredUsername, "claims.groups": c.Claims.Groups,
		"claims.email_verified": {c.Claims.EmailVerified},
	} {
		if slices.Contains(paths, "") {
			f.add(key, "has an empty claim path", "name a claim")
		}
	}
}

// faults collects what is wrong, in a steady order.
type faults []*authn.Fault

func (f *faults) add(path, problem, remedy string) {
	*f = append(*f, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
}

func (f *faults) choice(path, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		f.add(path, fmt.Sprintf("%q is not known", got), "use "+oneOf(allowed))
	}
}

func (f *faults) address(path, address string, insecure bool) {
	if _, err := checkAddress(address, insecure); err != nil {
		f.add(path, err.Error(), "write an https address")
	}
}

func (f *faults) join() error {
	slices.SortStableFunc(*f, func(a, b *authn.Fault) int { return strings.Compare(a.Path, b.Path) })
	errs := make([]error, len(*f))
	for i, one := range *f {
		errs[i] = one
	}
	return errors.Join(errs...)
}

func presetNames() []string {
	var names []string
	for name := range presets {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
