package saml

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

// attributes replaces those of the answer; each is a name and its values.
func attributes(list ...[]string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, a := range list {
			b.WriteString(`<saml:Attribute Name="` + a[0] + `">`)
			for _, v := range a[1:] {
				b.WriteString(`<saml:AttributeValue>` + v + `</saml:AttributeValue>`)
			}
			b.WriteString(`</saml:Attribute>`)
		}
		s = without("<saml:AttributeStatement>", "</saml:AttributeStatement>")(s)
		return strings.Replace(s, "</saml:Assertion>", "<saml:AttributeStatement>"+b.String()+"</saml:AttributeStatement></saml:Assertion>", 1)
	}
}

func signInWith(t *testing.T, change func(*Config), text func(string) string) (authn.Identity, error) {
	t.Helper()
	c := config(t)
	change(c)
	s := newScene(t, c)
	s.forge.text = text
	return s.post()
}

const (
	claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	ms     = "http://schemas.microsoft.com/ws/2008/06/identity/claims/"
)

func TestPresets(t *testing.T) {
	for preset, c := range map[string]struct {
		text func(string) string
		want authn.Identity
	}{
		"adfs": {
			attributes([]string{ms + "windowsaccountname", `HOSPITAL\alice`}, []string{claims + "emailaddress", "alice@hospital.example"},
				[]string{claims + "givenname", "Alice"}, []string{claims + "surname", "Archer"}, []string{claims + "upn", "alice@ad.hospital.example"},
				[]string{"http://schemas.xmlsoap.org/claims/Group", "Careplan-Users", "Domain Users"}),
			authn.Identity{Subject: "alice", User: `HOSPITAL\alice`, Email: "alice@hospital.example", Name: "Alice Archer", PreferredUsername: "alice@ad.hospital.example", Groups: []string{"Careplan-Users", "Domain Users"}},
		},
		"entra": {
			attributes([]string{"http://schemas.microsoft.com/identity/claims/objectidentifier", "11111111-2222-3333-4444-555555555555"},
				[]string{claims + "name", "alice@hospital.example"}, []string{"http://schemas.microsoft.com/identity/claims/displayname", "Alice Archer"},
				[]string{ms + "groups", "aaaaaaaa-0000-0000-0000-000000000000"}),
			authn.Identity{Subject: "11111111-2222-3333-4444-555555555555", User: "alice@hospital.example", Name: "Alice Archer", PreferredUsername: "alice@hospital.example", Groups: []string{"aaaaaaaa-0000-0000-0000-000000000000"}},
		},
		"shibboleth": {
			attributes([]string{"urn:oasis:names:tc:SAML:attribute:subject-id", "a1b2@hospital.example"}, []string{"urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "alice@hospital.example"},
				[]string{"urn:oid:0.9.2342.19200300.100.1.3", "alice@hospital.example"}, []string{"urn:oid:2.16.840.1.113730.3.1.241", "Alice Archer"},
				[]string{"urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "staff@hospital.example"}),
			authn.Identity{Subject: "a1b2@hospital.example", User: "alice@hospital.example", Email: "alice@hospital.example", Name: "Alice Archer", Groups: []string{"staff@hospital.example"}},
		},
		"keycloak": {
			attributes([]string{"username", "alice"}, []string{"email", "alice@hospital.example"}, []string{"firstName", "Alice"}, []string{"lastName", "Archer"}, []string{"Role", "staff", "uma_authorization"}),
			authn.Identity{Subject: "alice", User: "alice", Email: "alice@hospital.example", Name: "Alice Archer", PreferredUsername: "alice", Groups: []string{"staff", "uma_authorization"}},
		},
	} {
		got, err := signInWith(t, func(c *Config) { c.Preset = preset }, c.text)
		if err != nil {
			t.Errorf("%s: %v", preset, err)
			continue
		}
		w := c.want
		if got.Subject != w.Subject || got.User != w.User || got.Email != w.Email || got.Name != w.Name || got.PreferredUsername != w.PreferredUsername || !slices.Equal(got.Groups, w.Groups) {
			t.Errorf("%s:\n got %+v\nwant %+v", preset, got, w)
		}
	}
}

func TestSubjectWithoutNameID(t *testing.T) {
	noName := without("<saml:NameID ", "</saml:NameID>")
	c := func(c *Config) { c.Attributes.Subject, c.Attributes.User = []string{"id"}, []string{"id"} }
	id, err := signInWith(t, c, func(s string) string { return attributes([]string{"id", "a-1"})(noName(s)) })
	if err != nil || id.Subject != "a-1" || id.SID != "" || id.Private != nil {
		t.Errorf("%+v %v", id, err)
	}
	transient := replaced("nameid-format:persistent", "nameid-format:transient")
	if id, err := signInWith(t, c, func(s string) string { return attributes([]string{"id", "a-1"})(transient(s)) }); err != nil || id.Subject != "a-1" || id.SID == "" {
		t.Errorf("%+v %v", id, err)
	}
}

func TestPeopleWhoAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		text   func(string) string
	}{
		"no subject":                {func(c *Config) { c.Preset = "entra" }, attributes([]string{claims + "name", "alice"})},
		"two subjects":              {func(c *Config) { c.Attributes.Subject = []string{"id"} }, attributes([]string{"id", "a", "b"})},
		"two user names":            {func(c *Config) {}, attributes([]string{"uid", "alice", "root"})},
		"user name in FriendlyName": {func(c *Config) { c.Attributes.User = []string{"username"} }, replaced(`FriendlyName="uid"`, `FriendlyName="username"`)},
		"user name with a newline":  {func(c *Config) {}, attributes([]string{"uid", "al&#10;ice"})},
		"user name of 300":          {func(c *Config) {}, attributes([]string{"uid", strings.Repeat("x", 300)})},
		"required attribute absent": {func(c *Config) { c.RequireAttributes = map[string]string{"mfa": "yes"} }, nil},
		"required attribute other":  {func(c *Config) { c.RequireAttributes = map[string]string{"department": "Oncology Surgery"} }, nil},
		"too many groups for Entra": {func(c *Config) {}, attributes([]string{groupsLink, "https://graph.example/"})},
		"SM17 e-mail of another":    {func(c *Config) { c.Scopes = []string{"st-elsewhere.example"} }, nil},
		"SM17 user of another":      {func(c *Config) { c.Scopes = []string{"hospital.example"} }, attributes([]string{"uid", "root@corp-a.test"})},
		"SM17 below the domain":     {func(c *Config) { c.Scopes = []string{"hospital.example"} }, attributes([]string{"uid", "root@evil.hospital.example"})},
	} {
		id, err := signInWith(t, c.change, c.text)
		var e *authn.Error
		if !errors.As(err, &e) || e.Status != http.StatusForbidden {
			t.Errorf("%s: %+v %v", name, id, err)
		}
	}
}

func TestPeopleWhoAreNot(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"required attribute": func(c *Config) { c.RequireAttributes = map[string]string{"department": "Oncology Cardiology"} },
		"scope":              func(c *Config) { c.Scopes = []string{"Hospital.Example"} },
		"trusted e-mail":     func(c *Config) { c.TrustEmail = true },
	} {
		id, err := signInWith(t, change, nil)
		if err != nil || id.Checked != (name == "trusted e-mail") {
			t.Errorf("%s: %+v %v", name, id, err)
		}
	}
}

