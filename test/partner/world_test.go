package partner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const idle = 2 * time.Second // of a session

var binary string // the program under test, built once

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foregate-partner-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "foregate")
	if err := runToEnd("go", "build", "-o", binary, "foregate"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is an organisation's intranet, the application of somebody else, and a
// Foregate before that. The organisation has one page in several forms; each is at
// its own host of the intranet, for its own host of the application.
type world struct {
	t     *testing.T
	port  string // of Foregate
	forms []string
	pages map[string]*url.URL // by form, on the page's own server
	keys  map[string]keys

	intranet *httptest.Server
	app      *httptest.Server

	mu    sync.Mutex
	asked map[string][]string // by form: what browsers asked the page for
	told  []string            // what the application was told
}

func newWorld(t *testing.T) *world {
	t.Helper()
	_, port, _ := net.SplitHostPort(address(t))
	w := &world{t: t, port: port, pages: make(map[string]*url.URL), keys: make(map[string]keys), asked: make(map[string][]string)}
	w.intranet = httptest.NewServer(http.HandlerFunc(w.serveIntranet))
	t.Cleanup(w.intranet.Close)
	w.app = httptest.NewServer(http.HandlerFunc(w.serveApp))
	t.Cleanup(w.app.Close)
	return w
}

// host of the application for a form.
func (w *world) host(form string) string { return form + ".formulary.test:" + w.port }

// has takes a page into the intranet.
func (w *world) has(form, at string, k keys) {
	u, err := url.Parse(at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.forms, w.pages[form], w.keys[form] = append(w.forms, form), u, k
}

// intranetURL is an address on the intranet as a browser there types it.
func (w *world) intranetURL(form, path string) string {
	_, port, _ := net.SplitHostPort(w.intranet.Listener.Addr().String())
	return "http://" + form + ".intranet.test:" + port + path
}

// serveIntranet is the web server of the intranet. It knows who everybody is, and
// tells the page in a header.
func (w *world) serveIntranet(rw http.ResponseWriter, r *http.Request) {
	form, _, _ := strings.Cut(r.Host, ".")
	at := w.pages[form]
	if at == nil || r.URL.Path != at.Path {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		if at != nil && r.URL.Path == "/" {
			fmt.Fprintf(rw, `<!doctype html><title>Intranet</title><h1>Intranet</h1><a id=link href="%s">Formulary</a>`, at.Path)
		}
		return
	}
	w.mu.Lock()
	w.asked[form] = append(w.asked[form], r.URL.RawQuery)
	w.mu.Unlock()
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: at.Scheme, Host: at.Host})
		p.Out.Header.Set("X-Intranet-User", `HOSPITAL\Alice`)
		p.Out.Header.Set("X-Intranet-Name", "Alice Archer")
	}}
	proxy.ServeHTTP(rw, r)
}

// serveApp is the application: it shows what it is told, and has a page behind a link.
func (w *world) serveApp(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.told = append(w.told, r.Host+r.RequestURI+" "+fmt.Sprint(r.Header))
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(rw, `<!doctype html><title>Formulary</title><link rel=icon href="data:,"><p id=user>%s</p><p id=name>%s</p><a id=deep href="%s">Amoxicillin</a>`,
		html.EscapeString(r.Header.Get("X-Forwarded-User")), html.EscapeString(r.Header.Get("X-Forwarded-Name")), html.EscapeString(deepLink))
}

const deepLink = "/drugs/5?id=7&view=full%20text&q=a%26b"

func (w *world) visitsOf(form string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked[form]...)
}

// foregate starts Foregate before the application and returns what it says, and the
// pin of its certificate.
func (w *world) foregate(t *testing.T) (said *noise, pin string) {
	t.Helper()
	dir := t.TempDir()
	pin = w.certificate(t, dir)
	var methods, apps strings.Builder
	for _, form := range w.forms {
		k := w.keys[form]
		key := fmt.Sprintf("{key: %q, encoding: hex}", k.key)
		if form == "legacy" {
			key = fmt.Sprintf("{key: %q, mac_key: %q, encoding: hex}", k.key, k.mac)
		}
		fmt.Fprintf(&methods, "  - {name: %s, title: St Elsewhere Hospital, handoff: {page: %q, format: %s, partner: st-elsewhere, keys: [%s]}}\n",
			form, w.intranetURL(form, w.pages[form].Path), formats[form], key)
		fmt.Fprintf(&apps, "  - {name: %s, hosts: [%s.formulary.test], upstream: {url: %q}, methods: [%s]}\n", form, form, w.app.URL, form)
	}
	write(t, filepath.Join(dir, "foregate.yaml"), `
listen: {https: "127.0.0.1:%s", drain: 0s, admin: "off", admin_socket: "off"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
session: {idle: %s}
log: {level: debug}
methods:
%sapps:
%s`, w.port, idle, &methods, &apps)
	p := run(t, dir, nil, binary, "serve", "-c", filepath.Join(dir, "foregate.yaml"))
	if !p.listens(t, "127.0.0.1:"+w.port) {
		t.Fatalf("foregate does not start: %s", p.said)
	}
	return p.said, pin
}

// certificate writes one that signs itself, and returns the hash of its public key by
// which a browser is told to trust it.
func (w *world) certificate(t *testing.T, dir string) (pin string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "formulary.test"}, DNSNames: []string{"*.formulary.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "app.crt"), "%s", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(dir, "app.key"), "%s", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sessionEnds waits until Foregate says that a session is over. Asking does not keep
// it alive.
func (w *world) sessionEnds(t *testing.T, form, cookie string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // made for this test alone
	}}
	for deadline := time.Now().Add(patience); ; {
		r, err := http.NewRequest(http.MethodGet, "https://127.0.0.1:"+w.port+"/sso/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = w.host(form)
		r.Header.Set("Cookie", cookieName+"="+cookie)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusUnauthorized:
			return
		case resp.StatusCode != http.StatusOK || time.Now().After(deadline):
			t.Fatalf("waiting for the end of a session: %s", resp.Status)
		}
		<-time.After(50 * time.Millisecond)
	}
}
