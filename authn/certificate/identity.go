package certificate

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"foregate/authn"
)

// maxText bounds what is taken from a certificate, in bytes.
const maxText = 512

// field takes one text of a certificate, or says that it has none or several.
type field struct {
	name string
	all  func(*x509.Certificate) []string
}

// fields are what people may be known by.
var fields = []field{
	{"subject-dn", func(c *x509.Certificate) []string { return []string{dn(c.RawSubject)} }},
	{"subject-cn", attribute(oidCN)},
	{"subject-serial", attribute(oidSerial)},
	{"san-email", func(c *x509.Certificate) []string { return lower(c.EmailAddresses) }},
	{"san-upn", func(c *x509.Certificate) []string { return lower(upns(c)) }},
	{"san-uri", uris},
	{fieldSID, sids},
}

const fieldSID = "sid"

func fieldNames() []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}

// fieldOf finds a field; the first is the default.
func fieldOf(name string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	return fields[max(i, 0)], i >= 0
}

// one is the field's text. A certificate with two addresses does not say which of them the
// person is known by, and one with odd characters may look like another.
func (f field) one(c *x509.Certificate) (string, error) {
	all := f.all(c)
	switch {
	case len(all) != 1:
		return "", refuse(Field, "%s of %s has %d values", f.name, dn(c.RawSubject), len(all))
	case !plain(all[0]):
		return "", refuse(Field, "%s of %s is empty, longer than %d bytes, or has characters that cannot be seen", f.name, dn(c.RawSubject), maxText)
	case (f.name == "san-email" || f.name == "san-upn") && !isAddress(all[0]):
		return "", refuse(Field, "%s of %s is not name@domain", f.name, dn(c.RawSubject))
	}
	return all[0], nil
}

// plain reports whether a text is one that people can read and tell from others.
func plain(s string) bool {
	odd := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError }
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, odd)
}

// isAddress wants one @ with something plain on both sides.
func isAddress(s string) bool {
	name, domain, ok := strings.Cut(s, "@")
	return ok && name != "" && domain != "" && !strings.ContainsAny(domain, "@") && !strings.ContainsAny(s, " ,;<>\"\\()[]")
}

func lower(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strings.ToLower(s)
	}
	return out
}

func uris(c *x509.Certificate) []string {
	var all []string
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	return all
}

// Attributes of a name (X.520).
var (
	oidCN         = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSurname    = asn1.ObjectIdentifier{2, 5, 4, 4}
	oidSerial     = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidO          = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU         = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidTitle      = asn1.ObjectIdentifier{2, 5, 4, 12}
	oidGivenName  = asn1.ObjectIdentifier{2, 5, 4, 42}
	oidSAN        = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidSecurity   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}    // szOID_NTDS_CA_SECURITY_EXT
	oidSID        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1} // within it (MS-WCCE, section 2.2.2.7.7.4)
	oidUPN        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3} // Microsoft's user principal name
	tagOtherName  = 0                                                      // of a GeneralName (RFC 5280, section 4.2.1.6)
	readableNames = map[string]asn1.ObjectIdentifier{
		"given_name": oidGivenName, "family_name": oidSurname, "title": oidTitle, "organization": oidO,
		"organizational_unit": oidOU, "serial_number": oidSerial, "common_name": oidCN,
	}
)

// attribute takes all values of an attribute of the subject.
func attribute(oid asn1.ObjectIdentifier) func(*x509.Certificate) []string {
	return func(c *x509.Certificate) []string {
		var all []string
		for _, n := range c.Subject.Names {
			if s, ok := n.Value.(string); ok && n.Type.Equal(oid) {
				all = append(all, s)
			}
		}
		return all
	}
}

// dn writes a name as RFC 4514 does, in the order of its own octets. It is empty for one
// with a value that is no text: several of these would be written alike.
func dn(raw []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return ""
	}
	for _, set := range name {
		for _, a := range set {
			if _, ok := a.Value.(string); !ok {
				return ""
			}
		}
	}
	return name.String()
}

