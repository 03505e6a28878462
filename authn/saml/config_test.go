package saml

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

// paths of the faults of a configuration.
func faultsOf(t *testing.T, c *Config) []string {
	t.Helper()
	err := c.Validate()
	if err == nil {
		return nil
	}
	var paths []string
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		var f *authn.Fault
		if !errors.As(one, &f) || f.Problem == "" || f.Remedy == "" {
			t.Fatalf("%v is no fault with a remedy", one)
		}
		paths = append(paths, f.Path)
	}
	return paths
}

func TestFaultsNameTheirKey(t *testing.T) {
	metadataFile := file(t, "idp.xml", idpMetadata("", ecKeys()))
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"nothing":             {func(c *Config) { *c = Config{} }, ""},
		"three values":        {func(*Config) {}, ""},
		"metadata file":       {func(c *Config) { *c = Config{Metadata: Metadata{File: metadataFile}} }, ""},
		"metadata address":    {func(c *Config) { *c = Config{Metadata: Metadata{URL: "https://idp.example/metadata"}} }, ""},
		"unknown preset":      {func(c *Config) { c.Preset = "adsf" }, "preset"},
		"no sso_url":          {func(c *Config) { c.SSOURL = "" }, "sso_url"},
		"slo_url alone":       {func(c *Config) { *c = Config{SLOURL: "https://idp.example/"} }, "sso_url"},
		"no certificate":      {func(c *Config) { c.Certificate = "" }, "certificate"},
		"certificate is none": {func(c *Config) { c.Certificate = metadataFile }, "certificate"},
		"certificate is gone": {func(c *Config) { c.Certificate = "/nowhere" }, "certificate"},
		"sso_url plain":       {func(c *Config) { c.SSOURL = "http://idp.example/" }, "sso_url"},
		"slo_url a script":    {func(c *Config) { c.SLOURL = "javascript:alert(1)" }, "slo_url"},
		"both":                {func(c *Config) { c.Metadata.File = metadataFile }, "certificate idp_entity_id slo_url sso_url"},
		"half metadata":       {func(c *Config) { *c = Config{Metadata: Metadata{EntityID: "x"}} }, "metadata"},
		"metadata plain":      {func(c *Config) { *c = Config{Metadata: Metadata{URL: "http://idp.example/"}} }, "metadata.url"},
		"metadata is none":    {func(c *Config) { *c = Config{Metadata: Metadata{File: file(t, "x.xml", "<a/>")}} }, "metadata.file"},
		"metadata of another": {func(c *Config) { *c = Config{Metadata: Metadata{File: metadataFile, EntityID: "urn:other"}} }, "metadata.file"},
		"refresh too often":   {func(c *Config) { *c = Config{Metadata: Metadata{URL: "https://idp.example/", Refresh: time.Second}} }, "metadata.refresh"},
		"metadata authority":  {func(c *Config) { *c = Config{Metadata: Metadata{URL: "https://idp.example/", CA: metadataFile}} }, "metadata.ca"},
		"metadata signer": {func(c *Config) {
			*c = Config{Metadata: Metadata{URL: "http://idp.example/", Certificate: metadataFile}}
		}, "metadata.certificate"},
		"keys of two":        {func(c *Config) { c.Keys[0].Certificate = file(t, "x.crt", otherKeys().certPEM()) }, "keys[0]"},
		"elliptic key":       {func(c *Config) { c.Keys[1] = ownPair(t, ecKeys()) }, "keys[1]"},
		"short key":          {func(c *Config) { c.Keys[1] = ownPair(t, newPair(rsaKey(1024), time.Now())) }, "keys[1]"},
		"key is none":        {func(c *Config) { c.Keys[0].Key = authn.NewSecret("x") }, "keys[0]"},
		"entity_id":          {func(c *Config) { c.EntityID = "careplan" }, "entity_id"},
		"contact":            {func(c *Config) { c.Contact = "call 4711" }, "contact"},
		"binding":            {func(c *Config) { c.Binding = "artifact" }, "binding"},
		"name_id_format":     {func(c *Config) { c.NameIDFormat = "upn" }, "name_id_format"},
		"authn_context":      {func(c *Config) { c.AuthnContext = []string{"a b"} }, "authn_context[0]"},
		"signed":             {func(c *Config) { c.Signed = "none" }, "signed"},
		"clock_tolerance":    {func(c *Config) { c.ClockTolerance = time.Hour }, "clock_tolerance"},
		"start_pages alone":  {func(c *Config) { c.StartPages = []string{"/x"} }, "start_pages"},
		"start page outside": {func(c *Config) { c.InsecureIdPInitiated, c.StartPages = true, []string{"//evil.example"} }, "start_pages[0]"},
		"require_attributes": {func(c *Config) { c.RequireAttributes = map[string]string{"x": " "} }, "require_attributes"},
		"scopes":             {func(c *Config) { c.Scopes = []string{"@hospital.example"} }, "scopes[0]"},
		"attributes":         {func(c *Config) { c.Attributes.Groups = []string{""} }, "attributes.groups"},
	} {
		cfg := config(t)
		c.change(cfg)
		if got := strings.Join(faultsOf(t, cfg), " "); got != c.want {
			t.Errorf("%s: faults of %q, want %q: %v", name, got, c.want, cfg.Validate())
		}
	}
}

func TestRisksAndEndsAreWarnedOf(t *testing.T) {
	var b bytes.Buffer
	env := authntest.NewEnv("method")
	env.Log = slog.New(slog.NewTextHandler(&b, nil))
	c := config(t)
	c.InsecureCBC, c.InsecureExpired, c.InsecureHTTP, c.InsecureIdPInitiated = true, true, true, true
	m, err := openMethod(c, env, func() time.Time { return time.Now().Add(999 * time.Hour) }) // an hour before the end
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.provider(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"insecure_cbc is on", "insecure_expired_certificate is on", "insecure_http is on", "insecure_idp_initiated is on",
		"certificate of our key ends soon", "certificate of the provider ends soon",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(b.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}
