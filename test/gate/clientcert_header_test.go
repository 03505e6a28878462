package gate

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foregate/internal/certtest"
	"foregate/internal/fronttest"
)

// passedOn are header lines with a certificate, as RFC 9440 has it.
func passedOn(c tls.Certificate) string {
	return "Client-Cert: :" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":\r\n"
}

// plainCards is withCards behind a proxy at from.
func plainCards(t *testing.T, from string) *cards {
	t.Helper()
	return withCards(t, fmt.Sprintf("trusted_proxies: [%s]\ncertificate_header: Client-Cert", from), func(o *options) { o.tls = false })
}

// start asks to be signed in by a card, from an address of this machine.
func (c *cards) startFrom(address, headers string) string {
	c.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_, _ = fmt.Fprintf(conn, "GET /sso/start/card?rd=/x HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\nAccept: text/html\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n%s\r\n", headers)
	}()
	return readQuiet(conn)
}

// TestTheHeaderOfATrustedProxyCountsAndNobodyElses.
func TestTheHeaderOfATrustedProxyCountsAndNobodyElses(t *testing.T) {
	t.Parallel()
	c := plainCards(t, "127.0.0.2")
	alice := c.staff.Person("Alice", "alice@hospital.example")
	mallory := certtest.New(t, "Staff CA").Person("Mallory", "alice@hospital.example")
	if answer := c.startFrom("127.0.0.2", passedOn(alice)); statusOf(answer) != http.StatusSeeOther || !strings.Contains(answer, "Location: /x\r\n") {
		t.Fatalf("of the proxy: %.300q", answer)
	}
	for what, tt := range map[string]struct{ from, headers, words string }{
		"of a stranger":            {"127.0.0.1", passedOn(alice), "did not show"},
		"none":                     {"127.0.0.2", "", "did not show"},
		"another spelling":         {"127.0.0.2", strings.Replace(passedOn(alice), "Client-Cert", "Client_Cert", 1), "did not show"},
		"twice":                    {"127.0.0.2", passedOn(mallory) + passedOn(alice), "could not be read"},
		"twice, another way":       {"127.0.0.2", strings.Replace(passedOn(alice), "Client-Cert", "client-cert", 1) + passedOn(alice), "could not be read"},
		"garbage":                  {"127.0.0.2", "Client-Cert: :AAAA:\r\n", "could not be read"},
		"of another authority":     {"127.0.0.2", passedOn(mallory), "not accepted"},
		"32 kB":                    {"127.0.0.2", "Client-Cert: :" + strings.Repeat("A", 40<<10) + ":\r\n", "could not be read"},
		"by the name of Forwarded": {"127.0.0.2", "X-Forwarded-Client-Cert: " + base64.StdEncoding.EncodeToString(alice.Certificate[0]) + "\r\n", "did not show"},
	} {
		if answer := c.startFrom(tt.from, tt.headers); statusOf(answer) != http.StatusBadRequest || !strings.Contains(answer, tt.words) || strings.Contains(answer, "Set-Cookie: foregate=") {
			t.Errorf("%s: %.300q", what, answer)
		}
	}
	if answer := c.startFrom("127.0.0.2", "Client-Cert: :"+strings.Repeat("A", 100<<10)+":\r\n"); statusOf(answer) != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("100 kB: %.200q", answer)
	}
}

// TestHD1NoCertificateOfAClientReachesTheApplication, in any spelling, of anybody.
func TestHD1NoCertificateOfAClientReachesTheApplication(t *testing.T) {
	t.Parallel()
	for _, own := range []string{"Client-Cert", "X-Ward-Cert"} {
		c := withCards(t, "trusted_proxies: [127.0.0.1]\ncertificate_header: "+own, func(o *options) { o.tls = false })
		var headers strings.Builder
		for _, name := range []string{"Client-Cert", "client-cert", "CLIENT_CERT", "Client_Cert", "Client.Cert", "Client-Cert-Chain", "Client_Cert_Chain", own, strings.ReplaceAll(own, "-", "_"), own + "-Chain", own + "_Chain"} {
			fmt.Fprintf(&headers, "%s: planted\r\n", name)
		}
		answer := c.raw("GET /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n" + headers.String() + "\r\n")
		heads := c.up.take()
		if statusOf(answer) != http.StatusOK || len(heads) != 1 || strings.Contains(heads[0], "planted") {
			t.Errorf("%.100q\n%q", answer, heads)
		}
	}
}

