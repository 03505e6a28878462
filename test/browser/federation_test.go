package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"foregate/internal/chromium"
	"foregate/internal/samltest"
	"foregate/internal/ssptest"
)

var (
	declaration = regexp.MustCompile(`<\?xml[^>]*\?>`)
	idpRole     = regexp.MustCompile(`<md:IDPSSODescriptor [^>]*>`)
)

// described is a provider's own metadata with the title and scope that its federation adds.
func described(t *testing.T, idp *ssptest.Provider, title, scope string) string {
	t.Helper()
	resp, err := http.Get(idp.MetadataURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := declaration.ReplaceAllString(string(b), "")
	role := idpRole.FindString(text)
	if role == "" {
		t.Fatalf("no provider in %s", text)
	}
	return strings.Replace(text, role, role+fmt.Sprintf(`<md:Extensions><mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui"><mdui:DisplayName xml:lang="en">%s</mdui:DisplayName></mdui:UIInfo><shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">%s</shibmd:Scope></md:Extensions>`, title, scope), 1)
}

// TestFederationByPeopleWithoutScripts: two real providers in signed metadata; people find
// theirs by a part of its name, and are offered it first the next time. A provider that
// speaks for another's people is not believed.
func TestFederationByPeopleWithoutScripts(t *testing.T) {
	tr := openTrial(t)
	sp := tr.sp(tr.url)
	hospital, elsewhere := ssptest.Start(t, sp), ssptest.Start(t, sp)
	federation, err := samltest.New()
	if err != nil {
		t.Fatal(err)
	}
	text, err := federation.Sign(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_all" validUntil="` + time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339) + `">` +
		described(t, hospital, "Ysbyty Gwynedd", "example.test") + described(t, elsewhere, "St Elsewhere Hôpital", "elsewhere.test") + `</md:EntitiesDescriptor>`)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }))
	defer server.Close()
	if err := os.WriteFile(filepath.Join(tr.dir, "federation.crt"), federation.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.learn(fmt.Sprintf("preset: shibboleth\n      metadata: {url: %q, federation: true, certificate: federation.crt, file: all.xml, keep: true}", server.URL), "")
	eventually(t, "the federation is read", func() bool { return strings.Contains(tr.logs.String(), "sign-in providers are ready") })

	b := openBrowser(t, tr.hospital, "")
	scripts := func(on bool) {
		chromium.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	}
	find := func(typed string) {
		b.Fill("input[name=q]", typed)
		b.Click("form button")
	}
	b.Open(tr.url + "/echo?visit=3")
	b.Choose("Sign in for the test")
	b.Says("Which is your organisation?")
	b.Audit("federation")
	scripts(false)
	find("zzz")
	b.Says("No organisation of that name is known here")
	scripts(true)
	b.Audit("federation-none")
	scripts(false)
	find("GWYN")
	b.Says("Ysbyty Gwynedd")
	if strings.Contains(b.Text(), "St Elsewhere") {
		t.Errorf("found too much: %s", b.Text())
	}
	scripts(true)
	b.Click(`button[name=provider]`)
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("GET /echo?visit=3")
	b.Says("X-Forwarded-User: alice@example.test")

	// The browser remembers, sealed, and the other's word for the same person is not taken.
	b.Open(tr.url + "/")
	b.Click("#who a")
	b.Says("signed out")
	b.Open(tr.url + "/")
	b.Choose("Sign in for the test")
	b.Says("Which is your organisation?")
	if first := chromium.Must[string](b, `document.querySelector("button[name=provider]").textContent`); first != "Ysbyty Gwynedd" {
		t.Errorf("offered first: %q", first)
	}
	if cookie := b.Cookie(tr.url, "__Host-foregate-way"); cookie == "" || strings.Contains(cookie, "127.0.0.1") {
		t.Errorf("remembered as %q", cookie)
	}
	find("hopital elsew")
	b.Until(`document.readyState === "complete" && !document.body.innerText.includes("Ysbyty")`) // both were shown before
	b.Says("St Elsewhere Hôpital")
	b.Click(`button[name=provider]`)
	b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
	b.Says("did not tell us your user name")
	if _, err := os.Stat(filepath.Join(tr.dir, "all.xml")); err != nil {
		t.Error(err)
	}
}
