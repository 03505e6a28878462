// Package ssptest starts a real SAML 2.0 identity provider, SimpleSAMLphp, for
// tests.
//
// The provider listens on loopback, knows two people and the service providers
// that a test names, and ends with the test, also when the test is killed. It
// signs responses and assertions, and its logout messages; it encrypts with
// AES-128-CBC whatever it is told.
package ssptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/test/free"
)

// People who can sign in. Alice is in the groups staff and admins, Bob in guests.
const (
	Alice, AlicePassword = "alice", "pw-a"
	Bob, BobPassword     = "bob", "pw-b"
	Password             = "pw-u" // of all further people
)

const (
	root     = "/usr/share/simplesamlphp/www"
	patience = 30 * time.Second
)

// SP is a service provider that the identity provider knows.
type SP struct {
	EntityID   string
	Base       string // below which /acs and /slo are
	Cert       []byte // DER; checks signatures of requests, none without it
	Encrypt    bool   // encrypt assertions for Cert
	WantSigned bool   // refuse unsigned requests
}

// Provider is a running identity provider.
type Provider struct {
	URL         string // http://127.0.0.1:port
	EntityID    string
	MetadataURL string
	SSOURL      string
	SLOURL      string
	Certificate []byte // PEM; what it signs with

	stop func()
}

// Start starts a provider that ends with the test. Without PHP or SimpleSAMLphp
// the test is skipped, and on CI, where nothing may be skipped, it fails.
func Start(t testing.TB, sps ...SP) *Provider {
	t.Helper()
	return StartWith(t, 0, sps...)
}

// StartWith starts one that knows further people: u00000 and so on, with Password.
func StartWith(t testing.TB, people int, sps ...SP) *Provider {
	t.Helper()
	missing := t.Skip
	if os.Getenv("CI") == "true" {
		missing = t.Fatal
	}
	if _, err := exec.LookPath("php"); err != nil {
		missing("PHP is needed for the SAML provider: run test/needs")
	}
	if _, err := os.Stat(root); err != nil {
		missing("SimpleSAMLphp is not installed: run test/needs")
	}
	address, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	url := "http://" + address
	p := &Provider{
		URL: url, EntityID: url + "/idp", MetadataURL: url + "/saml2/idp/metadata.php",
		SSOURL: url + "/saml2/idp/SSOService.php", SLOURL: url + "/saml2/idp/SingleLogoutService.php",
	}
	p.configure(t, dir, people, sps)
	p.run(t, dir, address)
	return p
}

func (p *Provider) run(t testing.TB, dir, address string) {
	cmd := exec.Command("php", "-S", address, "-t", root)
	cmd.Env = append(os.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+filepath.Join(dir, "config"))
	cmd.SysProcAttr = endWithParent()
	said := &lines{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the provider said: %s", said)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if p.answers(ctx) {
			return
		}
		select {
		case <-time.After(30 * time.Millisecond): // another process, whose clock no test can turn
		case <-ctx.Done():
			t.Fatalf("the provider is not ready after %s: %s", patience, said)
		}
	}
}

// Stop ends the provider: nobody answers at its addresses any more.
func (p *Provider) Stop() { p.stop() }

func (p *Provider) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.MetadataURL, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

func (p *Provider) configure(t testing.TB, dir string, people int, sps []SP) {
	for _, sub := range []string{"config", "metadata", "cert", "log", "data", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	key, cert := p.keys(t)
	fill := strings.NewReplacer("$DIR", dir, "$URL", p.URL)
	for name, text := range map[string]string{
		"cert/idp.key": key, "cert/idp.crt": cert,
		"config/config.php": fill.Replace(configPHP), "config/authsources.php": strings.Replace(peoplePHP, "$MORE", morePHP(people), 1),
		"metadata/saml20-idp-hosted.php": fill.Replace(hostedPHP), "metadata/saml20-sp-remote.php": remotePHP(sps),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *Provider) keys(t testing.TB) (keyPEM, certPEM string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "idp"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(1000 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), string(p.Certificate)
}

const configPHP = `<?php
require '/etc/simplesamlphp/config.php';
$d = '$DIR';
$config = array_merge($config, [
  'baseurlpath' => '$URL/', 'certdir' => "$d/cert/", 'loggingdir' => "$d/log/", 'datadir' => "$d/data/",
  'tempdir' => "$d/tmp", 'metadatadir' => "$d/metadata/", 'secretsalt' => 'test-salt', 'auth.adminpassword' => 'adm',
  'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
  'session.cookie.secure' => false, 'session.cookie.samesite' => 'Lax', 'language.cookie.secure' => false, 'language.cookie.samesite' => 'Lax',
  'store.type' => 'sql', 'store.sql.dsn' => "sqlite:$d/data/s.sqlite3",
  'logging.handler' => 'errorlog', 'admin.checkforupdates' => false, 'authproc.idp' => []]);
`

const peoplePHP = `<?php
$config = ['users' => ['exampleauth:UserPass',
  'alice:pw-a' => ['uid' => ['alice'], 'mail' => ['alice@example.test'], 'displayName' => ['Alice Archer'], 'groups' => ['staff', 'admins'], 'urn:oid:1.3.6.1.4.1.5923.1.1.1.6' => ['alice@example.test']],
  'bob:pw-b' => ['uid' => ['bob'], 'mail' => ['bob@example.test'], 'displayName' => ['Bob Baker'], 'groups' => ['guests']],$MORE]];
`

func morePHP(people int) string {
	var b strings.Builder
	for i := range people {
		u := fmt.Sprintf("u%05d", i)
		fmt.Fprintf(&b, "\n  '%s:%s' => ['uid' => ['%s'], 'mail' => ['%s@example.test'], 'displayName' => ['%s'], 'groups' => ['staff']],", u, Password, u, u, u)
	}
	return b.String()
}

const hostedPHP = `<?php
$metadata['$URL/idp'] = ['host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.crt', 'auth' => 'users',
  'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'redirect.sign' => true, 'redirect.validate' => true,
  'SingleSignOnServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
  'SingleLogoutServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
  'authproc' => [10 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent']],
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'];
`

func remotePHP(sps []SP) string {
	var b strings.Builder
	b.WriteString("<?php\n")
	for _, sp := range sps {
		fmt.Fprintf(&b, "$metadata['%s'] = ['AssertionConsumerService' => '%s/acs', 'SingleLogoutService' => '%s/slo', 'saml20.sign.response' => true, 'saml20.sign.assertion' => true,\n", sp.EntityID, sp.Base, sp.Base)
		fmt.Fprintf(&b, "  'certData' => '%s', 'assertion.encryption' => %t, 'validate.authnrequest' => %t, 'redirect.sign' => true, 'redirect.validate' => %t];\n",
			base64.StdEncoding.EncodeToString(sp.Cert), sp.Encrypt, sp.WantSigned, sp.Cert != nil)
	}
	return b.String()
}

// lines gathers what the provider says.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