// TestAProxysOwnCertificateIsNoPersons: where it speaks TLS to us and shows one.
func TestAProxysOwnCertificateIsNoPersons(t *testing.T) {
	t.Parallel()
	c := withCards(t, "trusted_proxies: [127.0.0.1]")
	if in := c.with(c.staff.Person("Proxy", "proxy@hospital.example")).get("/sso/start/card?rd=/"); in.StatusCode != http.StatusBadRequest || !strings.Contains(in.body, "did not show") {
		t.Errorf("%d\n%s", in.StatusCode, in.body)
	}
}

// TestCardsBehindNginxAndHAProxy, with the configurations of the document.
func TestCardsBehindNginxAndHAProxy(t *testing.T) {
	t.Parallel()
	c := plainCards(t, "127.0.0.1")
	alice := c.staff.Person("Alice", "alice@hospital.example")
	expired := certtest.New(t, "Staff CA").Person("Mallory", "alice@hospital.example")
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	certtest.Write(t, filepath.Join(dir, "staff-ca.pem"), certtest.PEM(c.staff))
	both, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Write(t, filepath.Join(dir, "wardwatch.pem"), append(both, private...))
	if os.Getuid() == 0 { // nginx's worker is somebody else
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, run := range map[string]func(addr string) *exec.Cmd{
		"nginx": func(addr string) *exec.Cmd {
			server := strings.NewReplacer("listen 443 ssl", "listen "+addr+" ssl", "wardwatch.hospital.example", "other.test", "/etc/nginx/wardwatch.crt", cert,
				"/etc/nginx/wardwatch.key", key, "/etc/nginx/staff-ca.pem", filepath.Join(dir, "staff-ca.pem"), "127.0.0.1:8080", c.addr).Replace(fronttest.Snippet(t, "../methods/certificate.md", "nginx"))
			return fronttest.NginxServer(t, fronttest.Installed(t, "nginx"), dir, server)
		},
		"haproxy": func(addr string) *exec.Cmd {
			conf := strings.NewReplacer("bind :443", "bind "+addr, "/etc/haproxy/wardwatch.pem", filepath.Join(dir, "wardwatch.pem"),
				"/etc/haproxy/staff-ca.pem", filepath.Join(dir, "staff-ca.pem"), "127.0.0.1:8080", c.addr).Replace(fronttest.Snippet(t, "../methods/certificate.md", "haproxy"))
			certtest.Write(t, filepath.Join(dir, "haproxy.cfg"), []byte(conf))
			return exec.Command(fronttest.Installed(t, "haproxy"), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
		},
	} {
		addr := freeAddress(t)
		fronttest.Run(t, addr, dir, run(addr))
		at := func(certs ...tls.Certificate) *browser {
			b := c.with(certs...)
			far := browserAt(c.foregate, "https://other.test", addr)
			far.client.Transport.(*http.Transport).TLSClientConfig = b.client.Transport.(*http.Transport).TLSClientConfig
			return far
		}
		b := at(alice)
		if in := b.get("/sso/start/card?rd=/x"); in.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d\n%s", name, in.StatusCode, in.body)
			continue
		}
		if page := b.get("/x"); page.StatusCode != http.StatusOK {
			t.Errorf("%s: then the application answers %d", name, page.StatusCode)
		}
		if heads := strings.Join(c.up.take(), ""); !strings.Contains(heads, "X-Forwarded-User: alice@hospital.example\r\n") || strings.Contains(heads, "Client-Cert") {
			t.Errorf("%s: the application sees\n%s", name, heads)
		}
		if in := at(expired).get("/sso/start/card?rd=/"); in.StatusCode != http.StatusBadRequest || !strings.Contains(in.body, "not accepted") {
			t.Errorf("%s: of another authority: %d\n%s", name, in.StatusCode, in.body)
		}
		// What a browser sends itself is gone, with and without a certificate.
		forged := http.Header{"Client-Cert": {strings.TrimSuffix(strings.TrimPrefix(passedOn(alice), "Client-Cert: "), "\r\n")}}
		escaped := http.Header{"Client-Cert": {url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: alice.Certificate[0]})))}}
		for _, h := range []http.Header{forged, escaped} {
			if in := at().do("GET", "/sso/start/card?rd=/", nil, h); in.StatusCode != http.StatusBadRequest || !strings.Contains(in.body, "did not show") {
				t.Errorf("%s: with a header of one's own: %d\n%s", name, in.StatusCode, in.body)
			}
		}
	}
}
