package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"foregate/authn/local"
	"foregate/internal/chromium"
	"foregate/internal/optest"
)

const wardPCFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
session: {cookie: {persistent: true}}
methods:
  - name: entra
    title: Sign in with Northfield
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
  - name: local
    title: User name and password
    local: {users: [{user: nora, name: Nora Nurse, password_hash: %q}]}
apps:
  - {name: wardwatch, hosts: [app.test], upstream: {url: "@APP"}, methods: [entra, local], shared_devices: [127.0.0.0/8], page: {title: Wardwatch}}
`

// TestWardPC: what somebody saw in a browser that several people use is nowhere afterwards, not even by the back button, and the provider asks who is there.
func TestWardPC(t *testing.T) {
	hash, err := local.Hash(noraPassword)
	if err != nil {
		t.Fatal(err)
	}
	d := openDeployment(t, fmt.Sprintf(wardPCFile, hash), nil)
	b := openBrowser(t, d.hospital, "")
	b.Open(d.url + "/")
	b.Choose("Sign in with Northfield")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("Patients of today")
	b.Open(d.url + "/echo?bed=3")
	b.Says("GET /echo?bed=3")
	kept, err := chromedp.Call(b.Ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{d.url}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range kept.Cookies {
		if !c.Session && !strings.Contains(c.Name, "attempt") {
			t.Errorf("the cookie %s outlives the browser", c.Name)
		}
	}
	b.Open(d.url + "/")
	chromium.Must[bool](b, `localStorage.setItem("draft", "of alice"); document.cookie = "own=alice; path=/; secure"; 
		const script = document.createElement("script"); script.src = "/sso/warning.js"; document.body.append(script); true`)
	const finish = `document.querySelector("foregate-warning")?.shadowRoot.querySelector(".finish:not([hidden])")`
	b.Until(finish + `?.textContent === "Finish"`)
	b.Audit("ward-pc")
	b.Open(d.url + "/echo?bed=4")
	// Chromium keeps this page to go back to (bfcache), no-store or not, until a cookie changes.
	b.Open(d.url + "/sso/account")
	b.Says("Your account")
	b.Open(d.url + "/sso/sign-out?choose=1")
	b.Click("form button")
	b.Says("Yes, sign out") // asks the provider, where alice does not press the button
	b.Open(d.url + "/sso/sign-out")
	b.Says("You are signed out")
	if left := chromium.Must[string](b, `JSON.stringify([localStorage.getItem("draft"), document.cookie])`); left != `[null,""]` {
		t.Errorf("what is left: %s", left)
	}
	for range 6 {
		chromium.Must[bool](b, `history.back(); true`)
		b.Until(`document.readyState === "complete"`)
		if strings.Contains(b.Text(), "bed=") || strings.Contains(b.Text(), "Your account") || strings.Contains(b.Text(), "Patients") {
			t.Errorf("by the back button: %s", b.Text())
		}
	}

	// The provider still knows alice, and asks all the same.
	b.Open(d.url + "/")
	b.Choose("Sign in with Northfield")
	b.Until(`!!document.querySelector("input[name=password]")`)
}
