package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// provider is what is known of an identity provider.
type provider struct {
	entityID    string            // empty: whatever its certificate signs
	sso         map[string]string // by binding
	slo         map[string]string
	sloResponse map[string]string
	certs       []*x509.Certificate
	wantSigned  bool
	validUntil  time.Time // zero: for good
	scopes      []scope   // that the metadata registers; see scope.go
	titles      titles    // for people; see circle.go
}

// signOn is where and how requests are sent: as configured, or as the provider
// can.
func (p *provider) signOn(binding string) (string, string) {
	if address := p.sso[binding]; address != "" {
		return binding, address
	}
	for _, other := range []string{bindingRedirect, bindingPost} {
		if address := p.sso[other]; address != "" {
			return other, address
		}
	}
	return "", ""
}

// signOff is where and how logout messages are sent; "" where they cannot be.
func (p *provider) signOff(binding string, response bool) (string, string) {
	for _, b := range []string{binding, bindingRedirect, bindingPost} {
		if address := p.sloResponse[b]; response && address != "" {
			return b, address
		}
		if address := p.slo[b]; address != "" {
			return b, address
		}
	}
	return "", ""
}

// readMetadata reads a provider's metadata: an EntityDescriptor, or the one of an
// EntitiesDescriptor that is called name. If signers are given, one of them must
// have signed the document, and it must say until when it is valid: a signature
// alone would hold for good.
func readMetadata(text []byte, name string, signers []signer, signed bool, now time.Time, insecure bool) (*provider, error) {
	root, err := metadataRoot(text, metadataLimits, signers, signed)
	if err != nil {
		return nil, err
	}
	entity, until, err := findEntity(root, name)
	if err != nil {
		return nil, err
	}
	p, err := readEntity(entity, until, insecure)
	if err != nil {
		return nil, err
	}
	return p, p.current(signed, now)
}

// readEntity reads one entity; until is the end of what stands around it.
func readEntity(entity *etree.Element, until time.Time, insecure bool) (*provider, error) {
	p := &provider{entityID: value(attr(entity, "entityID"))}
	if p.entityID == "" || len(p.entityID) > maxID {
		return nil, errors.New("metadata without an entity ID")
	}
	sso, end, err := findSSO(entity)
	if err != nil {
		return nil, err
	}
	p.validUntil = earlier(until, end)
	p.fillScopes(entity, sso)
	p.titles = titlesOf(entity, sso)
	return p, p.fill(sso, insecure)
}

// holds reports whether the metadata says so of now.
func (p *provider) holds(now time.Time) bool {
	return p.validUntil.IsZero() || now.Before(p.validUntil)
}

// current reports whether the metadata counts now.
func (p *provider) current(signed bool, now time.Time) error {
	switch {
	case signed && p.validUntil.IsZero():
		return errors.New("signed metadata without validUntil")
	case !p.holds(now):
		return fmt.Errorf("metadata was valid until %s", p.validUntil.Format(time.RFC3339))
	}
	return nil
}

// metadataRoot parses metadata and, if that is asked for, goes on with what was signed.
func metadataRoot(text []byte, l limits, signers []signer, signed bool) (*etree.Element, error) {
	root, err := parse(text, l)
	if err != nil {
		return nil, err
	}
	if !is(root, nsMetadata, "EntityDescriptor") && !is(root, nsMetadata, "EntitiesDescriptor") {
		return nil, errors.New("not SAML 2.0 metadata")
	}
	if signed {
		return verified(root, signers)
	}
	return root, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func validUntil(el *etree.Element) (time.Time, error) {
	s := attr(el, "validUntil")
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, errors.New("metadata with a validUntil that is no time")
	}
	return t, nil
}

// findEntity walks down to the wanted entity and returns the earliest end of
// validity on the way.
func findEntity(root *etree.Element, name string) (*etree.Element, time.Time, error) {
	until, err := validUntil(root)
	if err != nil {
		return nil, until, err
	}
	if root.Tag == "EntityDescriptor" {
		if id := value(attr(root, "entityID")); name != "" && id != name {
			return nil, until, fmt.Errorf("metadata of %q, not %q", short(id), name)
		}
		return root, until, nil
	}
	var found *etree.Element
	var ends time.Time
	for _, c := range root.ChildElements() {
		if !is(c, nsMetadata, "EntityDescriptor") && !is(c, nsMetadata, "EntitiesDescriptor") {
			continue
		}
		entity, end, err := findEntity(c, name)
		if err != nil || name == "" && len(children(entity, nsMetadata, "IDPSSODescriptor")) == 0 {
			continue
		}
		if found != nil {
			return nil, until, errors.New("metadata of several providers; say which by metadata.entity_id")
		}
		found, ends = entity, end
	}
	if found == nil {
		return nil, until, fmt.Errorf("metadata without the provider %q", name)
	}
	return found, earlier(until, ends), nil
}

