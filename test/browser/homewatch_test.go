package browser

import (
	"fmt"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/handoff"
	"foregate/internal/chromium"
	"foregate/internal/optest"
)

// homewatchFile is of a remote-monitoring portal: staff may use their organisation's
// provider, everybody a code by e-mail, and a patient record system opens it directly.
const homewatchFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
mail:
  smtp: {address: "@MAIL", ca: "@CA"}
  from: Homewatch <no-reply@homewatch.example>
methods:
  - name: entra
    title: Sign in with Microsoft
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
    admit: {account: existing, match: email, verify: none, kinds: [staff]}
  - name: code
    title: Code by e-mail
    mail_code: {second_factor: optional-password}
  - name: records
    title: The patient record system
    handoff:
      page: https://records.test/sso
      format: aes-gcm
      keys: [{key: ` + recordsKey + `}]
      email_verified: true
    admit: {account: existing, match: email, verify: mail}
apps:
  - name: homewatch
    hosts: [app.test]
    upstream: {url: "@APP"}
    methods: [entra, code, records]
    page: {title: Homewatch}
  - name: homewatch-mobile
    hosts: [local.test]
    upstream: {url: "@APP"}
    methods: [code]
    page: {title: Homewatch}
`

const (
	recordsKey    = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	carolPassword = "carol-pass-1"
)

var portalPeople = []accounts.Account{
	{Username: "alice", Email: "alice@example.test", Name: "Alice Archer", Kind: "staff", Status: accounts.Active, Source: accounts.FromCreate},
	{Username: "carol", Email: "carol@example.test", Name: "Carol Carter", Kind: "patient", Status: accounts.Active, Source: accounts.FromCreate},
	{Username: "dora", Email: "dora@example.test", Name: "Dora Dean", Kind: "staff", Status: accounts.Active, Source: accounts.FromCreate},
}

func openHomewatch(t *testing.T) *deployment {
	t.Helper()
	return openDeployment(t, homewatchFile, portalPeople, func(a *accounts.Accounts) {
		carol, err := a.ByUsername(t.Context(), "carol")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.SetPassword(t.Context(), accounts.Context{Actor: "test"}, carol.ID, carolPassword); err != nil {
			t.Fatal(err)
		}
	})
}

// TestHomewatch is the third deployment, as far as one organisation goes.
func TestHomewatch(t *testing.T) {
	d := openHomewatch(t)

	t.Run("3.1 a code by e-mail, then a password, beside the button", func(t *testing.T) {
		b := openBrowser(t, d.hospital, "")
		b.Open(d.url + "/")
		b.Says("Sign in with Microsoft")
		b.Audit("homewatch")
		b.Fill("input[name=email]", "Carol@Example.test")
		b.Click("main form button")
		b.Says("If carol@example.test is known here")
		b.Fill("input[name=code]", sixDigits.FindString(bodyOf(d.letter())))
		b.Click("main form button")
		b.Says("type your password too")
		b.Audit("homewatch-password")
		b.Fill("input[name=password]", carolPassword)
		b.Click("main form button")
		b.Says("Patients of today")
		if got := b.Told("X-Forwarded-User"); got != "carol" {
			t.Errorf("the application was told %q", got)
		}
	})

	t.Run("3.1 nobody learns which addresses are known", func(t *testing.T) {
		b := openBrowser(t, d.hospital, "")
		b.Open(d.url + "/")
		b.Fill("input[name=email]", "nobody@example.test")
		b.Click("main form button")
		b.Says("If nobody@example.test is known here")
		if n := len(d.mail.Letters); n != 0 {
			t.Errorf("%d letters", n)
		}
	})

	t.Run("3.4 the address must be that of an account", func(t *testing.T) {
		d.north.Say(t, optest.Alice, map[string]any{"email": "stranger@example.test", "email_verified": true})
		b := openBrowser(t, d.hospital, "")
		b.Open(d.url + "/")
		b.Choose("Microsoft")
		b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		b.Says("no account for this application")
		d.north.Say(t, optest.Alice, map[string]any{"email": "carol@example.test"})
		b = openBrowser(t, d.hospital, "") // 3.3 a patient keeps the old way
		b.Open(d.url + "/")
		b.Choose("Microsoft")
		b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		b.Says("no account for this application")
		d.north.Say(t, optest.Alice, map[string]any{"email": "alice@example.test"})
	})

	t.Run("3.2 the provider's button signs staff in, and quickly again", func(t *testing.T) {
		b := openBrowser(t, d.hospital, "")
		b.Open(d.url + "/")
		b.Choose("Microsoft")
		b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		b.Says("Patients of today")
		if got := b.Told("X-Forwarded-User"); got != "alice" {
			t.Errorf("the application was told %q", got)
		}
		b.LoseCookie(d.url, "__Host-foregate")
		b.Open(d.url + "/")
		b.Choose("Microsoft")
		b.Says("Patients of today") // nothing was typed
	})

	t.Run("3.3 the mobile app does not see the button", func(t *testing.T) {
		b := openBrowser(t, d.hospital, "")
		b.Open("https://local.test:" + d.port + "/")
		b.Until(`!!document.querySelector("input[name=email]")`)
		if n := chromium.Must[int](b, `document.querySelectorAll("ul.choices a").length`); n != 0 {
			t.Errorf("%d buttons", n)
		}
		b.Open("https://local.test:" + d.port + "/sso/start/entra")
		b.Says("no such page")
	})

	t.Run("3.5 a deep link from the record system is linked at the first sign-in", func(t *testing.T) {
		b := openBrowser(t, d.hospital, "")
		b.Open(d.deepLink("/echo?patient=7", "u-0815", "dora@example.test"))
		b.Says("You sign in here this way for the first time")
		b.Fill("input[name=code]", sixDigits.FindString(bodyOf(d.letter())))
		b.Click("main form button")
		b.Says("GET /echo?patient=7")
		if got := b.Location(); got != d.url+"/echo?patient=7" {
			t.Errorf("at %s", got)
		}

		again := openBrowser(t, d.hospital, "")
		again.Open(d.deepLink("/echo?patient=8", "u-0815", "dora@example.test"))
		again.Says("GET /echo?patient=8")
		again.Says("X-Forwarded-User: dora")
		if n := len(d.mail.Letters); n != 0 {
			t.Errorf("%d more letters", n)
		}
	})
}

// deepLink is an address of the portal as the patient record system makes it.
func (d *deployment) deepLink(path, user, email string) string {
	d.t.Helper()
	c := &handoff.Config{
		Page: "https://records.test/sso", Format: "aes-gcm",
		Keys: []handoff.Key{{Key: authn.NewSecret(recordsKey)}},
	}
	p, err := handoff.NewPartner(c, "records")
	if err != nil {
		d.t.Fatal(err)
	}
	host := "app.test:" + d.port
	query, err := p.Mint(handoff.Draft{User: user, Name: "Dora Dean", Email: email, Made: time.Now(), Host: host})
	if err != nil {
		d.t.Fatal(err)
	}
	return fmt.Sprintf("https://%s%s&%s", host, path, query.Encode())
}
