package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/internal/certtest"
	"foregate/internal/chromium"
)

// openReader starts a Foregate whose host app.test asks for a card, and whose host
// north.app.test, which browsers reach by the same connection, does not.
func openReader(t *testing.T, ca *certtest.Authority) *deployment {
	t.Helper()
	file := filepath.Join(t.TempDir(), "staff.pem")
	write(t, file, certtest.PEM(ca))
	return openDeployment(t, fmt.Sprintf(`
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
methods:
  - name: card
    title: Sign in with your smart card
    certificate: {ca: [%q], known_by: san-email}
  - name: place
    title: Go on as the ward
    network: {addresses: [127.0.0.0/8], user: "site:ward"}
apps:
  - name: wardwatch
    hosts: [app.test]
    upstream: {url: "@APP"}
    methods: [card]
    page: {title: Wardwatch}
  - name: north
    hosts: [north.app.test]
    upstream: {url: "@APP"}
    methods: [place]
`, file), nil)
}

// withCard makes Chromium one of a PC whose reader holds a person's card: it is in the
// user's own store of certificates, and the browser is set up to choose it at d's hosts.
func withCard(t *testing.T, d *deployment, ca *certtest.Authority, email string) (profile string, options []chromedp.ExecAllocatorOption) {
	t.Helper()
	for _, name := range []string{"certutil", "pk12util", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			chromium.Missing(t, name+" is not installed")
		}
	}
	home := t.TempDir()
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(home, name) }
	certtest.Files(t, ca.Person("Alice Archer", email), in("alice.pem"), in("alice.key"))
	for _, args := range [][]string{
		{"openssl", "pkcs12", "-export", "-in", in("alice.pem"), "-inkey", in("alice.key"), "-out", in("alice.p12"), "-passout", "pass:x", "-name", "alice"},
		{"certutil", "-d", "sql:" + store, "-N", "--empty-password"},
		{"pk12util", "-d", "sql:" + store, "-i", in("alice.p12"), "-W", "x"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	// What the policy AutoSelectCertificateForUrls sets.
	profile = t.TempDir()
	settings, err := json.Marshal(map[string]any{"profile": map[string]any{"content_settings": map[string]any{"exceptions": map[string]any{
		"auto_select_certificate": map[string]any{d.url + ",*": map[string]any{"setting": map[string]any{"filters": []any{map[string]any{}}}}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(profile, "Default", "Preferences"), settings)
	return profile, []chromedp.ExecAllocatorOption{chromedp.Env("HOME=" + home)}
}

// TestACardSignsInWithChromium, also where the browser came by the connection of another
// host, which is answered 421 and made anew.
func TestACardSignsInWithChromium(t *testing.T) {
	ca := certtest.New(t, "Staff CA")
	d := openReader(t, ca)
	profile, options := withCard(t, d, ca, "alice@hospital.example")
	b := openBrowser(t, d.hospital, profile, options...)
	b.Open("https://north.app.test:" + d.port + "/echo")
	b.Says("X-Forwarded-User: site:ward")
	b.Open(d.url + "/echo?bed=3")
	b.Says("X-Forwarded-User: alice@hospital.example")
	b.Says("GET /echo?bed=3")
	if log := d.program.logs.String(); !strings.Contains(log, "the connection was made for") {
		t.Errorf("no connection was shared, so nothing was misdirected:\n%s", log)
	}
	b.Open(d.url + "/sso/sign-out")
	b.Click(`form button`)
	b.Says("take the card out")
	b.Audit("card-signed-out")
}

// TestABrowserWithoutACardIsToldWhatToDo.
func TestABrowserWithoutACardIsToldWhatToDo(t *testing.T) {
	d := openReader(t, certtest.New(t, "Staff CA"))
	b := openBrowser(t, d.hospital, "", chromedp.Env("HOME="+t.TempDir()))
	b.Open(d.url + "/echo?bed=3")
	b.Says("did not show a smart card")
	b.Audit("card-none")
	b.Click(`main a`)
	b.Says("Sign in with your smart card")
}
