package certificate

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foregate/authn"
)

// Config is the part "certificate" of a method: whose certificates are taken, and what of
// them says who somebody is.
type Config struct {
	CA         []authn.Path `yaml:"ca" required:"true" default:"[]" doc:"PEM files with the authorities whose certificates are taken. Whoever one of them names can sign in, so list the one that issues to your people and no other. Changed files are in use within seconds; while one cannot be read nobody is let in."`
	CRL        []authn.Path `yaml:"crl" default:"[]" doc:"Files, PEM or DER, with the lists of revoked certificates: one of each authority between a person and those of ca. While one is out of date or cannot be read nobody is let in. Without any, nothing is known of revoked certificates."`
	KnownBy    string       `yaml:"known_by" default:"subject-dn" enum:"subject-dn|subject-cn|subject-serial|san-email|san-upn|san-uri|sid" doc:"By which field a person is known for good: subject-dn (the whole name), subject-cn, subject-serial (the name's serialNumber), san-email, san-upn, san-uri, or sid, which Active Directory's authority writes and gives to nobody else. It must stay when a certificate is renewed, and must never be given to somebody else."`
	User       string       `yaml:"user" default:"known_by" enum:"known_by|subject-dn|subject-cn|subject-serial|san-email|san-upn|san-uri|sid" doc:"Which field the application is given as user; known_by is the same."`
	Groups     string       `yaml:"groups" default:"none" enum:"none|organisational-unit" doc:"Groups for rules and roles: none, or the organisational units (OU) of the name."`
	TrustEmail bool         `yaml:"trust_email" default:"false" doc:"Take the e-mail address of a certificate as verified by its authority."`
	Directory  string       `yaml:"directory" default:"" doc:"Name of an ldap method in whose directory each person is looked up, by SID or, with subject-cn and subject-serial, by name (known_by): they are the same person as there, with its attributes and groups, and out when disabled there."`
	Usages     []string     `yaml:"usages" default:"[client-auth]" doc:"Extended key usages that a certificate must have, all of them: client-auth, smartcard-logon, or object identifiers; [any] asks for none."`
	Policies   []string     `yaml:"policies" default:"[]" doc:"Object identifiers of certificate policies of which a certificate, and each authority between, must have one; none by default."`
}

var (
	_ authn.MethodConfig    = (*Config)(nil)
	_ authn.CertifiedConfig = (*Config)(nil)
	_ authn.Checker         = (*Config)(nil)
)

// Names of extended key usages, beside object identifiers.
const (
	usageClient    = "client-auth"
	usageSmartcard = "smartcard-logon"
	usageAny       = "any"
)

const (
	groupsNone = "none"
	groupsOU   = "organisational-unit"
	sameField  = "known_by"
)

// LooksAtCertificate implements authn.CertifiedConfig.
func (*Config) LooksAtCertificate() {}

// Watches are files that the method looks at by itself.
func (c *Config) Watches() []authn.Path { return slices.Concat(c.CA, c.CRL) }

// Validate implements authn.MethodConfig. It reads the authorities: a file without any
// would let nobody in. Lists of revoked certificates are not looked at, since one that is
// out of date must not keep Foregate from starting; see Warnings.
func (c *Config) Validate() error {
	var faults []error
	add := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	if len(c.CA) == 0 {
		add("ca", "is empty, so nobody could sign in", "name the PEM file of the authority that issues your people's certificates")
	}
	for i, name := range c.CA {
		if _, err := readAuthorities(string(name)); err != nil {
			add(fmt.Sprintf("ca[%d]", i), err.Error(), "name a PEM file with the certificate of an authority")
		}
	}
	for i, name := range c.CRL {
		if name == "" {
			add(fmt.Sprintf("crl[%d]", i), "is empty", "name a file, or remove it")
		}
	}
	if _, ok := fieldOf(c.KnownBy); c.KnownBy != "" && !ok {
		add("known_by", fmt.Sprintf("%q is no field of a certificate", authn.CutControl(c.KnownBy, 40)), "write one of "+strings.Join(fieldNames(), ", "))
	}
	if _, ok := fieldOf(c.User); c.User != "" && c.User != sameField && !ok {
		add("user", fmt.Sprintf("%q is no field of a certificate", authn.CutControl(c.User, 40)), "write known_by, or one of "+strings.Join(fieldNames(), ", "))
	}
	if c.Groups != "" && c.Groups != groupsNone && c.Groups != groupsOU {
		add("groups", fmt.Sprintf("%q is unknown", authn.CutControl(c.Groups, 40)), "write none or organisational-unit")
	}
	for i, u := range c.Usages {
		if _, err := x509.ParseOID(u); err != nil && !slices.Contains([]string{usageClient, usageSmartcard, usageAny}, u) {
			add(fmt.Sprintf("usages[%d]", i), fmt.Sprintf("%q is no usage", authn.CutControl(u, 40)), "write client-auth, smartcard-logon, any, or an object identifier such as 1.3.6.1.5.5.7.3.2")
		}
	}
	if slices.Contains(c.Usages, usageAny) && len(c.Usages) > 1 {
		add("usages", "any is beside others", "write any alone, or remove it")
	}
	for i, p := range c.Policies {
		if _, err := x509.ParseOID(p); err != nil {
			add(fmt.Sprintf("policies[%d]", i), fmt.Sprintf("%q is no object identifier", authn.CutControl(p, 60)), "write one such as 2.16.840.1.101.3.2.1.3.13")
		}
	}
	return errors.Join(append(faults, c.directoryFault())...)
}

