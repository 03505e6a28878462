package config

import (
	"net/textproto"
	"regexp"

	"foregate/authn"
)

var certHeaderName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,54}[A-Za-z0-9]$`) // a second one has -Chain behind it

// shownCertificates makes sure that certificates of people can arrive, and from nobody but
// listed proxies: they are no secret, so who may send the header may be anybody.
func (c *checker) shownCertificates() {
	looks := -1
	for i := range c.file.Methods {
		if _, ok := c.file.Methods[i].Config.(authn.CertifiedConfig); ok {
			looks = i
			break
		}
	}
	name := c.file.CertHeader
	const at = "certificate_header"
	switch {
	case name == "" && looks >= 0 && c.file.TrustAll:
		c.fault(join(item("methods", looks), c.file.Methods[looks].Kind), FaultAt{
			Problem: "no certificate would count: by insecure_trust_all_proxies everybody is a proxy, whose own certificate is no person's",
			Remedy:  "list the addresses of your proxies in trusted_proxies, or remove insecure_trust_all_proxies",
		})
	case name == "" && looks >= 0 && c.file.Listen.HTTPS == "" && !c.faulty("listen.https"):
		c.fault(join(item("methods", looks), c.file.Methods[looks].Kind), FaultAt{
			Problem: "no certificate can come here: there is neither listen.https nor certificate_header",
			Remedy:  `add https: ":443" to listen, or name the header of the proxy that ends TLS in certificate_header`,
		})
	case name == "":
	case !certHeaderName.MatchString(name) || reserved(textproto.CanonicalMIMEHeaderKey(name)) || textproto.CanonicalMIMEHeaderKey(name) == "Authorization":
		c.fault(at, FaultAt{
			Problem: "is not the name of a header for this", Found: quoted(name), Allowed: "letters, digits and dashes, beginning with a letter; no header that HTTP itself needs",
			Remedy: "write a name such as Client-Cert",
		})
	case c.file.TrustAll:
		c.fault(at, FaultAt{
			Problem: "would be believed from everybody, because of insecure_trust_all_proxies: whoever has a certificate of somebody, which is no secret, could sign in as them",
			Remedy:  "list the addresses of your proxies in trusted_proxies",
		})
	case len(c.file.TrustedProxies) == 0 && !c.faulty("trusted_proxies"):
		c.fault(at, FaultAt{Problem: "nobody could send it: there are no trusted_proxies", Remedy: "list the addresses of your proxies in trusted_proxies"})
	case looks < 0 && !c.faulty("methods"):
		c.fault(at, FaultAt{Problem: "nothing would look at it: there is no certificate method", Remedy: "add one to methods, or remove the key"})
	}
}
