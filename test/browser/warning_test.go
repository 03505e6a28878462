package browser

import (
	"strings"
	"testing"
	"time"

	"foregate/internal/chromium"
	"foregate/internal/optest"
)

// TestWarningComesBeforeTheSessionEnds on a page that includes the script: one
// button goes on, and who does not press it is told.
func TestWarningComesBeforeTheSessionEnds(t *testing.T) {
	h := openHospital(t, options{idle: "14s"}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.localURL + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	began := time.Now()
	chromium.Must[bool](b, `const script = document.createElement("script");
		script.src = "/sso/warning.js"; script.dataset.before = "10"; document.body.append(script); true`)
	const shown = `(() => { const d = document.querySelector("foregate-warning")?.shadowRoot.querySelector("dialog");
		return d && d.open ? d.innerText : ""; })()`
	if early := chromium.Must[string](b, shown); early != "" {
		t.Errorf("it warns at once: %q", early)
	}
	b.Until(shown + `.includes("Are you still there?")`)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it warned after %v", took)
	}
	if words := chromium.Must[string](b, shown); !strings.Contains(words, "You will be signed out in") || !strings.Contains(words, "Stay signed in") || strings.Contains(words, "new tab") {
		t.Errorf("it says %q", words)
	}
	if focus := chromium.Must[string](b, `document.activeElement.shadowRoot.activeElement.innerText`); focus != "Stay signed in" {
		t.Errorf("the focus is on %q", focus)
	}
	b.Audit("warning")
	b.Until(shown + `.match(/in [1-8] seconds/) !== null`) // it had 14 seconds, and asking gave it no more
	chromium.Must[bool](b, `document.activeElement.shadowRoot.activeElement.click(); true`)
	b.Until(shown + ` === ""`)
	if left := chromium.Must[float64](b, `fetch("/sso/session").then(r => r.json()).then(s => s.seconds_left)`); left < 11 {
		t.Errorf("after the button %v seconds are left", left)
	}
	b.Until(shown + `.includes("You were signed out")`)
	b.Audit("warning-over")
	if words := chromium.Must[string](b, shown); !strings.Contains(words, "new tab") || strings.Contains(words, "Stay signed in") {
		t.Errorf("it says %q", words)
	}
	b.Says("Patients of today") // the page is still there
}

const insertFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
session: {idle: 62s}
methods:
  - name: entra
    title: Sign in with Northfield
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
apps:
  - {name: wardwatch, hosts: [app.test], upstream: {url: "@APP"}, methods: [entra], insert_warning: true, page: {title: Wardwatch}}
`

// TestWarningIsPutIntoPages of an application that does not include the script; not into what its scripts fetch.
func TestWarningIsPutIntoPages(t *testing.T) {
	d := openDeployment(t, insertFile, nil)
	b := openBrowser(t, d.hospital, "")
	b.Open(d.url + "/")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("Patients of today")
	if at := chromium.Must[string](b, `document.querySelector("script[src='/sso/warning.js']")?.parentNode.nodeName ?? "nowhere"`); at != "HEAD" {
		t.Errorf("the script is in %s", at)
	}
	if chromium.Must[bool](b, `fetch("/", {headers: {Accept: "text/html"}}).then(r => r.text()).then(t => t.includes("warning.js"))`) {
		t.Error("it is in what a script fetched")
	}
	chromium.Must[bool](b, `const again = document.createElement("script"); again.src = "/sso/warning.js"; document.body.append(again); true`)
	b.Until(`document.querySelector("foregate-warning")?.shadowRoot.querySelector("dialog").innerText.includes("Are you still there?")`)
	if n := chromium.Must[int](b, `document.querySelectorAll("foregate-warning").length`); n != 1 {
		t.Errorf("%d warnings", n)
	}
}
