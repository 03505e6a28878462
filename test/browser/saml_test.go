package browser

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"foregate/authn/local"
	"foregate/internal/chromium"
	"foregate/internal/demo"
	"foregate/internal/ssptest"
)

// trial is a clinical-trial system with two instances: a test and a main one, on
// app.test and north.test, each with a way to sign in of its own by SAML.
type trial struct {
	*hospital
	dir, file string
	app, hash string
}

const trialFile = `
listen: {https: %q, drain: 0s, admin: %q}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
methods:
  - name: test-idp
    title: Sign in for the test
    saml:
      keys: [{key: {file: saml.key}, certificate: saml.crt}]
      %s
  - name: main-idp
    title: Sign in for real
    saml:
      keys: [{key: {file: saml.key}, certificate: saml.crt}]
      %s
  - name: local
    title: User name and password
    local: {users: [{user: nora, name: Nora Nurse, groups: [staff], password_hash: %q}]}
apps:
  - {name: trial-test, hosts: [app.test], upstream: {url: %q}, methods: [test-idp, local]}
  - {name: trial, hosts: [north.test], upstream: {url: %q}, methods: [main-idp, local]}
`

// openTrial starts with nothing known of any identity provider.
func openTrial(t *testing.T) *trial {
	t.Helper()
	dir, https := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(https)
	app := httptest.NewServer(demo.App())
	t.Cleanup(app.Close)
	hash, err := local.Hash(noraPassword)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trial{
		hospital: &hospital{t: t, ca: newAuthority(t, dir), admin: freeAddress(t), url: "https://app.test:" + port, northURL: "https://north.test:" + port},
		dir:      dir, file: filepath.Join(dir, "foregate.yaml"), app: app.URL, hash: hash,
	}
	keygen := exec.Command(binary, "saml", "keygen", "--name", "trial.test")
	keygen.Dir = dir
	if out, err := keygen.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tr.write(https, "", "")
	tr.program = start(t, "serve", "-c", tr.file)
	tr.ready()
	return tr
}

func (tr *trial) write(https, test, main string) {
	tr.t.Helper()
	text := fmt.Sprintf(trialFile, https, tr.admin, test, main, tr.hash, tr.app, tr.app)
	if err := os.WriteFile(tr.file, []byte(text), 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

// learn tells the running Foregate about the providers.
func (tr *trial) learn(test, main string) {
	tr.t.Helper()
	u, err := url.Parse(tr.url)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.write("127.0.0.1:"+u.Port(), test, main)
	if err := tr.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		tr.t.Fatal(err)
	}
}

var (
	entityID    = regexp.MustCompile(`entityID="([^"]*)"`)
	location    = regexp.MustCompile(`AssertionConsumerService [^>]*Location="([^"]*)/acs"`)
	certificate = regexp.MustCompile(`<ds:X509Certificate>([^<]*)<`)
)

// sp is what a provider's administrator takes from the metadata of a host.
func (tr *trial) sp(url string) ssptest.SP {
	tr.t.Helper()
	resp, err := tr.client().Get(url + "/sso/metadata")
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/samlmetadata+xml" {
		tr.t.Fatalf("metadata: %d %v %s", resp.StatusCode, err, b)
	}
	found := func(re *regexp.Regexp) string {
		m := re.FindSubmatch(b)
		if m == nil {
			tr.t.Fatalf("no %s in %s", re, b)
		}
		return string(m[1])
	}
	cert, err := base64.StdEncoding.DecodeString(found(certificate))
	if err != nil {
		tr.t.Fatal(err)
	}
	return ssptest.SP{EntityID: found(entityID), Base: found(location), Cert: cert, WantSigned: true}
}

