package handoff

import (
	"maps"
	"slices"
	"time"

	"foregate/authn"
)

// tell notes what was in a token that could be opened.
func (m *method) tell(c Content, t *authn.Trial) {
	if t == nil {
		return
	}
	t.Check("Token", "format "+m.partner.cfg.Format, "of "+m.partner.name)
	t.Check("Made", c.Made.UTC().Format(time.RFC3339))
	for _, part := range [...]struct{ name, value string }{{"user", c.User}, {"email", c.Email}, {"name", c.Name}, {"start", c.Start}} {
		if part.value != "" {
			t.Send(part.name, part.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		t.SendValue(name, c.Claims[name])
	}
	t.Make("user name", []string{"user"}, m.partner.cfg.userPrefix(m.partner.name)+c.User)
	t.Make("e-mail address", []string{"email"}, c.Email)
	t.Make("name", []string{"name"}, c.Name)
	for _, name := range m.claims {
		v, there := c.Claims[name]
		value := ""
		if there {
			value = authn.Plain(v)
		}
		t.Make("claim "+name, []string{name}, value)
	}
}
