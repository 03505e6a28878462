package saml

import (
	"time"

	"foregate/authn"
)

// Config is the "saml" section of a method. Empty, it is provisional: the
// metadata of our side can be sent to the provider, and people are told that this
// way is not ready. The provider's side is metadata, or else sso_url, slo_url and
// certificate.
type Config struct {
	Preset string `yaml:"preset" default:"" doc:"Known provider whose attribute names fill those left empty: adfs, entra, shibboleth or keycloak."`

	Metadata    Metadata   `yaml:"metadata" doc:"The provider's metadata, in place of the values below."`
	SSOURL      string     `yaml:"sso_url" default:"" doc:"The provider's sign-in address, where browsers are sent."`
	SLOURL      string     `yaml:"slo_url" default:"" doc:"The provider's sign-out address; empty, people are signed out here only."`
	Certificate authn.Path `yaml:"certificate" default:"" doc:"File with the certificate that the provider signs with; several in it while it changes to a new one. It is read again when it changes."`
	IdPEntityID string     `yaml:"idp_entity_id" default:"" doc:"The provider's own name (entity ID, issuer); if empty, with sso_url, whatever its certificate signs."`
	Binding     string     `yaml:"binding" default:"redirect" enum:"redirect|post" doc:"How requests are sent to the provider: redirect or post."`

	EntityID string     `yaml:"entity_id" default:"" doc:"Our name at the provider; if empty the address of the metadata, so another one on each host."`
	Keys     []KeyPair  `yaml:"keys" default:"[]" doc:"Our keys: the first signs, all decrypt and are in the metadata. Made with: foregate saml keygen. Without any, and without key_file, requests are not signed, nothing can be encrypted for us and people are signed out here only."`
	KeyFile  authn.Path `yaml:"key_file" default:"" doc:"Instead of keys: a file with our key and its certificate, which is made at the first start if it is not there. Replicas need the same one."`
	Contact  string     `yaml:"contact" default:"" doc:"E-mail address of the people who look after this, for the metadata."`

	NameIDFormat      string            `yaml:"name_id_format" default:"" doc:"Kind of name to ask for: persistent, email, unspecified, transient or a whole URI; empty leaves it to the provider."`
	AuthnContext      []string          `yaml:"authn_context" default:"[]" doc:"Ways of authentication (URIs) of which the provider must use one; it is asked for and checked."`
	ForceAuthn        bool              `yaml:"force_authn" default:"false" doc:"Let people prove who they are at the provider each time."`
	Attributes        Attributes        `yaml:"attributes" doc:"Which attributes say who the person is, by Name; a FriendlyName counts for nothing."`
	RequireAttributes map[string]string `yaml:"require_attributes" default:"{}" doc:"Attributes that must have a value; several allowed values are separated by spaces."`
	Scopes            []string          `yaml:"scopes" default:"[]" doc:"Domains that this provider may speak for: a user name, subject or e-mail address with another domain after its @ is refused. Empty allows all."`
	TrustEmail        bool              `yaml:"trust_email" default:"false" doc:"Take the provider's e-mail addresses as verified."`

	Signed         string        `yaml:"signed" default:"either" enum:"either|assertion|response|both" doc:"What of an answer must be signed: either, assertion, response or both."`
	ClockTolerance time.Duration `yaml:"clock_tolerance" default:"4m" min:"1s" max:"5m" doc:"How far the provider's clock may differ, at most 5m."`
	StartPages     []string      `yaml:"start_pages" default:"[]" doc:"With insecure_idp_initiated: the paths that a RelayState may name; with any other people come to /."`

	InsecureIdPInitiated bool `yaml:"insecure_idp_initiated" default:"false" doc:"Accept answers that nobody asked for, from a portal of the provider: another person's answer can then be planted in a browser."`
	InsecureCBC          bool `yaml:"insecure_cbc" default:"false" doc:"Accept encryption with AES-CBC, which cannot tell that it was changed; only in a signed Response."`
	InsecureExpired      bool `yaml:"insecure_expired_certificate" default:"false" doc:"Accept the provider's certificate after its end."`
	InsecureHTTP         bool `yaml:"insecure_http" default:"false" doc:"Allow http:// to the provider over a network, where anybody on the way can read and change what is sent."`
}

