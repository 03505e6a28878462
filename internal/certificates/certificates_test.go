package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair writes a certificate for hosts that ends after life.
func pair(t *testing.T, life time.Duration, hosts ...string) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: serial, DNSNames: hosts, NotBefore: now.Add(-time.Hour * 24 * 30), NotAfter: now.Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := Pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func keeper(t *testing.T, log *logged) *Keeper {
	t.Helper()
	k, err := New(slog.New(slog.NewTextHandler(log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

const year = 365 * 24 * time.Hour

func TestEachHostGetsTheCertificateThatFits(t *testing.T) {
	log := new(logged)
	k := keeper(t, log)
	one, wild := pair(t, year, "one.example"), pair(t, year, "*.two.example")
	if err := k.Use([]Pair{one, wild}, []string{"one.example", "a.two.example:8443", "three.example"}); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"one.example": "one.example", "ONE.example": "one.example", "a.two.example": "*.two.example",
		"b.two.example": "", "unknown.example": "", "three.example": "one.example", "": "one.example",
	} {
		got, err := k.Get(&tls.ClientHelloInfo{ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}})
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		if got != nil {
			name = got.Leaf.DNSNames[0]
		}
		if name != want {
			t.Errorf("%q gets the certificate of %q, want %q", host, name, want)
		}
	}
	if !strings.Contains(log.String(), "no certificate fits a host") || !strings.Contains(log.String(), "three.example") {
		t.Errorf("nothing says that three.example has none:\n%s", log.String())
	}
}

// TestFM17ABrokenPairChangesNothing: a key that is not the certificate's.
func TestFM17ABrokenPairChangesNothing(t *testing.T) {
	k := keeper(t, new(logged))
	one, other := pair(t, year, "one.example"), pair(t, year, "one.example")
	if err := k.Use([]Pair{one}, []string{"one.example"}); err != nil {
		t.Fatal(err)
	}
	hello := &tls.ClientHelloInfo{ServerName: "one.example"}
	before, _ := k.Get(hello)
	if err := k.Use([]Pair{{one.Cert, other.Key}}, []string{"one.example"}); err == nil {
		t.Error("a mixed pair is taken")
	}
	if now, _ := k.Get(hello); now != before {
		t.Error("a mixed pair changed the certificate")
	}
	if err := k.Use([]Pair{other}, []string{"one.example"}); err != nil {
		t.Fatal(err)
	}
	if now, _ := k.Get(hello); now == before {
		t.Error("a new pair is not in use")
	}
}

// TestFM17TheEndIsToldAtEachMark: 21, 14, 7 and 1 days before it, and when it has come.
func TestFM17TheEndIsToldAtEachMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		k, err := New(slog.New(slog.NewTextHandler(log, nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.Use([]Pair{pair(t, 30*24*time.Hour, "one.example")}, []string{"one.example"}); err != nil {
			t.Fatal(err)
		}
		lines := func() int { return strings.Count(log.String(), "\n") }
		for day, want := range []int{8: 0, 10: 1, 15: 1, 17: 2, 22: 2, 24: 3, 28: 3, 29: 4, 30: 5, 40: 5} {
			if day == 0 {
				continue
			}
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if got := lines(); want > 0 && got != want {
				t.Errorf("after %d days %d lines, want %d:\n%s", day, got, want, log.String())
			}
		}
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "CERTIFICATE HAS EXPIRED") {
			t.Errorf("the end is not told loudly:\n%s", log.String())
		}
	})
}

func TestNoWeakSuite(t *testing.T) {
	for _, s := range tls.InsecureCipherSuites() {
		for _, ours := range suites {
			if s.ID == ours {
				t.Errorf("%s is weak", s.Name)
			}
		}
	}
}