func TestEmailThatIsNone(t *testing.T) {
	for _, bad := range []string{"alice", "a@b@hospital.example", "alice@hospital.example.", "&quot;a b&quot;@hospital.example", "a@hospit\u0430l.example"} {
		if id, err := signInWith(t, func(*Config) {}, attributes([]string{"mail", bad})); err != nil || id.Email != "" {
			t.Errorf("%q: %q %v", bad, id.Email, err)
		}
	}
}

func TestFreshIsChecked(t *testing.T) {
	for name, age := range map[string]time.Duration{"just now": 0, "an hour ago": time.Hour} {
		c := config(t)
		c.ForceAuthn = true
		s := newScene(t, c)
		s.forge.text = replaced(`AuthnInstant="`+stamp(s.clk.now()), `AuthnInstant="`+stamp(s.clk.now().Add(-age)))
		if _, err := s.post(); (err == nil) != (age == 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAuthnContextIsEnforced(t *testing.T) {
	const password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	for context, let := range map[string]bool{password: true, "urn:strong": false} {
		_, err := signInWith(t, func(c *Config) { c.AuthnContext = []string{context} }, nil)
		if (err == nil) != let {
			t.Errorf("%s: %v", context, err)
		}
	}
	_, err := signInWith(t, func(c *Config) { c.AuthnContext = []string{"urn:strong"} }, without("<saml:AuthnContext>", "</saml:AuthnContext>"))
	var e *authn.Error
	if !errors.As(err, &e) || !strings.Contains(e.Public, "not strong enough") {
		t.Errorf("no context at all: %v", err)
	}
}

func TestStatusTellsThePersonWhatToDo(t *testing.T) {
	nested := func(second string) func(string) string {
		return replaced(`<samlp:StatusCode Value="`+statusSuccess+`"/>`, `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:`+second+`"/></samlp:StatusCode>`)
	}
	for second, want := range map[string]string{"AuthnFailed": "did not let you in", "NoAuthnContext": "not strong enough", "RequestDenied": "does not let you use", "Whatever<": "did not sign you in"} {
		second = strings.ReplaceAll(second, "<", "&lt;")
		_, err := signInWith(t, func(*Config) {}, nested(second))
		var e *authn.Error
		if !errors.As(err, &e) || !strings.Contains(e.Public, want) {
			t.Errorf("%s: %v", second, err)
		}
	}
}

func TestSessionOfTheProviderEndsOurs(t *testing.T) {
	s := newScene(t, config(t))
	end := s.clk.now().Add(8 * time.Hour)
	s.forge.text = replaced(`SessionIndex="s1"`, `SessionIndex="s1" SessionNotOnOrAfter="`+stamp(end)+`"`)
	if id, err := s.post(); err != nil || !id.Until.Equal(end) {
		t.Errorf("until %v %v", id.Until, err)
	}
}
