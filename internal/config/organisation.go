package config

import (
	"net/netip"
	"slices"
)

// Organisation is a customer whose people have ways in of their own.
type Organisation struct {
	Name     string         `yaml:"name" required:"true" doc:"Its name in accounts, reports and logs: lower-case letters, digits and dashes."`
	Title    string         `yaml:"title" doc:"Its name for people; the name unless given."`
	Domains  []string       `yaml:"domains" doc:"Domains of its people's e-mail addresses; .hospital.example is all below that domain and not itself. Its methods may then vouch for no other address."`
	Networks []netip.Prefix `yaml:"networks" doc:"Networks and addresses where its people are: there the sign-in page offers its methods."`
	Methods  []string       `yaml:"methods" doc:"Its own ways to sign in, which can sign in its people only."`
	Only     bool           `yaml:"only" default:"false" doc:"Its people must use its methods; accounts that are exempt may use others too."`
	SCIM     *SCIM          `yaml:"scim" doc:"Lets its identity provider keep its people and groups here, at scim/v2 below the prefix."`
	Desk     []string       `yaml:"desk" doc:"E-mail addresses of the people who may manage its accounts, and nobody else's."`
}

// everyOrganisation in apps[].organisations stands for all of them.
const everyOrganisation = "*"

// Guests are the methods by which people of organisations may sign in to an app
// beside those that it lists itself.
func (f *File) Guests(a *App) []string {
	var guests []string
	for i := range f.Organisations {
		o := &f.Organisations[i]
		if !a.invites(o.Name) {
			continue
		}
		for _, m := range o.Methods {
			if !slices.Contains(a.Methods, m) && !slices.Contains(guests, m) {
				guests = append(guests, m)
			}
		}
	}
	return guests
}

// Asks reports whether an app's sign-in page asks for the e-mail address first: where
// it says so, or else where people of several organisations can only be told apart by
// it.
func (f *File) Asks(a *App) bool {
	if a.Discover != nil {
		return *a.Discover
	}
	return f.discoverable(a, func(m string) bool { return !slices.Contains(a.Methods, m) }) > 1
}

// discoverable counts the organisations that an address can lead to: with domains, and
// with a method that counts.
func (f *File) discoverable(a *App, counts func(method string) bool) int {
	n := 0
	for i := range f.Organisations {
		o := &f.Organisations[i]
		if a.invites(o.Name) && len(o.Domains) > 0 && slices.ContainsFunc(o.Methods, counts) {
			n++
		}
	}
	return n
}

func (a *App) invites(organisation string) bool {
	return slices.Contains(a.Organisations, everyOrganisation) || slices.Contains(a.Organisations, organisation)
}
