package oidc

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func faultPaths(err error) []string {
	var paths []string
	var walk func(error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		var f *authn.Fault
		if errors.As(err, &f) {
			paths = append(paths, f.Path)
		}
	}
	walk(err)
	return paths
}

func sound() Config {
	return Config{
		Issuer: "https://idp.test", ClientID: "foregate", ClientSecret: authn.NewSecret("s"),
		ClockTolerance: time.Minute, Timeout: 5 * time.Second,
	}
}

func TestValidateNamesEachFault(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Config)
		want  []string
	}{
		"sound":               {func(*Config) {}, nil},
		"nothing":             {func(c *Config) { *c = Config{} }, []string{"client_id", "client_secret", "issuer"}},
		"unknown preset":      {func(c *Config) { c.Preset = "okta" }, []string{"preset"}},
		"http issuer":         {func(c *Config) { c.Issuer = "http://idp.test" }, []string{"issuer"}},
		"http issuer wanted":  {func(c *Config) { c.Issuer, c.InsecureHTTP = "http://idp.test", true }, nil},
		"http on this host":   {func(c *Config) { c.Issuer = "http://localhost:8080" }, nil},
		"unicode issuer":      {func(c *Config) { c.Issuer = "https://іdp.test" }, []string{"issuer"}},
		"issuer with query":   {func(c *Config) { c.Issuer = "https://idp.test?x=1" }, []string{"issuer"}},
		"issuer with secret":  {func(c *Config) { c.Issuer = "https://a:b@idp.test" }, []string{"issuer"}},
		"bad override":        {func(c *Config) { c.JWKSURI = "file:///x" }, []string{"jwks_uri"}},
		"bad host":            {func(c *Config) { c.EndpointHosts = []string{"https://x"} }, []string{"endpoint_hosts[0]"}},
		"no such CA":          {func(c *Config) { c.CA = "/does/not/exist" }, []string{"ca"}},
		"CA is not PEM":       {func(c *Config) { c.CA = authn.Path(notPEM) }, []string{"ca"}},
		"long timeout":        {func(c *Config) { c.Timeout = time.Hour }, []string{"timeout"}},
		"client_auth":         {func(c *Config) { c.ClientAuth = "none" }, []string{"client_auth"}},
		"key unused":          {func(c *Config) { c.PrivateKey = authn.NewSecret("x") }, []string{"private_key"}},
		"key missing":         {func(c *Config) { c.ClientAuth, c.ClientSecret = authPrivateKey, authn.Secret{} }, []string{"private_key"}},
		"both secrets":        {func(c *Config) { c.ClientAuth = authPrivateKey }, []string{"client_secret", "private_key"}},
		"no openid":           {func(c *Config) { c.Scopes = []string{"email"} }, []string{"scopes"}},
		"scopes in one":       {func(c *Config) { c.Scopes = []string{"openid", "a b"} }, []string{"scopes[1]"}},
		"offline_access":      {func(c *Config) { c.Scopes = []string{"openid", "offline_access"} }, []string{"scopes"}},
		"to refresh":          {func(c *Config) { c.Scopes, c.Refresh = []string{"openid", "offline_access"}, true }, nil},
		"fragment":            {func(c *Config) { c.ResponseMode = "fragment" }, []string{"response_mode"}},
		"prompt none":         {func(c *Config) { c.Prompt = "none" }, []string{"prompt"}},
		"two prompts":         {func(c *Config) { c.Prompt = "login consent" }, nil},
		"own parameter":       {func(c *Config) { c.ExtraParameters = map[string]string{"state": "x"} }, []string{"extra_parameters"}},
		"request object":      {func(c *Config) { c.ExtraParameters = map[string]string{"request_uri": "x"} }, []string{"extra_parameters"}},
		"alg none":            {func(c *Config) { c.Algorithms = []string{"RS256", "none"} }, []string{"id_token_algorithms[1]"}},
		"symmetric alg":       {func(c *Config) { c.Algorithms = []string{"HS256"} }, []string{"id_token_algorithms[0]"}},
		"wide tolerance":      {func(c *Config) { c.ClockTolerance = time.Hour }, []string{"clock_tolerance"}},
		"userinfo":            {func(c *Config) { c.UserInfo = "maybe" }, []string{"userinfo"}},
		"empty claim path":    {func(c *Config) { c.Claims.Groups = []string{""} }, []string{"claims.groups"}},
		"claim needs nothing": {func(c *Config) { c.RequireClaims = map[string]string{"x": " "} }, []string{"require_claims"}},
		"negative max_age":    {func(c *Config) { c.MaxAge = -1 }, []string{"max_age"}},
		"stray tenants":       {func(c *Config) { c.Tenants = []string{tenantA} }, []string{"tenants"}},
		"stray domains":       {func(c *Config) { c.HostedDomains = []string{"a.test"} }, []string{"hosted_domains"}},
		"entra for everybody": {func(c *Config) { c.Preset, c.Issuer = presetEntra, "https://login.microsoftonline.com/common/v2.0" }, []string{"tenants"}},
		"entra for two": {func(c *Config) {
			c.Preset, c.Issuer, c.Tenants = presetEntra, "https://login.microsoftonline.com/organizations/v2.0", []string{tenantA, tenantB}
		}, nil},
		"tenant by name": {func(c *Config) {
			c.Preset, c.Issuer, c.Tenants = presetEntra, "https://login.microsoftonline.com/"+tenantA+"/v2.0", []string{"contoso"}
		}, []string{"tenants[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound()
			c.spoil(&cfg)
			err := cfg.Validate()
			if diff := cmp.Diff(c.want, faultPaths(err)); diff != "" {
				t.Errorf("%v: %s", err, diff)
			}
		})
	}
}

func TestFaultsNeverShowSecrets(t *testing.T) {
	c := sound()
	c.ClientAuth, c.PrivateKey = authPrivateKey, authn.NewSecret("-----BEGIN PRIVATE KEY-----\ntop-secret")
	err := c.Validate()
	if err == nil || strings.Contains(err.Error(), "top-secret") {
		t.Errorf("got %v", err)
	}
}

func TestPresetsAreSoundAndYieldToTheAdministrator(t *testing.T) {
	for _, name := range presetNames() {
		c := sound()
		c.Preset = name
		if presets[name].auth == authPrivateKey {
			c.ClientSecret, c.PrivateKey = authn.Secret{}, authn.NewSecret(rsaPEM(t, rsaKey()))
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Scopes, c.Claims.User, c.ResponseMode, c.Algorithms = []string{"openid", "mine"}, []string{"mine"}, modeQuery, []string{"PS512"}
		f := c.filled()
		got := []any{f.Issuer, f.Scopes, f.Claims.User, f.ResponseMode, f.Algorithms}
		want := []any{c.Issuer, c.Scopes, c.Claims.User, c.ResponseMode, c.Algorithms}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	for _, kind := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Claims]()} {
		for i := range kind.NumField() {
			f := kind.Field(i)
			_, preset := f.Tag.Lookup("default")
			section := f.Type == reflect.TypeFor[Claims]()
			if f.Tag.Get("yaml") == "" || !section && (f.Tag.Get("doc") == "" || !preset) {
				t.Errorf("%s.%s lacks a tag", kind.Name(), f.Name)
			}
		}
	}
}
