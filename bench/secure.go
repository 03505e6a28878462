package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// secureHost is the name that clients ask for in a TLS handshake.
const secureHost = "bench.test"

// secureBare is what the yardstick with TLS is told.
type secureBare struct{ Upstream, Cert, Key string }

// secureBareRole is the yardstick behind the TLS of net/http as it is by default.
func secureBareRole(ctx context.Context, encoded string, out io.Writer) error {
	var b secureBare
	if err := json.Unmarshal([]byte(encoded), &b); err != nil {
		return fmt.Errorf("bare with TLS: %w", err)
	}
	u, err := url.Parse(b.Upstream)
	if err != nil {
		return fmt.Errorf("bare with TLS: %w", err)
	}
	l, err := listenSecure(loopback, b.Cert, b.Key)
	if err != nil {
		return fmt.Errorf("bare with TLS: %w", err)
	}
	figures, err := net.Listen("tcp", loopback)
	if err != nil {
		return err
	}
	return serveUntil(ctx, out, listening{l, bareProxy(u)}, listening{figures, http.HandlerFunc(serveFigures)})
}

func listenSecure(addr, certFile, keyFile string) (net.Listener, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
}

// makeCertificate writes an ECDSA P-256 certificate that vouches for itself, and its key,
// into dir. The certificate is returned as PEM too.
func makeCertificate(dir string) (certFile, keyFile, root string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: secureHost},
		DNSNames: []string{secureHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 3, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", "", err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile = filepath.Join(dir, "bench.crt"), filepath.Join(dir, "bench.key")
	if err := os.WriteFile(certFile, cert, 0o600); err != nil {
		return "", "", "", err
	}
	return certFile, keyFile, string(cert), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
