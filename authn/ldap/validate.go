package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

// Validate reads the configuration and the files that it names, and reports all
// faults at once.
func (c *Config) Validate() error {
	var f faults
	if _, ok := presets[c.Preset]; !ok {
		f.add("preset", fmt.Sprintf("%q is not known", c.Preset), "use active-directory, openldap, 389ds or freeipa")
		return errors.Join(f...)
	}
	full := c.filled()
	full.validateServers(&f)
	full.validateSearch(&f)
	full.validateGroups(&f)
	full.validateBounds(&f)
	f = append(f, full.Lockout.limits().Validate())
	return errors.Join(f...)
}

func (c *Config) validateServers(f *faults) {
	switch {
	case len(c.Servers) == 0 && c.SRV == "":
		f.add("servers", "is missing", "write the servers' addresses like ldaps://dc1.hospital.example, or srv")
	case len(c.Servers) > 0 && c.SRV != "":
		f.add("srv", "is there beside servers", "remove one of them")
	}
	if c.SRV != "" && !domain.MatchString(c.SRV) {
		f.add("srv", fmt.Sprintf("%q is not a domain", c.SRV), "write the domain alone, like hospital.example")
	}
	if c.SRV != "" && c.InsecurePlain {
		f.add("insecure_plain", "has no meaning with srv", "remove it")
	}
	for i, address := range c.Servers {
		if _, err := c.parseServer(address); err != nil {
			f.add(fmt.Sprintf("servers[%d]", i), err.Error(), "write ldaps://host, or ldap://host with start_tls: true")
		}
	}
	if _, err := loadCA(c.CA); err != nil {
		f.add("ca", err.Error(), "name a readable PEM file")
	}
	if (c.BindDN == "") != c.BindPassword.Empty() {
		f.add("bind_password", "and bind_dn go together", "write both, or neither for anonymous searches")
	}
}

var domain = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// parseServer reads one address. It says why one may not be used.
func (c *Config) parseServer(address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a server", authn.CutControl(address, 200))
	}
	if strings.Contains(u.Hostname(), "%") {
		return nil, fmt.Errorf("%q has an address with a zone", address)
	}
	switch {
	case u.Scheme == "ldaps":
		return newServer(u.Hostname(), cmp.Or(u.Port(), "636"), byLDAPS), nil
	case u.Scheme == "ldap" && c.StartTLS:
		return newServer(u.Hostname(), cmp.Or(u.Port(), "389"), byStartTLS), nil
	case u.Scheme == "ldap" && c.InsecurePlain:
		return newServer(u.Hostname(), cmp.Or(u.Port(), "389"), plain), nil
	case u.Scheme == "ldap":
		return nil, fmt.Errorf("%q is not encrypted", address)
	}
	return nil, fmt.Errorf("%q does not begin with ldaps:// or ldap://", authn.CutControl(address, 200))
}

func (c *Config) validateSearch(f *faults) {
	f.dn("base_dn", c.BaseDN)
	f.dn("groups.base_dn", c.Groups.BaseDN)
	f.filter("filter", c.Filter)
	f.filter("groups.filter", c.Groups.Filter)
	for key, names := range map[string][]string{
		"names.attributes": c.Names.Attributes, "names.address_attributes": c.Names.AddressAttributes,
		"attributes.key": {c.Attributes.Key}, "attributes.user": c.Attributes.User, "attributes.email": c.Attributes.Email,
		"attributes.name": c.Attributes.Name, "attributes.keep": c.Attributes.Keep,
	} {
		for _, name := range names {
			switch {
			case !attributeName.MatchString(name):
				f.add(key, fmt.Sprintf("%q is not the name of an attribute", name), "")
			case secretAttribute(name):
				f.add(key, fmt.Sprintf("%q holds a password", name), "remove it")
			}
		}
	}
	if c.PasswordPage != "" {
		u, err := url.Parse(c.PasswordPage)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || len(c.PasswordPage) > 200 || strings.ContainsAny(c.PasswordPage, "<>{} \"'") {
			f.add("password_page", fmt.Sprintf("%q is not the address of a page", c.PasswordPage), "write it like https://password.hospital.example")
		}
	}
}

func (c *Config) validateGroups(f *faults) {
	f.choice("groups.from", c.Groups.From, fromInChain, fromMemberOf, fromMembers, fromNone)
	f.choice("groups.nesting", c.Groups.Nesting, nestingWalk, nestingNone)
	f.choice("groups.name", c.Groups.Name, nameCN, nameDN)
	if c.Groups.From == fromInChain && c.Preset != presetAD {
		f.add("groups.from", "in_chain is a rule of Active Directory alone", "use member_of or members")
	}
	for i, pattern := range c.Groups.Keep {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			f.add(fmt.Sprintf("groups.keep[%d]", i), fmt.Sprintf("%q is not a pattern", pattern), "write a name, with * for any text")
		}
	}
}

func (c *Config) validateBounds(f *faults) {
	f.between("page_size", c.PageSize, 10, 10_000)
	f.between("connections", c.Connections, 1, 100)
	f.between("waiting", c.Waiting, 1, 100_000)
	f.lasting("wait", c.Wait, 100*time.Millisecond, time.Minute)
	f.lasting("recheck", c.Recheck, time.Minute, 24*time.Hour)
	if c.Refresh.Every != 0 {
		f.lasting("refresh.every", c.Refresh.Every, time.Minute, 7*24*time.Hour)
	}
	if _, err := authn.ParseWindow(c.Refresh.Window); err != nil {
		f.add("refresh.window", err.Error(), "write it like 22:00-05:00")
	}
	for key, d := range map[string]time.Duration{
		"timeouts.connect": c.Timeouts.Connect, "timeouts.search": c.Timeouts.Search, "timeouts.bind": c.Timeouts.Bind,
	} {
		f.lasting(key, d, 100*time.Millisecond, 10*time.Second)
	}
}

// faults collects what is wrong.
type faults []error

func (f *faults) add(path, problem, remedy string) {
	*f = append(*f, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
}

func (f *faults) choice(path, got string, allowed ...string) {
	for _, a := range allowed {
		if got == a {
			return
		}
	}
	f.add(path, fmt.Sprintf("%q is not known", got), "use one of "+strings.Join(allowed, ", "))
}

func (f *faults) between(path string, n, least, most int) {
	if n < least || n > most {
		f.add(path, fmt.Sprintf("%d is not from %d to %d", n, least, most), "")
	}
}

func (f *faults) lasting(path string, d, least, most time.Duration) {
	if d < least || d > most {
		f.add(path, fmt.Sprintf("%v is not from %v to %v", d, least, most), "")
	}
}

func (f *faults) dn(path, dn string) {
	parsed, err := ldap.ParseDN(dn)
	switch {
	case dn == "":
		f.add(path, "is missing", "write it like DC=hospital,DC=example")
	case err != nil || len(parsed.RDNs) == 0:
		f.add(path, fmt.Sprintf("%q is not a distinguished name", dn), "write it like DC=hospital,DC=example")
	}
}

func (f *faults) filter(path, filter string) {
	if _, err := ldap.CompileFilter(filter); err != nil {
		f.add(path, fmt.Sprintf("%q is not an LDAP filter", filter), "write it in parentheses, like (objectClass=person)")
	}
}
