package config

import (
	"fmt"
	"strings"

	"foregate/authn"
)

// SCIM is how an organisation's identity provider keeps its people here.
type SCIM struct {
	Token authn.Secret `yaml:"token" required:"true" doc:"Bearer token of the identity provider, 32 bytes or more: make one with foregate keys new."`
	Kind  string       `yaml:"kind" doc:"Kind of the accounts that it makes, such as staff; none unless given."`
	Roles []string     `yaml:"roles" doc:"Roles that it may give its people; none unless listed, and then those that they have stay."`
}

// scim checks the tokens: each says which organisation it is of, so no two are the same.
func (c *checker) scim() {
	for i := range c.file.Organisations {
		s := c.file.Organisations[i].SCIM
		if s == nil {
			continue
		}
		at := join(item("organisations", i), "scim")
		if n := len(s.Token.Reveal()); !s.Token.Empty() && n < minSecret {
			c.fault(join(at, "token"), FaultAt{
				Problem: "the token is too short", Found: fmt.Sprintf("%d bytes", n), Allowed: fmt.Sprintf("%d bytes or more", minSecret),
				Remedy: "make one with: foregate keys new",
			})
		}
		if strings.ContainsAny(s.Token.Reveal(), " \t\r\n") {
			c.fault(join(at, "token"), FaultAt{Problem: "has spaces in it, and so cannot be sent", Remedy: "make one with: foregate keys new"})
		}
		for j := range i {
			other := c.file.Organisations[j].SCIM
			if other != nil && !s.Token.Empty() && other.Token.Reveal() == s.Token.Reveal() {
				c.fault(join(at, "token"), FaultAt{
					Problem: fmt.Sprintf("is the token of the organisation %s too", shown(c.file.Organisations[j].Name)), Remedy: "give each a token of its own",
				})
			}
		}
		for j, role := range s.Roles {
			if strings.TrimSpace(role) == "" {
				c.fault(item(join(at, "roles"), j), FaultAt{Problem: "is empty", Remedy: "write the name of a role, or remove it"})
			}
		}
	}
}
