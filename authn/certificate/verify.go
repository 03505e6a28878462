package certificate

import (
	"cmp"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"time"
)

// maxShown bounds the certificates that one browser sends.
const maxShown = 10

// anyPolicy is for authorities that may issue under each (RFC 5280, section 4.2.1.4).
const anyPolicy = "2.5.29.32.0"

// demands are what a certificate must have beside a trusted authority.
type demands struct {
	client   bool                    // the extended key usage clientAuth
	usages   []asn1.ObjectIdentifier // further ones
	policies []x509.OID
}

var smartcardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}

// demandsOf reads names that Validate has accepted.
func demandsOf(usages, policies []string) demands {
	d := demands{client: len(usages) == 0}
	for _, u := range usages {
		switch u {
		case usageAny:
		case usageClient, "1.3.6.1.5.5.7.3.2":
			d.client = true
		case usageSmartcard:
			d.usages = append(d.usages, smartcardLogon)
		default:
			if oid, err := x509.ParseOID(u); err == nil {
				d.usages = append(d.usages, objectIdentifier(oid))
			}
		}
	}
	for _, p := range policies {
		if oid, err := x509.ParseOID(p); err == nil {
			d.policies = append(d.policies, oid)
		}
	}
	return d
}

func objectIdentifier(oid x509.OID) asn1.ObjectIdentifier {
	der, err := oid.MarshalBinary() // the content alone
	if err != nil || len(der) > 127 {
		return nil
	}
	var id asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(der))}, der...), &id); err != nil {
		return nil
	}
	return id
}

// verify returns the chain from the person's certificate to a trusted authority, or a
// *Reason. Of several chains the shortest counts, and of those the one whose authority is
// first in the files: what a browser sends along makes nobody somebody else.
func (d demands) verify(t *trust, shown []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	switch {
	case len(shown) == 0:
		return nil, refuse(None, "")
	case len(shown) > maxShown:
		return nil, refuse(TooMany, "%d certificates", len(shown))
	}
	leaf := shown[0]
	who := dn(leaf.RawSubject)
	if leaf.IsCA {
		return nil, refuse(Usage, "%s is an authority, and no person", who)
	}
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	chains, err := understood(leaf).Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: between, CurrentTime: now,
		KeyUsages: d.forChain(), CertificatePolicies: d.policies,
	})
	if err != nil {
		return nil, reasonOf(who, leaf, err, now)
	}
	if err := d.usage(leaf); err != nil {
		return nil, err
	}
	slices.SortStableFunc(chains, func(a, b []*x509.Certificate) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(t.place(a), t.place(b)))
	})
	var first error
	for _, chain := range chains {
		err := d.policy(chain)
		if err == nil {
			err = t.revocation(chain)
		}
		if err == nil {
			return chain, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, cmp.Or(first, error(refuse(Unknown, "%s", who)))
}

// understood is leaf without the mark that crypto/x509 puts on a subjectAltName that must
// be understood and has only names of other kinds, such as Microsoft's: those are read here.
func understood(leaf *x509.Certificate) *x509.Certificate {
	if !slices.ContainsFunc(leaf.UnhandledCriticalExtensions, oidSAN.Equal) {
		return leaf
	}
	c := *leaf
	c.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidSAN.Equal)
	return &c
}

// place is where in the files the authority at the end of a chain is.
func (t *trust) place(chain []*x509.Certificate) int {
	return slices.IndexFunc(t.authorities, chain[len(chain)-1].Equal)
}

// forChain is what crypto/x509 asks of each certificate of a chain.
func (d demands) forChain() []x509.ExtKeyUsage {
	if d.client {
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
}

// usage asks that each demanded usage stands in the certificate: to crypto/x509 one without
// any is for everything. One that may not sign is for encryption alone.
func (d demands) usage(leaf *x509.Certificate) error {
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return refuse(Usage, "%s may not sign (key usage): it is for encryption", dn(leaf.RawSubject))
	}
	if d.client && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return refuse(Usage, "%s has no extended key usage clientAuth", dn(leaf.RawSubject))
	}
	for _, u := range d.usages {
		if !hasUsage(leaf, u) {
			return refuse(Usage, "%s has no extended key usage %s", dn(leaf.RawSubject), u)
		}
	}
	return nil
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

func hasUsage(leaf *x509.Certificate, usage asn1.ObjectIdentifier) bool {
	for _, e := range leaf.Extensions {
		var all []asn1.ObjectIdentifier
		if e.Id.Equal(oidExtKeyUsage) {
			if _, err := asn1.Unmarshal(e.Value, &all); err == nil && slices.ContainsFunc(all, usage.Equal) {
				return true
			}
		}
	}
	return false
}

// policy asks that the person's certificate has one of the policies, and that each authority
// between has one too, or all. crypto/x509 asks only where an authority demands it.
func (d demands) policy(chain []*x509.Certificate) error {
	if len(d.policies) == 0 {
		return nil
	}
	for i, c := range chain[:len(chain)-1] {
		if !slices.ContainsFunc(c.Policies, func(p x509.OID) bool {
			return slices.ContainsFunc(d.policies, p.Equal) || i > 0 && p.String() == anyPolicy
		}) {
			return refuse(Policy, "%s has none of the policies", dn(c.RawSubject))
		}
	}
	return nil
}

// reasonOf says in one word why crypto/x509 refuses a certificate.
func reasonOf(who string, leaf *x509.Certificate, err error, now time.Time) error {
	r := &Reason{Code: Unknown, Detail: who + " of " + dn(leaf.RawIssuer), Err: err}
	var invalid x509.CertificateInvalidError
	var critical x509.UnhandledCriticalExtension
	switch {
	case errors.As(err, &critical):
		r.Code = Damaged
	case errors.As(err, &invalid):
		r.Code = codeOf(invalid, now)
	}
	return r
}

func codeOf(invalid x509.CertificateInvalidError, now time.Time) Code {
	switch invalid.Reason {
	case x509.Expired:
		if invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			return Early
		}
		return Expired
	case x509.CANotAuthorizedForThisName, x509.CANotAuthorizedForExtKeyUsage, x509.TooManyConstraints, x509.UnconstrainedName, x509.NameConstraintsWithoutSANs:
		return Constraint
	case x509.IncompatibleUsage:
		return Usage
	case x509.NoValidChains:
		return Policy
	}
	return Unknown
}