// Metadata is where the provider describes itself (SAML 2.0 Metadata).
type Metadata struct {
	URL         string        `yaml:"url" default:"" doc:"Address of the provider's metadata; it is read again regularly, so that a new certificate needs nobody."`
	File        authn.Path    `yaml:"file" default:"" doc:"File with the provider's metadata, read again when it changes; with url, the copy that is used until the address answers."`
	EntityID    string        `yaml:"entity_id" default:"" doc:"The provider's name, where the metadata describes several."`
	Keep        bool          `yaml:"keep" default:"false" doc:"Write what the address answered to file, so that a start without the address still signs people in; it is verified again when it is read."`
	Federation  bool          `yaml:"federation" default:"false" doc:"The metadata is that of a federation: people choose their organisation among its identity providers. Each may speak for its registered scopes only."`
	MDQ         string        `yaml:"mdq" default:"" doc:"Base address of a metadata query service, in place of url: a provider of the federation is asked for when somebody chooses it. Needs certificate."`
	Entities    []string      `yaml:"entities" default:"[]" doc:"With federation: only these providers (entity IDs); empty, all that the metadata has. With mdq they are those that can be searched for."`
	Certificate authn.Path    `yaml:"certificate" default:"" doc:"Certificate that must have signed the metadata, which must then say until when it is valid; needed for http."`
	Refresh     time.Duration `yaml:"refresh" default:"1h" min:"1m" max:"24h" doc:"How often the address is asked, from 1m to 24h."`
	CA          authn.Path    `yaml:"ca" default:"" doc:"PEM file of the certificate authorities to trust for the address, in place of the system's."`
}

// KeyPair is one of our keys.
type KeyPair struct {
	Key         authn.Secret `yaml:"key" required:"true" doc:"PEM private key, RSA of 2048 bits or more."`
	Certificate authn.Path   `yaml:"certificate" required:"true" doc:"PEM certificate of the key; self-signed is usual."`
}

// Attributes are lists of attribute names.
type Attributes struct {
	Subject           []string `yaml:"subject" default:"[]" doc:"What stays the same about a person for good; the first that is there. NameID in any of these lists is the assertion's NameID; a transient one is not taken here."`
	User              []string `yaml:"user" default:"[]" doc:"Name that the application is given; the first that is there."`
	Email             []string `yaml:"email" default:"[]" doc:"E-mail address; the first that is there."`
	Name              []string `yaml:"name" default:"[]" doc:"Name for people; the first that is there."`
	GivenName         []string `yaml:"given_name" default:"[]" doc:"First part of the name, where there is no whole one."`
	FamilyName        []string `yaml:"family_name" default:"[]" doc:"Second part of the name."`
	PreferredUsername []string `yaml:"preferred_username" default:"[]" doc:"Name that the person goes by; the first that is there."`
	Groups            []string `yaml:"groups" default:"[]" doc:"Groups; all that are there."`
}

const (
	bindingRedirect = "redirect"
	bindingPost     = "post"

	signedEither    = "either"
	signedAssertion = "assertion"
	signedResponse  = "response"
	signedBoth      = "both"

	maxTolerance = 5 * time.Minute
)

// provisional reports whether nothing is known of the provider yet.
func (c *Config) provisional() bool {
	return !c.byMetadata() && c.SSOURL == "" && c.Certificate == ""
}

// byMetadata reports whether the provider describes itself.
func (c *Config) byMetadata() bool {
	return c.Metadata.URL != "" || c.Metadata.File != "" || c.Metadata.MDQ != ""
}

// filled returns a copy with the preset and the defaults in what was left empty.
func (c *Config) filled() Config {
	f := *c
	p := presets[c.Preset]
	general := presets[""]
	for _, list := range []struct {
		key           *[]string
		preset, other []string
	}{
		{&f.Attributes.Subject, p.Subject, general.Subject},
		{&f.Attributes.User, p.User, general.User},
		{&f.Attributes.Email, p.Email, general.Email},
		{&f.Attributes.Name, p.Name, general.Name},
		{&f.Attributes.GivenName, p.GivenName, general.GivenName},
		{&f.Attributes.FamilyName, p.FamilyName, general.FamilyName},
		{&f.Attributes.PreferredUsername, p.PreferredUsername, general.PreferredUsername},
		{&f.Attributes.Groups, p.Groups, general.Groups},
	} {
		if len(*list.key) == 0 {
			*list.key = list.preset
		}
		if len(*list.key) == 0 {
			*list.key = list.other
		}
	}
	if f.Binding == "" {
		f.Binding = bindingRedirect
	}
	if f.Signed == "" {
		f.Signed = signedEither
	}
	if f.ClockTolerance == 0 {
		f.ClockTolerance = 4 * time.Minute
	}
	if f.Metadata.Refresh == 0 {
		f.Metadata.Refresh = time.Hour
	}
	return f
}
