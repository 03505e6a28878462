package kerberos

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Config is the part "kerberos" of a method: one keytab.
type Config struct {
	Keytab      authn.Path     `yaml:"keytab" required:"true" default:"" doc:"File with the keys of the service, as ktpass, samba-tool or kadmin write it. It may hold older keys too, whose tickets are still about."`
	Services    []string       `yaml:"services" default:"[]" doc:"Names that tickets may be for, such as HTTP/app.hospital.example; if empty HTTP/ and the host that was asked for."`
	Realms      []string       `yaml:"realms" default:"[]" doc:"Realms whose people may sign in, such as HOSPITAL.EXAMPLE; if empty those of the keytab. Others are those of trusted domains."`
	Networks    []netip.Prefix `yaml:"networks" required:"true" default:"[]" doc:"Where the devices of the domain are. Elsewhere this way is not offered, and no browser is asked for a ticket."`
	User        string         `yaml:"user" default:"name" enum:"name|principal" doc:"What the application is given as user: name (alice) or principal (alice@HOSPITAL.EXAMPLE)."`
	KnownBy     string         `yaml:"known_by" default:"principal" enum:"principal|sid" doc:"By what a person is known for good: principal (alice@HOSPITAL.EXAMPLE) or, with Active Directory, sid, which no later person gets and which stays when a name changes."`
	Groups      string         `yaml:"groups" default:"none" enum:"none|sids" doc:"Groups for rules and roles: none, or with Active Directory sids, such as S-1-5-21-1-2-3-512, as they were when the person signed in to their device."`
	Directory   string         `yaml:"directory" default:"" doc:"Name of an ldap method in whose directory each person is looked up, by name or SID (known_by): they are the same person as there, with its attributes and groups, and out when disabled there."`
	InsecureRC4 bool           `yaml:"insecure_rc4" default:"false" doc:"Accept tickets encrypted with RC4, which can be broken."`
}

var _ authn.MethodConfig = (*Config)(nil)

const (
	userName      = "name"
	userPrincipal = "principal"
	keyPrincipal  = "principal"
	keySID        = "sid"
	groupsNone    = "none"
	groupsSIDs    = "sids"
)

// Validate implements authn.MethodConfig.
func (c *Config) Validate() error {
	var faults []error
	if c.Keytab == "" {
		faults = append(faults, &authn.Fault{Path: "keytab", Problem: "is missing", Remedy: "name the file that ktpass or samba-tool wrote"})
	}
	if len(c.Networks) == 0 {
		faults = append(faults, &authn.Fault{Path: "networks", Problem: "is empty, so nobody could sign in", Remedy: "list the networks of the domain's devices, such as 10.0.0.0/8"})
	}
	for i, n := range c.Networks {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			faults = append(faults, &authn.Fault{Path: fmt.Sprintf("networks[%d]", i), Problem: fmt.Sprintf("%s is not a network", n), Remedy: "write one such as 10.0.0.0/8"})
		}
	}
	for i, s := range c.Services {
		if class, host, ok := strings.Cut(s, "/"); !ok || class == "" || host == "" || strings.ContainsAny(host, "/@ ") {
			faults = append(faults, &authn.Fault{Path: fmt.Sprintf("services[%d]", i), Problem: fmt.Sprintf("%q is not the name of a service", authn.CutControl(s, 100)), Remedy: "write one such as HTTP/app.hospital.example, without the realm"})
		}
	}
	for i, r := range c.Realms {
		if r == "" || strings.ContainsAny(r, "@/ ") {
			faults = append(faults, &authn.Fault{Path: fmt.Sprintf("realms[%d]", i), Problem: fmt.Sprintf("%q is not a realm", authn.CutControl(r, 100)), Remedy: "write one such as HOSPITAL.EXAMPLE"})
		}
	}
	for _, f := range []struct{ path, value, one, other string }{{"known_by", c.KnownBy, keyPrincipal, keySID}, {"groups", c.Groups, groupsNone, groupsSIDs}} {
		if f.value != "" && f.value != f.one && f.value != f.other {
			faults = append(faults, &authn.Fault{Path: f.path, Problem: fmt.Sprintf("%q is unknown", authn.CutControl(f.value, 40)), Remedy: "write " + f.one + " or " + f.other})
		}
	}
	return errors.Join(append(faults, c.userFault(), c.directoryFault())...)
}

// userFault refuses to call people of two realms by the same name.
func (c *Config) userFault() error {
	if !slices.Contains([]string{"", userName, userPrincipal}, c.User) {
		return &authn.Fault{Path: "user", Problem: fmt.Sprintf("%q is unknown", authn.CutControl(c.User, 40)), Remedy: "write name or principal"}
	}
	if len(c.Realms) > 1 && c.Directory == "" && c.User != userPrincipal {
		return &authn.Fault{Path: "user", Problem: "people of several realms may have the same name", Remedy: "write principal, or make a method for each realm"}
	}
	return nil
}

// directoryFault refuses what a directory decides, and names of two realms in one.
func (c *Config) directoryFault() error {
	switch {
	case c.Directory == "":
	case c.User == userPrincipal:
		return &authn.Fault{Path: "user", Problem: "is what the directory says", Remedy: "remove user, or remove directory"}
	case c.Groups == groupsSIDs:
		return &authn.Fault{Path: "groups", Problem: "are those of the directory", Remedy: "remove groups, or remove directory"}
	case len(c.Realms) > 1 && c.KnownBy != keySID:
		return &authn.Fault{Path: "realms", Problem: "people of several realms may have the same name in the directory", Remedy: "write known_by: sid, or make a method for each realm"}
	}
	return nil
}

// Builds says on which other method, named under which key, this one builds.
func (c *Config) Builds() (key, method string) { return "directory", c.Directory }

// Open implements authn.MethodConfig. The keytab is read now; a changed one is read
// when the configuration is loaded again.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	m, err := c.open(env, time.Now)
	if err != nil || c.Directory == "" {
		return m, err
	}
	return &followed{m}, nil
}

func (c *Config) open(env authn.Env, now func() time.Time) (*Method, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	keys, err := loadKeys(string(c.Keytab), c.InsecureRC4)
	if err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	m := &Method{
		name: env.Name, keys: keys, services: c.Services, realms: c.Realms, networks: slices.Clone(c.Networks),
		principal: c.User == userPrincipal, rc4: c.InsecureRC4,
		bySID: c.KnownBy == keySID, groups: c.Groups == groupsSIDs, directory: c.Directory, method: env.Method, once: env.Once, log: env.Log.With("method", env.Name), now: now,
	}
	if len(m.realms) == 0 {
		m.realms = keys.realms()
	}
	switch {
	case len(m.realms) < 2 || m.principal || m.directory != "" && m.bySID:
	case m.directory != "":
		return nil, fmt.Errorf("kerberos: %w", &authn.Fault{Path: "realms", Problem: "the keytab has keys of several realms, whose people may have the same name in the directory", Remedy: "name one realm, or write known_by: sid"})
	default:
		return nil, fmt.Errorf("kerberos: %w", &authn.Fault{Path: "realms", Problem: "the keytab has keys of several realms, whose people may have the same name", Remedy: "name one realm, or write user: principal"})
	}
	if c.InsecureRC4 {
		m.log.Warn("insecure_rc4 is on: tickets that can be forged by whoever breaks RC4 are accepted")
	}
	return m, nil
}
