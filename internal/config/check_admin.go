package config

import (
	"fmt"
	"slices"
)

// adminListener keeps the operator's side from going over a network in plain text.
func (c *checker) adminListener() {
	l := &c.file.Listen
	if c.file.Admin.TLS != nil {
		c.pair("admin.tls", *c.file.Admin.TLS)
	}
	if l.Admin == "" || !c.address("listen.admin", l.Admin) || LoopbackAddress(l.Admin) || c.file.Admin.TLS != nil {
		return
	}
	if l.AdminPlain {
		c.warn("listen.insecure_admin_plain", "whoever is between an administrator and Foregate can read tokens and passwords, and use them", "add admin.tls")
		return
	}
	c.fault("listen.admin", FaultAt{
		Problem: "could be reached from other machines, in plain text", Found: quoted(l.Admin),
		Allowed: "a loopback address, or off; any with admin.tls", Remedy: "write 127.0.0.1:9180, or add admin.tls with cert and key",
	})
}

// admin checks who may use the operator's side.
func (c *checker) admin() {
	first := make(map[string]int)
	for i := range c.file.Admin.Tokens {
		t := &c.file.Admin.Tokens[i]
		at := item("admin.tokens", i)
		c.name(t.Name, at, "admin.tokens", first, i)
		c.lookedAfter(at, t.Organisation)
		size := len(t.Token.Reveal())
		if size > 0 && size < minSecret {
			c.fault(join(at, "token"), FaultAt{
				Problem: "the token is too short", Found: fmt.Sprintf("%d bytes", size), Allowed: fmt.Sprintf("%d bytes or more", minSecret),
				Remedy: "make one with: foregate keys new",
			})
		}
		for j := range i {
			if size > 0 && c.file.Admin.Tokens[j].Token.Reveal() == t.Token.Reveal() {
				c.fault(join(at, "token"), FaultAt{Problem: fmt.Sprintf("is the same token as that of [%d]", j), Remedy: "make one for each"})
			}
		}
	}
	for i, a := range c.file.Admin.Allow {
		c.lookedAfter(item("admin.allow", i), a.Organisation)
		named := 0
		for _, name := range []string{a.User, a.Email, a.Group} {
			if name != "" {
				named++
			}
		}
		if named != 1 {
			c.fault(item("admin.allow", i), FaultAt{
				Problem: "does not say whom it is about by one key", Found: fmt.Sprintf("%d of user, email and group", named),
				Allowed: "one of them", Remedy: "write an entry for each",
			})
		}
	}
}

// lookedAfter checks whose people somebody looks after, where the file names the
// organisations.
func (c *checker) lookedAfter(path, name string) {
	var known []string
	for i := range c.file.Organisations {
		known = append(known, c.file.Organisations[i].Name)
	}
	if name != "" && len(known) > 0 && !slices.Contains(known, name) {
		c.noOrganisation(join(path, "organisation"), name, known)
	}
}