func serial(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

// upns are Microsoft's user principal names among the other names of a certificate.
func upns(c *x509.Certificate) []string { return otherNames(c, oidSAN, oidUPN, asn1.TagUTF8String) }

var sidShape = regexp.MustCompile(`^S-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}$`)

// sids are the security identifiers that an authority of Active Directory has written: the
// one of the account that asked for the certificate. One of another shape counts as odd.
func sids(c *x509.Certificate) []string {
	all := otherNames(c, oidSecurity, oidSID, asn1.TagOctetString)
	for i, s := range all {
		if !sidShape.MatchString(s) {
			all[i] = ""
		}
	}
	return all
}

// otherNames are the names of a kind, each otherName [0] { type-id, [0] EXPLICIT value }, in
// an extension with a list of GeneralNames (RFC 5280, section 4.2.1.6). One that cannot be
// read counts as empty, so that it is not passed over beside another.
func otherNames(c *x509.Certificate, extension, kind asn1.ObjectIdentifier, tag int) []string {
	var all []string
	for _, e := range c.Extensions {
		var names []asn1.RawValue
		if !e.Id.Equal(extension) {
			continue
		}
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return []string{""}
		}
		for _, n := range names {
			if s, ok := otherName(n, kind, tag); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

func otherName(n asn1.RawValue, kind asn1.ObjectIdentifier, tag int) (string, bool) {
	if n.Class != asn1.ClassContextSpecific || n.Tag != tagOtherName || !n.IsCompound {
		return "", false
	}
	var id asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(n.Bytes, &id)
	if err != nil || !id.Equal(kind) {
		return "", false
	}
	var outer, value asn1.RawValue
	if more, err := asn1.Unmarshal(rest, &outer); err != nil || len(more) > 0 || outer.Class != asn1.ClassContextSpecific || outer.Tag != 0 {
		return "", true
	}
	if more, err := asn1.Unmarshal(outer.Bytes, &value); err != nil || len(more) > 0 || value.Class != asn1.ClassUniversal || value.Tag != tag {
		return "", true
	}
	return string(value.Bytes), true
}

// identity is who a verified certificate names.
func (m *Method) identity(chain []*x509.Certificate, trial *authn.Trial) (authn.Identity, error) {
	c, anchor := chain[0], chain[len(chain)-1]
	m.send(c, trial)
	subject, err := m.knownBy.one(c)
	trial.Make("known for good as", []string{m.knownBy.name}, subject)
	if err != nil {
		return authn.Identity{}, err
	}
	user, err := m.user.one(c)
	trial.Make("user name", []string{m.user.name}, user)
	if err != nil {
		return authn.Identity{}, err
	}
	id := authn.Identity{
		Method: m.name, Issuer: "certificate:" + m.knownBy.name + ":" + dn(anchor.RawSubject), Subject: subject,
		User: user, PreferredUsername: user, Name: nameOf(c), AMR: []string{"pop"},
	}
	if mail := lower(c.EmailAddresses); len(mail) == 1 && plain(mail[0]) && isAddress(mail[0]) {
		id.Email, id.Checked = mail[0], m.trustEmail
	}
	trial.Make("e-mail address", []string{"san-email"}, id.Email)
	trial.Make("name", []string{"given name and surname", "subject-cn"}, id.Name)
	if m.ous {
		id.Groups = slices.DeleteFunc(attribute(oidOU)(c), func(s string) bool { return !plain(s) })
		trial.Make("groups", []string{"organisational unit"}, strings.Join(id.Groups, ", "))
	}
	id.Claims = m.further(c)
	return id, nil
}

// send tells a try-out what the certificate says.
func (m *Method) send(c *x509.Certificate, trial *authn.Trial) {
	if trial == nil {
		return
	}
	for _, f := range fields {
		if all := f.all(c); len(all) > 0 {
			for i := range all {
				all[i] = authn.CutControl(all[i], maxText)
			}
			trial.Send(f.name, all...)
		}
	}
	trial.Send("organisational unit", attribute(oidOU)(c)...)
}

// nameOf is the person's name for people.
func nameOf(c *x509.Certificate) string {
	given, family := attribute(oidGivenName)(c), attribute(oidSurname)(c)
	if len(given) > 0 && len(family) > 0 {
		if name := given[0] + " " + family[0]; plain(name) {
			return name
		}
	}
	if cn := attribute(oidCN)(c); len(cn) == 1 && plain(cn[0]) {
		return cn[0]
	}
	return ""
}

// further are the claims that some application is sent, and no others: attributes of the
// name, and what tells this certificate from others.
func (m *Method) further(c *x509.Certificate) map[string]any {
	var all map[string]any
	keep := func(name string, v any) {
		if all == nil {
			all = make(map[string]any)
		}
		all[name] = v
	}
	for _, name := range m.claims {
		switch oid, known := readableNames[name]; {
		case known:
			values := slices.DeleteFunc(attribute(oid)(c), func(s string) bool { return !plain(s) })
			if len(values) == 1 {
				keep(name, values[0])
			} else if len(values) > 1 {
				keep(name, anys(values))
			}
		case name == "upn":
			if v := lower(upns(c)); len(v) == 1 && plain(v[0]) {
				keep(name, v[0])
			}
		case name == "certificate_serial":
			keep(name, serial(c))
		case name == "certificate_sha256":
			sum := sha256.Sum256(c.Raw)
			keep(name, hex.EncodeToString(sum[:]))
		}
	}
	return all
}

func anys(values []string) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}
