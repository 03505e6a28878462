package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"foregate/authn/accounts"
	"foregate/internal/chromium"
	"foregate/internal/ldaptest"
	"foregate/internal/optest"
	"foregate/internal/ssptest"
)

// walksFile has every way to sign in that needs no machine of its own; the partner's page
// is played by a link.
const walksFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
mail:
  smtp: {address: "@MAIL", ca: "@CA"}
  from: Careplan <no-reply@signin.careplan.example>
methods:
  - name: entra
    title: Sign in with Northfield
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
  - name: place
    title: Go on as the reading room
    network: {addresses: [127.0.0.0/8], user: "site:reading-room"}
  - name: code
    title: Code by e-mail
    mail_code: {}
  - name: ward
    title: Hospital account
    ldap: {preset: openldap, servers: [%q], ca: %q, bind_dn: %q, bind_password: %q, base_dn: %q}
  - name: local
    title: Careplan account
    local: {totp: required}
  - name: records
    title: The patient record system
    handoff: {page: "https://records.test/sso", format: aes-gcm, keys: [{key: ` + recordsKey + `}], email_verified: true}
    admit: {account: existing, match: email, verify: mail}
apps:
  - {name: careplan, hosts: [app.test], upstream: {url: "@APP"}, methods: [entra, place, code, ward, local, records], page: {title: Careplan}}
`

// hand is how somebody uses a page.
type hand struct {
	person string // whose account is signed in to, where it can be once alone
	press  func(b *tab, words string)
	write  func(b *tab, css, text string)
}

// byPointer clicks, and needs no script.
func byPointer() hand {
	return hand{"carol", func(b *tab, words string) {
		b.Do(chromedp.Click(`//*[self::a or self::button][contains(., "` + words + `")]`))
	}, (*tab).Fill}
}

// byKeys has Tab, Enter and the space bar, and sees where the focus is.
func byKeys() hand {
	to := func(b *tab, is string) {
		b.T.Helper()
		b.Until(`document.readyState === "complete"`)
		for range 40 {
			if chromium.Must[bool](b, `(e => `+is+`)(document.activeElement)`) {
				return
			}
			b.Do(chromedp.KeyEvent(kb.Tab))
			if chromium.Must[bool](b, `document.activeElement !== document.body && location.pathname.startsWith("/sso/") && !document.activeElement.matches(":focus-visible")`) {
				b.T.Error("nobody sees where the focus is: " + chromium.Must[string](b, `document.activeElement.outerHTML`))
			}
		}
		b.T.Fatalf("Tab does not lead to %s on\n%s", is, b.Text())
	}
	return hand{"dora", func(b *tab, words string) {
		b.T.Helper()
		to(b, `e.matches("a, button") && e.innerText.includes(`+chromium.Quote(words)+`)`)
		if chromium.Must[bool](b, `document.activeElement.matches("button")`) {
			b.Do(chromedp.KeyEvent(" "))
			return
		}
		b.Do(chromedp.KeyEvent(kb.Enter))
	}, func(b *tab, css, text string) {
		b.T.Helper()
		to(b, `e.matches(`+chromium.Quote(css)+`)`)
		b.Do(chromedp.KeyEvent(text))
	}}
}

