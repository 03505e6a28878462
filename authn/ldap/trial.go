package ldap

import (
	"strings"

	"foregate/authn"
)

// tell notes what the directory says of a person, and what the configuration looks for.
func (m *Method) tell(p *person, t *authn.Trial) {
	if t == nil {
		return
	}
	t.Check("Password", "right, by a bind as "+p.dn)
	for _, a := range p.entry.Attributes {
		if !secretAttribute(a.Name) {
			t.Send(a.Name, texts(p.entry, a.Name)...)
		}
	}
	c := &m.cfg.Attributes
	t.Make("subject, for good", []string{c.Key}, p.key)
	t.Make("user name", c.User, p.user)
	t.Make("e-mail address", c.Email, first(p.entry, c.Email...))
	t.Make("name", c.Name, first(p.entry, c.Name...))
	for _, name := range m.claims {
		t.Make("claim "+name, []string{name}, strings.Join(texts(p.entry, name), ", "))
	}
}