func TestSAMLFromNothingKnownToSignedOut(t *testing.T) {
	tr := openTrial(t)
	b := openBrowser(t, tr.hospital, "")

	// The metadata of each instance is there; its way to sign in is not, and says so.
	test, main := tr.sp(tr.url), tr.sp(tr.northURL)
	if test.EntityID != tr.url+"/sso/metadata" || main.EntityID != tr.northURL+"/sso/metadata" || main.Base != tr.northURL+"/sso" {
		t.Fatalf("%+v %+v", test, main)
	}
	b.Open(tr.url + "/")
	b.Says("is not ready yet")
	b.Audit("saml-not-ready")
	b.Choose("Sign in for the test")
	b.Says("not set up completely yet")
	b.Open(tr.url + "/") // who is exempt comes in
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	b.Click("#who a")
	b.Says("signed out")

	// Now the customer sends what they have: metadata for one, three values for the
	// other. Foregate goes on running.
	testIdP, mainIdP := ssptest.Start(t, test), ssptest.Start(t, main)
	if err := os.WriteFile(filepath.Join(tr.dir, "main.cer"), mainIdP.Certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.learn(
		fmt.Sprintf("metadata: {url: %q}", testIdP.MetadataURL),
		fmt.Sprintf("sso_url: %q\n      slo_url: %q\n      certificate: main.cer", mainIdP.SSOURL, mainIdP.SLOURL),
	)
	eventually(t, "both ways are ready", func() bool {
		for _, url := range []string{tr.url, tr.northURL} {
			resp, err := tr.client().Get(url + "/sso/sign-in?choose=1")
			if err != nil {
				return false
			}
			page, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || strings.Contains(string(page), "not ready yet") {
				return false
			}
		}
		return true
	})

	// A deep link leads through the provider to the very page.
	const deep = "/echo?visit=3&note=a%20b"
	b.Open(tr.url + deep)
	b.Choose("Sign in for the test")
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("X-Forwarded-User: alice")
	if got := b.Location(); got != tr.url+deep {
		t.Errorf("arrived at %s", got)
	}
	b.Open(tr.url + "/")
	for header, want := range map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Email": "alice@example.test", "X-Forwarded-Groups": "admins,staff", "X-Forwarded-Name": "Alice Archer",
	} {
		if got := b.Told(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}

	// Out from here: here first, then there, and back.
	b.Click("#who a")
	b.Says("signed out")
	if !strings.HasPrefix(b.Location(), tr.url+"/sso/slo") {
		t.Errorf("signed out at %s: the provider was not asked", b.Location())
	}
	b.Open(tr.url + "/")
	b.Choose("Sign in for the test")
	b.SignInAtSSP(ssptest.Bob, ssptest.BobPassword) // its own session is over too
	b.Says("Patients of today")
	if got := b.Told("X-Forwarded-User"); got != "bob" {
		t.Errorf("signed in as %q", got)
	}

	// Out from there.
	cookie := b.Cookie(tr.url, "__Host-foregate")
	welcome := testIdP.URL + "/module.php/core/frontpage_welcome.php"
	b.Open(testIdP.SLOURL + "?ReturnTo=" + url.QueryEscape(welcome))
	b.Until(`location.href === ` + chromium.Quote(welcome))
	if status := tr.statusWith(tr.url+"/", cookie); status == http.StatusOK {
		t.Error("the session lives on although the provider ended it")
	}

	// The other instance has its own provider, and takes nobody else's people.
	b.Open(tr.northURL + "/")
	b.Choose("Sign in for real")
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("Patients of today")
	eventually(t, "the log says that somebody came from the main provider", func() bool {
		return strings.Contains(tr.logs.String(), `"issuer":"`+mainIdP.EntityID+`"`)
	})

	// The provider is down: its people cannot come in, who is exempt can, and who is in
	// stays in.
	testIdP.Stop()
	if status := tr.statusWith(tr.northURL+"/", b.Cookie(tr.northURL, "__Host-foregate")); status != http.StatusOK {
		t.Errorf("who is signed in: %d", status)
	}
	exempt := openBrowser(t, tr.hospital, "")
	exempt.Open(tr.url + "/echo?ward=7")
	exempt.SignIn("nora", noraPassword)
	exempt.Says("GET /echo?ward=7")
}

// statusWith asks as a browser page does, with a session's cookie.
func (tr *trial) statusWith(url, cookie string) int {
	tr.t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		tr.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.AddCookie(&http.Cookie{Name: "__Host-foregate", Value: cookie})
	resp, err := tr.client().Do(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestSAMLInTwoTabsAtOnce(t *testing.T) {
	tr := openTrial(t)
	idp := ssptest.Start(t, tr.sp(tr.url))
	tr.learn(fmt.Sprintf("metadata: {url: %q}", idp.MetadataURL), "")
	eventually(t, "the way is ready", func() bool { return strings.Contains(tr.logs.String(), "sign-in provider is ready") })
	one := openBrowser(t, tr.hospital, "")
	two := one.NewTab()
	for i, b := range []*tab{one, two} {
		b.Open(fmt.Sprintf("%s/echo?tab=%d", tr.url, i))
		b.Choose("Sign in for the test")
		b.AtSSP() // the second tab is to arrive with the cookie that the first was given
	}
	one.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	one.Says("GET /echo?tab=0")
	two.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	two.Says("GET /echo?tab=1")
}

// TestSAMLFromATileOfTheProvidersPortal: where answers that nobody asked for are let in.
func TestSAMLFromATileOfTheProvidersPortal(t *testing.T) {
	tr := openTrial(t)
	sp := tr.sp(tr.url)
	idp := ssptest.Start(t, sp)
	tr.learn(fmt.Sprintf("metadata: {url: %q}\n      insecure_idp_initiated: true\n      start_pages: [/echo]", idp.MetadataURL), "")
	eventually(t, "the way is ready", func() bool { return strings.Contains(tr.logs.String(), "sign-in provider is ready") })
	b := openBrowser(t, tr.hospital, "")
	tile := idp.SSOURL + "?spentityid=" + url.QueryEscape(sp.EntityID) + "&RelayState="
	b.Open(tile + "/echo")
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("X-Forwarded-User: alice")
	if got := b.Location(); got != tr.url+"/echo" {
		t.Errorf("arrived at %s", got)
	}
	b.Open(tile + url.QueryEscape("https://evil.example/"))
	b.Says("Patients of today")
	if got := b.Location(); got != tr.url+"/" {
		t.Errorf("arrived at %s", got)
	}
}

// TestSAMLTriedBeforeAnybodySignsIn: an administrator sees what the provider sends, what is
// missing and what would become of it, corrects the file, and tries again.
func TestSAMLTriedBeforeAnybodySignsIn(t *testing.T) {
	tr := openTrial(t)
	idp := ssptest.Start(t, tr.sp(tr.url))
	metadata := fmt.Sprintf("metadata: {url: %q}", idp.MetadataURL)
	tr.learn(metadata+"\n      attributes: {user: [employeeNumber], name: [cn]}", "")
	eventually(t, "the way is ready", func() bool { return strings.Contains(tr.logs.String(), "sign-in provider is ready") })
	b := openBrowser(t, tr.hospital, "")
	try := func() {
		t.Helper()
		link, err := exec.Command(binary, "try", "test-idp", "-c", tr.file).Output()
		if err != nil {
			t.Fatalf("%v: %s", err, link)
		}
		b.Open(strings.TrimSpace(string(link)))
		b.Says("Nobody is signed in")
		b.Audit("saml-try")
		b.Click("form button")
	}
	try()
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("It does not work yet")
	for _, want := range []string{
		"People would read: “The sign-in service did not tell us your user name.", "none of attributes.user",
		"user name: the provider sent none of employeeNumber", "name: the provider sent none of cn", // what is missing,
		"Assertion signed with", "SHA-256", idp.EntityID, "alice@example.test", "nothing", // and what is there
	} {
		b.Says(want)
	}
	b.Audit("saml-tried-missing")

	tr.learn(metadata, "")
	eventually(t, "the corrected file is in force", func() bool { return strings.Count(tr.logs.String(), "sign-in provider is ready") > 1 })
	try()
	b.Says("It works")
	for _, want := range []string{"alice would be let in", "X-Forwarded-User", "every path that no rule is about: allow", "No account is needed"} {
		b.Says(want)
	}
	b.Audit("saml-tried")
	if cookie := b.Cookie(tr.url, "__Host-foregate"); cookie != "" {
		t.Error("a try-out made a session")
	}
	b.Open(tr.url + "/")
	b.Says("Sign in for the test")
}
