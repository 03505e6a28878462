package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"foregate/authn/accounts"
)

func (c *checker) organisations() {
	names := make(map[string]int)
	for i := range c.file.Organisations {
		o := &c.file.Organisations[i]
		at := item("organisations", i)
		c.name(o.Name, at, "organisations", names, i)
		if o.Title == "" {
			o.Title = o.Name
		}
		for j := range o.Domains {
			c.mailDomain(i, j)
		}
		for j := range o.Networks {
			c.homeNetwork(i, j)
		}
		for j := range o.Desk {
			c.deskAddress(i, j)
		}
		c.methodNames(join(at, "methods"), o.Methods, c.configured())
		for j := range o.Methods {
			c.ownMethod(i, j)
		}
		if o.Only && len(o.Methods) == 0 {
			c.fault(join(at, "only"), FaultAt{
				Problem: "its people must use its methods, and it has none, so nobody of it could sign in",
				Remedy:  "add methods, or remove only",
			})
		}
	}
	c.scim()
	c.admittedOrganisations(names)
}

// mailDomain puts a domain into its canonical form; each is of one organisation.
func (c *checker) mailDomain(i, j int) {
	o := &c.file.Organisations[i]
	at := item(join(item("organisations", i), "domains"), j)
	bare, below := strings.CutPrefix(o.Domains[j], ".")
	var name, port string
	if !strings.Contains(bare, "@") {
		host, ok := c.host(at, bare)
		if !ok {
			return
		}
		name, port, _ = splitPort(host)
	}
	if _, err := netip.ParseAddr(name); err == nil || port != "" || strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		c.fault(at, FaultAt{Problem: "is not a domain of e-mail addresses", Found: quoted(o.Domains[j]), Allowed: "a name such as hospital.example", Remedy: "write what stands behind the @"})
		return
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); below && suffix == name {
		c.fault(at, FaultAt{Problem: "would make people of all sorts those of this organisation", Found: quoted(o.Domains[j]), Remedy: "write a domain that is the organisation's own"})
		return
	}
	o.Domains[j] = o.Domains[j][:len(o.Domains[j])-len(bare)] + name
	c.once(i, j, "domains", o.Domains[j], func(other *Organisation) int {
		return slices.IndexFunc(other.Domains, func(d string) bool { return sameDomains(d, o.Domains[j]) })
	})
}

// sameDomains reports whether an address can be in both domains.
func sameDomains(a, b string) bool {
	return a == b || below(a, b) || below(b, a)
}

// below reports whether domain is one of those that a pattern with a leading dot
// stands for.
func below(domain, pattern string) bool {
	return strings.HasPrefix(pattern, ".") && strings.HasSuffix(domain, pattern)
}

// once checks that the j-th item of a list is in no organisation before the i-th, and
// once in that.
func (c *checker) once(i, j int, list, found string, find func(*Organisation) int) {
	at := item(join(item("organisations", i), list), j)
	for other := range i {
		if k := find(&c.file.Organisations[other]); k >= 0 {
			there := item(join(item("organisations", other), list), k)
			c.fault(at, FaultAt{
				Problem: fmt.Sprintf("belongs to the organisation %s already, by line %d", shown(c.file.Organisations[other].Name), c.locate(there).line),
				Found:   quoted(found), Remedy: "keep it in one organisation",
			})
			return
		}
	}
	if k := find(&c.file.Organisations[i]); k >= 0 && k < j {
		c.fault(at, FaultAt{Problem: fmt.Sprintf("is covered by the item in line %d", c.locate(item(join(item("organisations", i), list), k)).line), Found: quoted(found), Remedy: "keep one of the two"})
	}
}

func (c *checker) homeNetwork(i, j int) {
	n := c.file.Organisations[i].Networks[j]
	if !n.IsValid() {
		return // said already
	}
	at := item(join(item("organisations", i), "networks"), j)
	if wide(n) {
		c.fault(at, FaultAt{
			Problem: "is so wide that strangers are in it", Found: quoted(n.String()),
			Allowed: "networks of its own, /8 (IPv6: /7) or smaller", Remedy: "list the networks that its people's requests come from",
		})
		return
	}
	c.once(i, j, "networks", n.String(), func(other *Organisation) int { return slices.IndexFunc(other.Networks, n.Overlaps) })
}

func (c *checker) deskAddress(i, j int) {
	o := &c.file.Organisations[i]
	at := item(join(item("organisations", i), "desk"), j)
	address, err := accounts.CanonicalEmail(o.Desk[j])
	if err != nil {
		c.fault(at, FaultAt{Problem: "is not an e-mail address", Found: quoted(o.Desk[j]), Remedy: "write a bare address, as desk@st-elsewhere.example"})
		return
	}
	o.Desk[j] = address
	c.once(i, j, "desk", address, func(other *Organisation) int { return slices.Index(other.Desk, address) })
}

