package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// signatureMethods are those accepted, with what x509 calls them. SHA-1 and MD5
// are not among them, nor is HMAC, whose key would be the public certificate.
var signatureMethods = map[string]x509.SignatureAlgorithm{
	dsig.RSASHA256SignatureMethod:   x509.SHA256WithRSA,
	dsig.RSASHA384SignatureMethod:   x509.SHA384WithRSA,
	dsig.RSASHA512SignatureMethod:   x509.SHA512WithRSA,
	dsig.ECDSASHA256SignatureMethod: x509.ECDSAWithSHA256,
	dsig.ECDSASHA384SignatureMethod: x509.ECDSAWithSHA384,
	dsig.ECDSASHA512SignatureMethod: x509.ECDSAWithSHA512,
}

var digestMethods = map[string]bool{
	"http://www.w3.org/2001/04/xmlenc#sha256":       true,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": true,
	"http://www.w3.org/2001/04/xmlenc#sha512":       true,
}

// canonical forms are those of SAML Core 5.4.3 and 5.4.4.
var canonicalForms = map[string]bool{
	"http://www.w3.org/2001/10/xml-exc-c14n#":             true,
	"http://www.w3.org/2001/10/xml-exc-c14n#WithComments": true,
}

const enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

// signer is a certificate whose signatures are believed.
type signer struct {
	cert *x509.Certificate
}

var errSignature = errors.New("signature does not fit any certificate of the provider")

// verified returns what the signature in el vouches for: an element read anew
// from the very bytes that were digested. The original must not be read any
// more. el needs a signature of its own; the keys come from signers, never from
// the message.
func verified(el *etree.Element, signers []signer) (*etree.Element, error) {
	got, _, err := verifiedWith(el, signers)
	return got, err
}

// verifiedWith is verified, and tells whose signature it is.
func verifiedWith(el *etree.Element, signers []signer) (*etree.Element, signer, error) {
	sig, err := child(el, nsSignature, dsig.SignatureTag)
	if err != nil {
		return nil, signer{}, err
	}
	if sig == nil {
		return nil, signer{}, errors.New("not signed")
	}
	if err := checkSignature(sig, attr(el, "ID")); err != nil {
		return nil, signer{}, err
	}
	alone, err := detached(el)
	if err != nil {
		return nil, signer{}, err
	}
	if len(signers) == 0 {
		return nil, signer{}, errors.New("no certificate of the provider is valid now")
	}
	var last error
	for _, s := range signers {
		got, err := verifiedBy(alone, s)
		if err != nil {
			last = err
			continue
		}
		if got == nil || got.Tag != el.Tag || got.NamespaceURI() != el.NamespaceURI() || attr(got, "ID") != attr(el, "ID") {
			return nil, signer{}, errors.New("signature covers another element")
		}
		return got, s, nil
	}
	return nil, signer{}, fmt.Errorf("%w: %w", errSignature, cut(last))
}

// detached copies el with the namespaces that it has from its parents, and
// without what a signature says about its own key.
func detached(el *etree.Element) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, cut(err)
	}
	alone, err := etreeutils.NSDetatch(ctx, el)
	if err != nil {
		return nil, cut(err)
	}
	for _, sig := range children(alone, nsSignature, dsig.SignatureTag) {
		for _, info := range children(sig, nsSignature, dsig.KeyInfoTag) {
			sig.RemoveChild(info)
		}
	}
	return alone, nil
}

func verifiedBy(alone *etree.Element, s signer) (*etree.Element, error) {
	el := alone.Copy()
	if err := rewriteValue(el, s.cert); err != nil {
		return nil, err
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{s.cert}})
	ctx.Clock = dsig.NewFakeClockAt(s.cert.NotBefore) // whether it is valid now was asked before
	got, err := ctx.Validate(el)
	if err != nil {
		return nil, err
	}
	return got, nil
}

