package gate

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (f *foregate) dialTLS(cfg *tls.Config) (*tls.Conn, error) {
	cfg.InsecureSkipVerify = true // what is shown is looked at by the tests
	return tls.Dial("tcp", f.https, cfg)
}

// shown tells the certificate that a new handshake gets from others.
func (f *foregate) shown(host string) string {
	f.t.Helper()
	conn, err := f.dialTLS(&tls.Config{ServerName: host})
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	return fmt.Sprintf("%x", sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw))
}

// TestHT8StrangersNamesAreRefused before a key is used.
func TestHT8StrangersNamesAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	for _, name := range []string{"evil.test", "app.test.evil.test", strings.Repeat("a.", 100) + "test"} {
		conn, err := f.dialTLS(&tls.Config{ServerName: name})
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") { // the alert's type is not exported
			t.Errorf("%.30s: %v", name, err)
		}
	}
	for what, cfg := range map[string]*tls.Config{
		"TLS 1.1": {ServerName: "app.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":     {ServerName: "app.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
	} {
		if conn, err := f.dialTLS(cfg); err == nil {
			_ = conn.Close()
			t.Errorf("%s is taken", what)
		}
	}
	began, most := time.Now(), 1000
	for range most {
		conn, err := f.dialTLS(&tls.Config{ServerName: "evil.test"})
		if err == nil {
			_ = conn.Close()
		}
	}
	if f.shown("app.test") == "" {
		t.Error("nothing is shown after it")
	}
	t.Logf("%d handshakes for a stranger's name refused in %s", most, time.Since(began).Round(time.Millisecond))
}

// TestFM17ARenewedCertificateIsUsedAndNobodyNotices: open connections stay, and half of
// a renewal changes nothing.
func TestFM17ARenewedCertificateIsUsedAndNobodyNotices(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	before := f.shown("app.test")
	open := newSecureBrowser(f)
	if page := open.get("/sso/sign-in"); page.StatusCode != http.StatusOK {
		t.Fatalf("sign-in: %d", page.StatusCode)
	}
	fresh := t.TempDir()
	certificate(t, fresh)
	install := func(name string) {
		text, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install("cert.pem")
	until(t, "the half renewal is told of", func() bool { return f.metric("foregate_config_last_reload_successful") == 0 })
	if f.shown("app.test") != before {
		t.Error("half a renewal changed the certificate")
	}
	install("key.pem")
	began := time.Now()
	until(t, "the renewed certificate is shown", func() bool { return f.shown("app.test") != before })
	t.Logf("in use after %s", time.Since(began).Round(10*time.Millisecond))
	if page := open.get("/sso/sign-in"); page.StatusCode != http.StatusOK {
		t.Errorf("on the connection from before: %d", page.StatusCode)
	}
}

// TestST13BrowsersAreToldToComeByHTTPS, once, and not by plain http.
func TestST13BrowsersAreToldToComeByHTTPS(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	const year = "max-age=31536000"
	b := newSecureBrowser(f)
	b.signIn("alice", alicePassword, "/")
	for _, target := range []string{"/", "/sso/sign-in", "/nothing"} {
		if got := b.get(target).Header["Strict-Transport-Security"]; len(got) != 1 || got[0] != year {
			t.Errorf("%s: %q", target, got)
		}
	}
	f.up.answerBytes("HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=60\r\nContent-Length: 0\r\n\r\n")
	if got := b.get("/").Header["Strict-Transport-Security"]; len(got) != 1 || got[0] != "max-age=60" {
		t.Errorf("what the application says becomes %q", got)
	}
	resp := f.raw("GET /x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	if statusOf(resp) != http.StatusPermanentRedirect || strings.Contains(resp, "Strict-Transport-Security") {
		t.Errorf("plain http answers %q", resp)
	}
}
