package config

import (
	"fmt"
	"slices"
	"strings"

	"foregate/authn"
)

// SCIM is how an organisation's identity provider keeps its people here.
type SCIM struct {
	Token authn.Secret `yaml:"token" required:"true" doc:"Bearer token of the identity provider, 32 bytes or more: make one with foregate keys new."`
	Kind  string       `yaml:"kind" doc:"Kind of the accounts that it makes, such as staff; none unless given."`
	Roles []string     `yaml:"roles" doc:"Roles that it may give its people; none unless listed, and then those that they have stay."`

	Groups []string `yaml:"groups" doc:"Groups that rules, roles or the admission of a method here name, and that it may keep all the same; any other group it may keep anyway."`
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
		for list, names := range map[string][]string{"roles": s.Roles, "groups": s.Groups} {
			for j, name := range names {
				if strings.TrimSpace(name) == "" {
					c.fault(item(join(at, list), j), FaultAt{Problem: "is empty", Remedy: "write a name, or remove it"})
				}
			}
		}
	}
}

// DecidingGroups are the names of groups that open something: to be a member of one is
// not an organisation's to decide unless it is allowed to.
func (f *File) DecidingGroups() []string {
	var names []string
	for i := range f.Methods {
		names = append(names, f.Methods[i].Admit.Groups...)
	}
	for i := range f.Apps {
		for _, groups := range f.Apps[i].Roles.FromGroups {
			names = append(names, groups...)
		}
		for j := range f.Apps[i].Rules {
			names = append(names, f.Apps[i].Rules[j].Groups...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
