package proxy

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"foregate/authn"
)

// A proxy that ends TLS passes the browser's certificate in a header: as RFC 9440 has it,
// with those of authorities between in a second header, or as nginx escapes PEM. It is read
// of trusted proxies alone, and upstream takes it off every request. That the browser has
// the key only the proxy knows; all else is verified as of a certificate that came here.

const (
	maxCertificate = 32 << 10 // bytes of one in a header
	maxBetween     = 10       // certificates of authorities between
	chainSuffix    = "-Chain" // of the name of the second header (RFC 9440, section 2.3)
)

// certificateIn reads the certificate of a header and those sent along. There is none where
// there is no header, or an empty one. Two headers are an error: one of them is not the
// proxy's.
func certificateIn(h http.Header, name string) ([]*x509.Certificate, error) {
	values := h[http.CanonicalHeaderKey(name)]
	if len(values) > 1 {
		return nil, fmt.Errorf("%d headers %s", len(values), name)
	}
	if len(values) == 0 || values[0] == "" || values[0] == "::" {
		return nil, nil
	}
	value := values[0]
	if len(value) > maxCertificate {
		return nil, fmt.Errorf("header %s of %d bytes", name, len(value))
	}
	if value[0] != ':' {
		c, err := fromEscapedPEM(value)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		return []*x509.Certificate{c}, nil
	}
	c, err := fromByteSequence(value)
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", name, err)
	}
	between, err := chainIn(h, name+chainSuffix)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{c}, between...), nil
}

// chainIn reads a list of byte sequences, which may be on several lines (RFC 8941, section
// 3.1).
func chainIn(h http.Header, name string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, line := range h[http.CanonicalHeaderKey(name)] {
		if strings.Trim(line, " \t") == "" {
			continue
		}
		for one := range strings.SplitSeq(line, ",") {
			if len(all) == maxBetween || len(one) > maxCertificate {
				return nil, fmt.Errorf("header %s has more than is read", name)
			}
			c, err := fromByteSequence(strings.Trim(one, " \t"))
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", name, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// fromByteSequence reads :base64: (RFC 8941, section 3.3.5). Parameters are not defined for
// it (RFC 9440, section 2.1).
func fromByteSequence(s string) (*x509.Certificate, error) {
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("is no byte sequence, such as :MIIB…:")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(s[1 : len(s)-1])
	if err != nil {
		return nil, fmt.Errorf("is not base64: %w", err)
	}
	return parseCertificate(der)
}

// fromEscapedPEM reads what nginx has as $ssl_client_escaped_cert: PEM with %0A.
func fromEscapedPEM(s string) (*x509.Certificate, error) {
	text, err := url.PathUnescape(s)
	if err != nil {
		return nil, fmt.Errorf("is neither a byte sequence nor escaped PEM: %w", err)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || !strings.HasPrefix(text, "-----BEGIN ") || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("is neither a byte sequence nor one certificate in escaped PEM")
	}
	return parseCertificate(block.Bytes)
}

func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("is not a certificate: %w", err)
	}
	return c, nil
}

// passedOn is the certificate that a trusted proxy says its browser has shown to it.
func (s *Server) passedOn(r *http.Request) (authn.Shown, error) {
	if s.CertHeader == "" {
		return authn.Shown{}, nil
	}
	chain, err := certificateIn(r.Header, s.CertHeader)
	if err != nil {
		return authn.Shown{}, authn.Invalid("The smart card or digital ID that your browser showed could not be read. Go back and choose another way to sign in, or tell your IT department.",
			fmt.Errorf("certificate of a proxy: %w", err))
	}
	return authn.Shown{Chain: chain}, nil
}