// checkSignature accepts the one shape that SAML Core 5.4 allows: one reference,
// to the element around it, with the two transforms that are needed.
func checkSignature(sig *etree.Element, id string) error {
	if id == "" {
		return errors.New("signed element without an ID")
	}
	for _, c := range sig.ChildElements() {
		if c.NamespaceURI() != nsSignature || c.Tag != dsig.SignedInfoTag && c.Tag != dsig.SignatureValueTag && c.Tag != dsig.KeyInfoTag {
			return errors.New("signature with something else in it")
		}
	}
	value, err := only(sig, dsig.SignatureValueTag)
	if err != nil {
		return err
	}
	if text(value) == "" || len(value.ChildElements()) > 0 {
		return errors.New("signature without a value")
	}
	info, err := only(sig, dsig.SignedInfoTag)
	if err != nil {
		return err
	}
	if len(info.ChildElements()) != 3 {
		return errors.New("SignedInfo does not have its three parts")
	}
	form, err := only(info, dsig.CanonicalizationMethodTag)
	if err != nil {
		return err
	}
	if !canonicalForms[attr(form, "Algorithm")] {
		return fmt.Errorf("canonical form %q is not accepted", short(attr(form, "Algorithm")))
	}
	method, err := only(info, dsig.SignatureMethodTag)
	if err != nil {
		return err
	}
	if _, ok := signatureMethods[attr(method, "Algorithm")]; !ok {
		return fmt.Errorf("signature method %q is not accepted", short(attr(method, "Algorithm")))
	}
	ref, err := only(info, dsig.ReferenceTag)
	if err != nil {
		return err
	}
	return checkReference(ref, id)
}

func checkReference(ref *etree.Element, id string) error {
	if attr(ref, "URI") != "#"+id {
		return errors.New("signature refers to another element")
	}
	if len(ref.ChildElements()) != 3 {
		return errors.New("reference does not have its three parts")
	}
	digest, err := only(ref, dsig.DigestMethodTag)
	if err != nil {
		return err
	}
	if !digestMethods[attr(digest, "Algorithm")] {
		return fmt.Errorf("digest method %q is not accepted", short(attr(digest, "Algorithm")))
	}
	value, err := only(ref, dsig.DigestValueTag)
	if err != nil {
		return err
	}
	if text(value) == "" || len(value.ChildElements()) > 0 {
		return errors.New("reference without a digest")
	}
	all, err := only(ref, dsig.TransformsTag)
	if err != nil {
		return err
	}
	transforms := all.ChildElements()
	if len(transforms) != 2 || !is(transforms[0], nsSignature, dsig.TransformTag) || !is(transforms[1], nsSignature, dsig.TransformTag) ||
		attr(transforms[0], "Algorithm") != enveloped || !canonicalForms[attr(transforms[1], "Algorithm")] {
		return errors.New("reference with other transforms than enveloped-signature and exclusive canonicalization")
	}
	return nil
}

func only(el *etree.Element, tag string) (*etree.Element, error) {
	found, err := child(el, nsSignature, tag)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("signature without %s", tag)
	}
	return found, nil
}

// rewriteValue puts the signature's value in the form that x509 reads: without
// blanks, and an elliptic one, which XML Signature 1.1 (6.4.3) writes as two
// numbers of fixed length, as ASN.1.
func rewriteValue(el *etree.Element, cert *x509.Certificate) error {
	key, elliptic := cert.PublicKey.(*ecdsa.PublicKey)
	for _, sig := range children(el, nsSignature, dsig.SignatureTag) {
		for _, value := range children(sig, nsSignature, dsig.SignatureValueTag) {
			raw, err := decodeBase64(text(value))
			if err != nil {
				return err
			}
			if elliptic {
				if raw, err = ellipticASN1(raw, key); err != nil {
					return err
				}
			}
			value.SetText(base64.StdEncoding.EncodeToString(raw))
		}
	}
	return nil
}

func ellipticASN1(raw []byte, key *ecdsa.PublicKey) ([]byte, error) {
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(raw) != 2*size {
		return nil, fmt.Errorf("elliptic signature of %d bytes", len(raw))
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])})
}

// decodeBase64 reads base64 with line breaks, which XML writers put in.
func decodeBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

// signersAt are the certificates that are valid at a time; an expired one only
// where that is accepted.
func signersAt(certs []*x509.Certificate, now time.Time, expired bool) []signer {
	var all []signer
	for _, c := range certs {
		if !now.Before(c.NotBefore) && (expired || now.Before(c.NotAfter)) {
			all = append(all, signer{c})
		}
	}
	return all
}

// checkKey refuses keys that can be broken (RSA below 2048 bits, SAML2Int MD06).
func checkKey(cert *x509.Certificate) error {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return fmt.Errorf("RSA key of %d bits, at least 2048 are needed", key.N.BitLen())
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return fmt.Errorf("elliptic key of %d bits, at least 256 are needed", key.Curve.Params().BitSize)
		}
		return nil
	}
	return fmt.Errorf("key of type %T", cert.PublicKey)
}

func sameCertificates(a, b []*x509.Certificate) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].Raw, b[i].Raw) {
			return false
		}
	}
	return true
}