func findSSO(entity *etree.Element) (*etree.Element, time.Time, error) {
	var found *etree.Element
	for _, d := range children(entity, nsMetadata, "IDPSSODescriptor") {
		if strings.Contains(" "+attr(d, "protocolSupportEnumeration")+" ", " "+nsProtocol+" ") {
			if found != nil {
				return nil, time.Time{}, errors.New("metadata with two identity providers of one name")
			}
			found = d
		}
	}
	if found == nil {
		return nil, time.Time{}, errors.New("metadata without a SAML 2.0 identity provider; a service provider's was given perhaps")
	}
	until, err := validUntil(found)
	return found, until, err
}

// fill reads addresses and certificates.
func (p *provider) fill(sso *etree.Element, insecure bool) error {
	p.wantSigned = attr(sso, "WantAuthnRequestsSigned") == "true" || attr(sso, "WantAuthnRequestsSigned") == "1"
	p.sso, p.slo, p.sloResponse = make(map[string]string), make(map[string]string), make(map[string]string)
	for _, e := range sso.ChildElements() {
		var to map[string]string
		switch {
		case is(e, nsMetadata, "SingleSignOnService"):
			to = p.sso
		case is(e, nsMetadata, "SingleLogoutService"):
			to = p.slo
		default:
			continue
		}
		binding := map[string]string{uriRedirect: bindingRedirect, uriPost: bindingPost}[attr(e, "Binding")]
		if binding == "" || to[binding] != "" {
			continue
		}
		address := value(attr(e, "Location"))
		if err := checkAddress(address, insecure); err != nil {
			return fmt.Errorf("metadata: %s: %w", e.Tag, err)
		}
		to[binding] = address
		if other := value(attr(e, "ResponseLocation")); other != "" && e.Tag == "SingleLogoutService" {
			if err := checkAddress(other, insecure); err != nil {
				return fmt.Errorf("metadata: %s: %w", e.Tag, err)
			}
			p.sloResponse[binding] = other
		}
	}
	if len(p.sso) == 0 {
		return errors.New("metadata without an address for sign-in by redirect or post")
	}
	return p.fillCertificates(sso)
}

// fillCertificates reads all that the provider may sign with. One that cannot be
// used does not spoil the others.
func (p *provider) fillCertificates(sso *etree.Element) error {
	var last error
	for _, k := range children(sso, nsMetadata, "KeyDescriptor") {
		if use := attr(k, "use"); use != "" && use != "signing" {
			continue
		}
		for _, info := range children(k, nsSignature, "KeyInfo") {
			for _, data := range children(info, nsSignature, "X509Data") {
				for _, c := range children(data, nsSignature, "X509Certificate") {
					cert, err := readCertificate(text(c))
					if err != nil {
						last = err
						continue
					}
					p.certs = append(p.certs, cert)
				}
			}
		}
	}
	if len(p.certs) == 0 {
		if last == nil {
			last = errors.New("none is there")
		}
		return fmt.Errorf("metadata without a certificate for signatures: %w", last)
	}
	return nil
}

func readCertificate(s string) (*x509.Certificate, error) {
	der, err := decodeBase64(s)
	if err != nil {
		return nil, errors.New("certificate that is not base64")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, cut(err)
	}
	return cert, checkKey(cert)
}

// checkAddress accepts an absolute https address. http is for this machine
// itself, or where it was asked for. A browser is sent there: javascript: and the
// like must not get through.
func checkAddress(address string, insecure bool) error {
	if strings.Contains(address, "@") {
		return errors.New("address with an @ in it")
	}
	for i := range len(address) {
		if address[i] <= ' ' || address[i] >= 0x7f {
			return fmt.Errorf("%q has a character that no address has", short(address))
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return fmt.Errorf("%q is not an absolute address", short(address))
	}
	if u.Fragment != "" || strings.Contains(address, "#") {
		return fmt.Errorf("%q has a fragment", short(address))
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (insecure || loopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%q is not encrypted", short(address))
	}
	return fmt.Errorf("%q is not an https address", short(address))
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
