package saml

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// tell notes what an answer is believed by.
func (a *answer) tell(t *authn.Trial) {
	if t == nil {
		return
	}
	t.Check("Provider", value(a.assertion.Issuer.Value))
	for _, s := range a.signed {
		t.Check(s.of+" signed with", certificateWords(s.by.cert)...)
	}
	if a.encrypted {
		t.Check("Assertion encrypted", "yes, and opened with our key")
	} else {
		t.Check("Assertion encrypted", "no")
	}
	if c := a.assertion.Conditions; c != nil {
		t.Check("Holds", fmt.Sprintf("from %s until %s", c.NotBefore, c.NotOnOrAfter))
	}
	if s := a.assertion.AuthnStatement; s != nil && s.AuthnInstant != nil {
		t.Check("Authenticated", s.AuthnInstant.UTC().Format(time.RFC3339), a.context())
	}
}

func certificateWords(c *x509.Certificate) []string {
	sum := sha256.Sum256(c.Raw)
	return []string{
		c.Subject.String(),
		"until " + c.NotAfter.UTC().Format(time.DateOnly),
		fmt.Sprintf("SHA-256 %X", sum[:]),
	}
}

// tell notes what an assertion says of a person, and what the configuration looks for.
func (m *Method) tell(f facts, t *authn.Trial) {
	if t == nil {
		return
	}
	if f.name.value != "" {
		t.Send(nameID, f.name.value, "format "+f.name.format)
	}
	for _, name := range slices.Sorted(maps.Keys(f.attributes)) {
		t.Send(name, f.attributes[name]...)
	}
	c := &m.cfg.Attributes
	for _, part := range []struct {
		name string
		from []string
		made string
	}{
		{"subject, for good", c.Subject, made(m.subject(f))},
		{"user name", c.User, made(f.first(c.User))},
		{"e-mail address", c.Email, m.email(f)},
		{"name", slices.Concat(c.Name, c.GivenName, c.FamilyName), m.fullName(f)},
		{"groups", c.Groups, strings.Join(madeList(m.groups(f)), ", ")},
	} {
		if len(part.from) > 0 {
			t.Make(part.name, part.from, part.made)
		}
	}
	for _, name := range m.claims {
		t.Make("claim "+name, []string{name}, strings.Join(f.all(name), ", "))
	}
}

// made is a part, or nothing where it cannot be made: why is said by what follows.
func made(s string, err error) string {
	if err != nil {
		return ""
	}
	return s
}

func madeList(list []string, err error) []string {
	if err != nil {
		return nil
	}
	return list
}
