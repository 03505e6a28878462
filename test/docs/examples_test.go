package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/certificate"
	"foregate/authn/handoff"
	"foregate/authn/kerberos"
	"foregate/authn/ldap"
	"foregate/authn/local"
	"foregate/authn/mailcode"
	"foregate/authn/network"
	"foregate/authn/oidc"
	"foregate/authn/saml"
	"foregate/internal/config"
)

// every is all kinds of methods.
var every = []config.Kind{
	{Name: "oidc", New: func() authn.MethodConfig { return new(oidc.Config) }},
	{Name: "saml", New: func() authn.MethodConfig { return new(saml.Config) }},
	{Name: "ldap", New: func() authn.MethodConfig { return new(ldap.Config) }},
	{Name: "handoff", New: func() authn.MethodConfig { return new(handoff.Config) }},
	{Name: "mail_code", New: func() authn.MethodConfig { return new(mailcode.Config) }},
	{Name: "local", New: func() authn.MethodConfig { return new(local.Config) }},
	{Name: "network", New: func() authn.MethodConfig { return new(network.Config) }},
	{Name: "certificate", New: func() authn.MethodConfig { return new(certificate.Config) }},
	{Name: "kerberos", New: func() authn.MethodConfig { return new(kerberos.Config) }},
}

var (
	secretFile = regexp.MustCompile(`\{file: ([\w./-]+)\}`)
	cerFile    = regexp.MustCompile(`\b[\w-]+\.cer\b`)
)

// TestExamplesAreRight once the files that they name are there.
func TestExamplesAreRight(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "foregate.yaml"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, m := range secretFile.FindAllStringSubmatch(string(text), -1) {
				put(t, filepath.Join(dir, m[1]), fmt.Appendf(nil, "%x", sha256.Sum256([]byte(m[1]))))
			}
			for _, cer := range cerFile.FindAllString(string(text), -1) {
				put(t, filepath.Join(dir, cer), selfSigned(t))
			}
			f, err := config.Parse(name+".yaml", text, dir, every)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "CHANGE") {
				t.Error("nothing is marked as to be changed")
			}
			for _, w := range f.Warnings {
				if !strings.Contains(w.String(), "blowfish") {
					t.Errorf("a warning: %s", w)
				}
			}
			readme, err := os.ReadFile(filepath.Join(filepath.Dir(file), "README.md"))
			if err != nil || len(readme) > 4000 {
				t.Errorf("a README of one page: %d bytes, %v", len(readme), err)
			}
		})
	}
}

func put(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
