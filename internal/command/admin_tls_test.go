package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foregate/authn"
	"foregate/internal/config"
)

// pair writes a certificate with its key.
func pair(t *testing.T, fill func(*x509.Certificate)) *config.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	fill(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := &config.Certificate{Cert: authn.Path(filepath.Join(dir, "cert")), Key: authn.Path(filepath.Join(dir, "key"))}
	for name, block := range map[authn.Path]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(string(name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestHealthyBelievesTheListenersOwnCertificateAlone(t *testing.T) {
	named := pair(t, func(c *x509.Certificate) { c.DNSNames = []string{"signin.careplan.example"} })
	numbered := pair(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1")} })
	for name, test := range map[string]struct {
		has, asks *config.Certificate
		works     bool
	}{
		"in plain text":       {nil, nil, true},
		"a name":              {named, named, true},
		"an address":          {numbered, numbered, true},
		"another certificate": {named, numbered, false},
		"TLS for plain text":  {nil, named, false},
		"plain text for TLS":  {named, nil, false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l, err = adminTLS(test.has, l); err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
		client, scheme, err := adminClient(test.asks)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(scheme + "://" + l.Addr().String())
		works := err == nil && resp.StatusCode == http.StatusNotFound
		if err == nil {
			_ = resp.Body.Close()
		}
		if works != test.works {
			t.Errorf("%s: %v", name, err)
		}
	}
}