// ownMethod checks that a method is of one organisation, and admits nobody else.
func (c *checker) ownMethod(i, j int) {
	o := &c.file.Organisations[i]
	name := o.Methods[j]
	m := c.method(name)
	if m < 0 {
		return // said already
	}
	for other := range i {
		if slices.Contains(c.file.Organisations[other].Methods, name) {
			c.fault(item(join(item("organisations", i), "methods"), j), FaultAt{
				Problem: fmt.Sprintf("is a method of the organisation %s already, and a method can sign in people of one organisation only", shown(c.file.Organisations[other].Name)),
				Found:   quoted(name), Remedy: "give each organisation a method of its own; a method that all share belongs into the methods of the apps alone",
			})
			return
		}
	}
	if isEmergency(&c.file.Methods[m]) {
		c.fault(item(join(item("organisations", i), "methods"), j), FaultAt{
			Problem: "is an emergency way in, which belongs to nobody", Found: quoted(name), Remedy: "remove it",
		})
	}
	if admits := c.file.Methods[m].Admit.Organisation; admits != "" && admits != o.Name {
		c.fault(join(item("methods", m), "admit.organisation"), FaultAt{
			Problem: fmt.Sprintf("the method belongs to the organisation %s, and signs in its people only", shown(o.Name)), Found: quoted(admits),
			Remedy: "remove it",
		})
	}
}

func (c *checker) method(name string) int {
	return slices.IndexFunc(c.file.Methods, func(m Method) bool { return m.Name == name })
}

// admittedOrganisations looks at methods that admit people of an organisation, where
// the file names the organisations.
func (c *checker) admittedOrganisations(names map[string]int) {
	if len(c.file.Organisations) == 0 {
		return
	}
	known := make([]string, 0, len(names))
	for name := range names {
		known = append(known, name)
	}
	slices.Sort(known)
	for i := range c.file.Methods {
		name := c.file.Methods[i].Admit.Organisation
		if name != "" && name != everyOrganisation && !slices.Contains(known, name) {
			c.noOrganisation(join(item("methods", i), "admit.organisation"), name, known)
		}
	}
}

func (c *checker) noOrganisation(path, name string, known []string) {
	c.fault(path, FaultAt{
		Problem: "there is no such organisation", Found: quoted(name),
		Allowed: cmp.Or(strings.Join(known, ", "), "none yet"), Nearest: nearest(name, known),
		Remedy: "write the name of one of the organisations",
	})
}

// invited checks whose people an app lets in, and how it finds out who they are.
func (c *checker) invited(path string, a *App) {
	var known []string
	for i := range c.file.Organisations {
		known = append(known, c.file.Organisations[i].Name)
	}
	for i, name := range a.Organisations {
		at := item(join(path, "organisations"), i)
		switch {
		case slices.Contains(a.Organisations[:i], name):
			c.fault(at, FaultAt{Problem: "is listed twice", Found: quoted(name), Remedy: "remove one of the two"})
		case name == everyOrganisation && len(a.Organisations) > 1:
			c.fault(at, FaultAt{Problem: "is all organisations, so the others say nothing", Found: quoted(name), Remedy: "keep either * or the names"})
		case name != everyOrganisation && !slices.Contains(known, name):
			c.noOrganisation(at, name, known)
		}
	}
	any := func(string) bool { return true }
	if a.Discover != nil && *a.Discover && c.file.discoverable(a, any) == 0 && !c.faulty("organisations") {
		c.fault(join(path, "discover"), FaultAt{
			Problem: "an e-mail address could lead to no organisation here",
			Remedy:  "add an organisation with domains and methods, or remove discover",
		})
	}
	c.kindsOfAccounts(path, a)
}

// kindsOfAccounts checks that everybody who comes in has an account, where its kind
// decides.
func (c *checker) kindsOfAccounts(path string, a *App) {
	for i, kind := range a.Kinds {
		if strings.TrimSpace(kind) == "" {
			c.fault(item(join(path, "kinds"), i), FaultAt{Problem: "is empty", Remedy: "write a kind of account such as staff, or remove it"})
		}
	}
	if len(a.Kinds) == 0 {
		return
	}
	for _, name := range append(slices.Clone(a.Methods), c.file.Guests(a)...) {
		i := c.method(name)
		if i < 0 || c.file.Methods[i].accounts() {
			continue
		}
		c.fault(join(path, "kinds"), FaultAt{
			Problem: fmt.Sprintf("people who come by the method %s need no account, so they are of no kind and could never come in", shown(name)),
			Remedy:  "add admit: {account: existing} to the method, or take it out of the app",
		})
	}
}

// accounts reports whether everybody who comes by m has an account, or needs none on
// purpose.
func (m *Method) accounts() bool {
	if p, ok := m.Config.(interface{ NeedsPeople() bool }); ok && p.NeedsPeople() {
		return true
	}
	return isEmergency(m) || m.Admit.Account == accounts.AccountExisting || m.Admit.Account == accounts.AccountCreate
}
