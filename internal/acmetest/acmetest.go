// Package acmetest starts Pebble, an ACME authority for tests, with a name server that
// says 127.0.0.1 for every name.
package acmetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Authority is a running Pebble.
type Authority struct {
	Directory string // address
	CA        string // PEM file with who vouches for it
	roots     string // address of the root of what it gives
	client    *http.Client
	said      *output // by Pebble
	t         *testing.T
}

// Start starts one that looks for challenges at the ports of httpAddr and tlsAddr, and
// gives certificates that live that long. It ends with the test.
func Start(t *testing.T, httpAddr, tlsAddr string, life time.Duration) *Authority {
	t.Helper()
	for _, name := range []string{"pebble", "pebble-challtestsrv"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is needed: run test/needs", name)
		}
	}
	dir := t.TempDir()
	a := &Authority{CA: filepath.Join(dir, "ca.pem"), t: t}
	key := filepath.Join(dir, "ca.key")
	pool := ownCertificate(t, a.CA, key)
	a.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	listen, manage, dns, dnsManage := Free(t), Free(t), Free(t), Free(t)
	cfg, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": a.CA, "privateKey": key,
		"httpPort": port(t, httpAddr), "tlsPort": port(t, tlsAddr), "ocspResponderURL": "", "externalAccountBindingRequired": false,
		"certificateValidityPeriod": int(life / time.Second),
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, cfg, 0o600); err != nil {
		t.Fatal(err)
	}
	a.run("pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", dnsManage)
	a.said = a.run("pebble", "-config", file, "-dnsserver", dns)
	a.Directory, a.roots = "https://"+listen+"/dir", "https://"+manage+"/roots/0"
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := a.client.Get(a.Directory)
		if err == nil {
			_ = resp.Body.Close()
			return a
		}
		if time.Now().After(deadline) {
			t.Fatalf("pebble does not answer: %v", err)
		}
	}
}

// output may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Orders is how many orders for certificates it has taken.
func (a *Authority) Orders() int {
	return strings.Count(a.said.String(), "to the db as an order") + strings.Count(a.said.String(), "Added order ")
}

func (a *Authority) run(name string, args ...string) *output {
	a.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := new(output)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20")
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if a.t.Failed() {
			a.t.Logf("%s said:\n%s", name, out.String())
		}
	})
	return out
}

// Roots are who vouches for the certificates that it gives.
func (a *Authority) Roots() *x509.CertPool {
	a.t.Helper()
	resp, err := a.client.Get(a.roots)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		a.t.Fatal("pebble has no root")
	}
	return pool
}

// Free is an address of this machine that nobody listens on.
func Free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ownCertificate is the one that Pebble itself shows.
func ownCertificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}