// TestEveryWayInIsWalked without scripts, and by the keyboard alone.
func TestEveryWayInIsWalked(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.Options{})
	file := fmt.Sprintf(walksFile, s.TLS, s.PKI.CA, ldaptest.Service, ldaptest.ServicePassword, ldaptest.Base)
	d := openDeployment(t, file, portalPeople, func(a *accounts.Accounts) {
		for _, name := range []string{"carol", "dora"} {
			who, err := a.ByUsername(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.SetPassword(t.Context(), accounts.Context{Actor: "test"}, who.ID, carolPassword); err != nil {
				t.Fatal(err)
			}
		}
	})
	code := func() string { return sixDigits.FindString(bodyOf(d.letter())) }
	ways := map[string]func(*tab, hand){
		"OpenID Connect": func(b *tab, h hand) {
			h.press(b, "Sign in with Northfield")
			b.Until(`!!document.querySelector("#password")`)
			h.write(b, "#user", optest.Alice)
			h.write(b, "#password", optest.AlicePassword)
			h.press(b, "Sign in")
		},
		"network": func(b *tab, h hand) { h.press(b, "Go on as the reading room") },
		"mailed code": func(b *tab, h hand) {
			h.write(b, "input[name=email]", h.person+"@example.test")
			h.press(b, "Send the code")
			b.Says("is known here")
			h.write(b, "input[name=code]", code())
			h.press(b, "Continue")
		},
		"directory": func(b *tab, h hand) {
			h.press(b, "Hospital account")
			b.Says("Password")
			h.write(b, "input[name=username]", "alice")
			h.write(b, "input[name=password]", ldaptest.Password)
			h.press(b, "Sign in")
		},
		"account with an app": func(b *tab, h hand) {
			h.press(b, "Careplan account")
			b.Says("Password")
			h.write(b, "input[name=username]", h.person)
			h.write(b, "input[name=password]", carolPassword)
			h.press(b, "Sign in")
			h.write(b, "input[name=code]", appCode(t, b.Key(), time.Now()))
			h.press(b, "Continue")
			b.Says("Keep your recovery codes")
			h.press(b, "I have kept them")
		},
		"hand-off": func(b *tab, h hand) {
			b.Open(d.deepLink("/?", "u-"+h.person, h.person+"@example.test"))
			b.Says("You sign in here this way for the first time")
			h.write(b, "input[name=code]", code())
			h.press(b, "Continue")
		},
	}
	for how, h := range map[string]hand{"without scripts": byPointer(), "by keyboard": byKeys()} {
		for name, walk := range ways {
			t.Run(name+" "+how, func(t *testing.T) {
				b := openBrowser(t, d.hospital, "")
				if how == "without scripts" {
					chromium.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
				}
				b.Open(d.url + "/")
				walk(b, h)
				b.Says("Patients of today")
				b.Open(d.url + "/sso/sign-out?choose=1")
				h.press(b, "I am somebody else")
				b.Says("Sign in with Northfield")
				kept, err := chromedp.Call(b.Ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{d.url}})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range kept.Cookies {
					if c.Name == "__Host-foregate" {
						t.Error("the session's cookie is still there")
					}
				}
			})
		}
	}
}

// TestSAMLIsWalked likewise, through the pages of SimpleSAMLphp.
func TestSAMLIsWalked(t *testing.T) {
	tr := openTrial(t)
	idp := ssptest.Start(t, tr.sp(tr.url))
	tr.learn(fmt.Sprintf("metadata: {url: %q}", idp.MetadataURL), "")
	eventually(t, "the way is ready", func() bool { return strings.Contains(tr.logs.String(), "sign-in provider is ready") })
	for how, h := range map[string]hand{"without scripts": byPointer(), "by keyboard": byKeys()} {
		t.Run(how, func(t *testing.T) {
			b := openBrowser(t, tr.hospital, "")
			scripts := how != "without scripts"
			chromium.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
			b.Open(tr.url + "/echo?visit=3")
			h.press(b, "Sign in for the test")
			b.AtSSP()
			h.write(b, "input[name=username]", ssptest.Alice)
			h.write(b, "input[name=password]", ssptest.AlicePassword)
			b.Do(chromedp.KeyEvent(kb.Enter))
			if !scripts {
				b.Until(`!document.querySelector("input[name=password]") && !!document.querySelector("input[name=SAMLResponse]")`)
				b.Do(chromedp.Click(`//noscript//*[@type="submit"]`)) // posts its answer by hand
			}
			b.Says("GET /echo?visit=3")
			b.Open(tr.url + "/sso/sign-out?choose=1")
			h.press(b, "I am somebody else")
			b.Says("User name and password")
			h.press(b, "Sign in for the test")
			b.AtSSP() // asks again, though it knows alice
		})
	}
}