// directoryFault refuses what a directory decides, and fields that it does not look for.
func (c *Config) directoryFault() error {
	switch {
	case c.Directory == "":
	case c.User != "" && c.User != sameField:
		return &authn.Fault{Path: "user", Problem: "is what the directory says", Remedy: "remove user, or remove directory"}
	case c.Groups != "" && c.Groups != groupsNone:
		return &authn.Fault{Path: "groups", Problem: "are those of the directory", Remedy: "remove groups, or remove directory"}
	case c.TrustEmail:
		return &authn.Fault{Path: "trust_email", Problem: "is about an address that the directory says", Remedy: "remove trust_email, or remove directory"}
	case !slices.Contains([]string{fieldSID, "subject-cn", "subject-serial"}, c.KnownBy):
		return &authn.Fault{Path: "known_by", Problem: "is no field that people are looked up by in a directory", Remedy: "write sid, or subject-cn or subject-serial where that is the user name"}
	}
	return nil
}

// Builds says on which other method, named under which key, this one builds.
func (c *Config) Builds() (key, method string) { return "directory", c.Directory }

// Warnings tells of lists that let nobody in, and of what is not known without one.
func (c *Config) Warnings() []*authn.Fault {
	if len(c.CRL) == 0 {
		return []*authn.Fault{{Path: "crl", Problem: "is not given, so a revoked certificate, as of a lost card, still signs in", Remedy: "name the list of each authority, or disable the accounts of lost cards"}}
	}
	var all []*authn.Fault
	trust := files{ca: names(c.CA)}.load(time.Now())
	for i, name := range c.CRL {
		l, err := readList(string(name))
		if err == nil {
			err = cmp.Or(l.current(trust.read), l.signedByNamed(trust.authorities))
		}
		if err != nil {
			all = append(all, &authn.Fault{Path: fmt.Sprintf("crl[%d]", i), Problem: "nobody can sign in by this method: " + err.Error(), Remedy: "fetch the authority's newest list"})
		}
	}
	return all
}

// Open implements authn.MethodConfig. Files that cannot be read are no error: the method is
// there, lets nobody in, and looks again every few seconds.
func (c *Config) Open(env authn.Env) (authn.Authenticator, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	m := c.open(env, time.Now)
	m.watch()
	if c.Directory != "" {
		return &followed{m}, nil
	}
	return m, nil
}

func (c *Config) open(env authn.Env, now func() time.Time) *Method {
	m := &Method{
		name: env.Name, ous: c.Groups == groupsOU, trustEmail: c.TrustEmail, claims: env.Claims, log: env.Log.With("method", env.Name), now: now,
		directory: c.Directory, method: env.Method,
		files: files{ca: names(c.CA), crl: names(c.CRL)}, done: make(chan struct{}),
	}
	m.knownBy, _ = fieldOf(c.KnownBy)
	m.user = m.knownBy
	if f, ok := fieldOf(c.User); ok {
		m.user = f
	}
	m.demands = demandsOf(c.Usages, c.Policies)
	m.look()
	return m
}

func names(paths []authn.Path) []string {
	all := make([]string, len(paths))
	for i, p := range paths {
		all[i] = string(p)
	}
	return all
}

// endsSoon is how long before its end an authority is warned of: all certificates below it
// must be replaced by then.
const endsSoon = 60 * 24 * time.Hour

// Checks implements authn.Checker.
func (c *Config) Checks() []authn.Check {
	var all []authn.Check
	for _, name := range names(c.CA) {
		all = append(all, authn.Check{Target: name, Look: func(context.Context, *authn.Witness) authn.Finding { return judgeAuthorities(name, time.Now()) }})
	}
	for _, name := range names(c.CRL) {
		all = append(all, authn.Check{Target: name, Look: func(context.Context, *authn.Witness) authn.Finding { return judgeList(name, names(c.CA), time.Now()) }})
	}
	return all
}

func judgeAuthorities(name string, now time.Time) authn.Finding {
	all, err := readAuthorities(name)
	if err != nil {
		return authn.Finding{Err: err, Remedy: "name a PEM file with the certificate of an authority"}
	}
	f := authn.Finding{Detail: fmt.Sprintf("%d authorities, the first to end on %s", len(all), firstEnd(all).Format(time.DateOnly))}
	for _, a := range all {
		switch left := a.NotAfter.Sub(now); {
		case left <= 0:
			f.Warning, f.Remedy = fmt.Sprintf("%s ended on %s: nobody whom it named comes in", dn(a.RawSubject), a.NotAfter.Format(time.DateOnly)), "add the one that follows it, and remove it"
			return f
		case left < endsSoon:
			f.Warning, f.Remedy = fmt.Sprintf("%s ends on %s", dn(a.RawSubject), a.NotAfter.Format(time.DateOnly)), "add the one that follows it, and have people's certificates replaced before that day"
		}
	}
	return f
}

func judgeList(name string, ca []string, now time.Time) authn.Finding {
	l, err := readList(name)
	if err == nil {
		err = cmp.Or(l.current(now), l.signedByNamed(files{ca: ca}.load(now).authorities))
	}
	if err != nil {
		return authn.Finding{Err: err, Remedy: "fetch the authority's newest list; until then nobody comes in by this method"}
	}
	age := now.Sub(l.ThisUpdate).Round(time.Minute)
	f := authn.Finding{Detail: fmt.Sprintf("%d revoked, %s old, until %s", len(l.RevokedCertificateEntries), age, l.NextUpdate.Format(time.RFC3339))}
	if l.NextUpdate.Sub(now) < l.NextUpdate.Sub(l.ThisUpdate)/10 {
		f.Warning, f.Remedy = "is nearly out of date, and then nobody comes in", "see that it is fetched in time"
	}
	return f
}

func firstEnd(all []*x509.Certificate) time.Time {
	end := all[0].NotAfter
	for _, a := range all {
		if a.NotAfter.Before(end) {
			end = a.NotAfter
		}
	}
	return end
}
