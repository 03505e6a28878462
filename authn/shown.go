package authn

import (
	"crypto/x509"
	"time"
)

// Shown is the certificate that a browser showed in a TLS handshake, and proved to have
// the key of. Nothing else of it is verified: that is the method's to do.
type Shown struct {
	Chain []*x509.Certificate // its own first, then what it sent along; empty: it showed none
	Since time.Time           // of the connection; zero where a proxy in front ends TLS and does not say
}

// Certified is an Authenticator that signs people in by a certificate that their browser
// shows. Browsers are asked for one at the hosts of its apps alone.
type Certified interface {
	// Authorities are those whose certificates are taken, as the files have them now. They
	// are named to browsers, which offer fitting certificates. None: do not ask.
	Authorities() []*x509.Certificate
}

// CertifiedConfig is the MethodConfig of a Certified method.
type CertifiedConfig interface{ LooksAtCertificate() }
