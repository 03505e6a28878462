package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	maxList  = 64 << 20        // bytes of a file
	listSkew = 5 * time.Minute // that an authority's clock may be ahead
)

// Extensions of lists that say less than all, also where they are not marked critical.
var (
	oidDelta   = asn1.ObjectIdentifier{2, 5, 29, 27} // deltaCRLIndicator
	oidPartial = asn1.ObjectIdentifier{2, 5, 29, 28} // issuingDistributionPoint
)

// list is what an authority says is revoked (RFC 5280, section 5). Who signed it is
// verified against each authority that it is used for.
type list struct {
	*x509.RevocationList
	revoked map[string]bool // by the octets of the serial number

	mu     sync.Mutex
	signed map[[sha256.Size]byte]bool // by the authority's certificate: verified already
}

// readList reads a list, PEM or DER. A partial, indirect or delta list says too little, and
// what it means by an extension that must be understood is not guessed (section 5.2).
func readList(name string) (*list, error) {
	text, err := readFile(name, maxList)
	if err != nil {
		return nil, err
	}
	if block, rest := pem.Decode(text); block != nil {
		if bytes.Contains(rest, []byte("-----BEGIN ")) {
			return nil, errors.New("holds more than one list: write each to a file of its own")
		}
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("holds a %q and no list of revoked certificates", block.Type)
		}
		text = block.Bytes
	}
	crl, err := x509.ParseRevocationList(text)
	if err != nil {
		return nil, fmt.Errorf("cannot be read as a list of revoked certificates: %w", err)
	}
	for _, e := range crl.Extensions {
		if e.Critical || e.Id.Equal(oidPartial) || e.Id.Equal(oidDelta) {
			return nil, fmt.Errorf("is a partial, indirect or delta list (extension %s): a complete one is needed", e.Id)
		}
	}
	l := &list{RevocationList: crl, revoked: make(map[string]bool, len(crl.RevokedCertificateEntries)), signed: make(map[[sha256.Size]byte]bool)}
	for _, e := range crl.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("has an entry that is not understood (extension %s): a complete list of one authority is needed", x.Id)
			}
		}
		l.revoked[string(e.SerialNumber.Bytes())] = true
	}
	if crl.NextUpdate.IsZero() {
		return nil, errors.New("does not say until when it holds")
	}
	return l, nil
}

// current is nil while the list holds.
func (l *list) current(now time.Time) error {
	switch {
	case now.After(l.NextUpdate):
		return fmt.Errorf("the list of revoked certificates of %s is out of date since %s", dn(l.RawIssuer), l.NextUpdate.Format(time.RFC3339))
	case l.ThisUpdate.Sub(now) > listSkew:
		return fmt.Errorf("the list of revoked certificates of %s is from the future, %s: a clock is wrong", dn(l.RawIssuer), l.ThisUpdate.Format(time.RFC3339))
	}
	return nil
}

// signedByNamed refuses a list that bears the name of one of the authorities and is signed
// by none of them.
func (l *list) signedByNamed(all []*x509.Certificate) error {
	named := false
	for _, a := range all {
		if !bytes.Equal(a.RawSubject, l.RawIssuer) {
			continue
		}
		if named = true; l.signedBy(a) {
			return nil
		}
	}
	if named {
		return fmt.Errorf("is not signed by %s, whose name it bears", dn(l.RawIssuer))
	}
	return nil // of an authority between, which a browser sends
}

// signedBy reports whether an authority made the list.
func (l *list) signedBy(a *x509.Certificate) bool {
	if !bytes.Equal(a.RawSubject, l.RawIssuer) {
		return false
	}
	key := sha256.Sum256(a.Raw)
	l.mu.Lock()
	known := l.signed[key]
	l.mu.Unlock()
	if known {
		return true
	}
	if l.CheckSignatureFrom(a) != nil {
		return false
	}
	l.mu.Lock()
	l.signed[key] = true
	l.mu.Unlock()
	return true
}

// revocation says of each certificate of a verified chain, save the trusted one at its
// end, that its issuer's list has it not.
func (t *trust) revocation(chain []*x509.Certificate) error {
	if len(t.lists) == 0 {
		return nil
	}
	for i, c := range chain[:len(chain)-1] {
		found := false
		for _, l := range t.lists {
			if !l.signedBy(chain[i+1]) {
				continue
			}
			if found = true; l.revoked[string(c.SerialNumber.Bytes())] {
				return refuse(Revoked, "%s, serial number %s, is on the list of %s", dn(c.RawSubject), serial(c), dn(l.RawIssuer))
			}
		}
		if !found {
			return refuse(Unlisted, "there is no list of %s, which issued %s", dn(chain[i+1].RawSubject), dn(c.RawSubject))
		}
	}
	return nil
}
