package browser

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"foregate/authn/accounts"
	"foregate/internal/chromium"
	"foregate/internal/optest"
)

// customerFile is the portal with a customer who wants its own sign-in and keeps its
// people by SCIM.
const customerFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
mail:
  smtp: {address: "@MAIL", ca: "@CA"}
  from: Homewatch <no-reply@homewatch.example>
methods:
  - name: entra
    title: Sign in with Northfield
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
    admit: {account: existing, match: email, verify: none}
  - name: code
    title: Code by e-mail
    mail_code: {}
organisations:
  - name: northfield
    title: Northfield Hospital
    domains: [example.test]
    methods: [entra]
    only: true
    scim: {token: "` + scimToken + `", kind: staff, roles: [nurse]}
apps:
  - name: homewatch
    hosts: [app.test]
    upstream: {url: "@APP"}
    methods: [entra, code]
    roles: {order: [administrator, nurse]}
    page: {title: Homewatch}
`

const scimToken = "0123456789abcdef0123456789abcdef0123456789abcdef"

// scim makes a request as the customer's identity provider does.
func (d *deployment) scim(method, path, body string) (int, map[string]any) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.url+"/sso/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+scimToken)
	r.Header.Set("Content-Type", "application/scim+json")
	resp, err := d.client().Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(data, &answer); err != nil && len(data) > 0 {
		d.t.Fatalf("%s: %v", data, err)
	}
	return resp.StatusCode, answer
}

// TestHomewatchCustomer is the sixth sentence of the third deployment.
func TestHomewatchCustomer(t *testing.T) {
	d := openDeployment(t, customerFile, nil)
	b := openBrowser(t, d.hospital, "")
	b.Open(d.url + "/")
	b.Choose("Northfield")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("no account for this application") // not before the customer has made one

	status, made := d.scim("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"alice@example.test",
		"displayName":"Alice Archer","active":true,"emails":[{"value":"alice@example.test","type":"work","primary":true}],"roles":[{"value":"nurse"}]}`)
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, made)
	}
	id, _ := made["id"].(string)

	t.Run("3.6 SCIM makes an account, with a role", func(t *testing.T) {
		b.Open(d.url + "/")
		b.Choose("Northfield")
		b.Says("Patients of today")
		if user, roles := b.Told("X-Forwarded-User"), b.Told("X-Forwarded-Roles"); user != "alice@example.test" || roles != "nurse" {
			t.Errorf("the application was told %q, %q", user, roles)
		}
	})

	byCode := func(other *tab) {
		other.Open(d.url + "/")
		other.Fill("input[name=email]", "alice@example.test")
		other.Click("main form button")
		other.Says("If alice@example.test is known here")
		other.Fill("input[name=code]", sixDigits.FindString(bodyOf(d.letter())))
		other.Click("main form button")
	}
	t.Run("3.6 the traditional way is off for the customer", func(t *testing.T) {
		other := openBrowser(t, d.hospital, "")
		byCode(other)
		other.Says("wants you to use")
		other.Audit("only")
	})

	t.Run("4.5 an exempt person keeps it", func(t *testing.T) {
		d.people(func(a *accounts.Accounts) {
			if err := a.Exempt(t.Context(), accounts.Context{Actor: "test"}, id, true); err != nil {
				t.Fatal(err)
			}
		})
		other := openBrowser(t, d.hospital, "")
		byCode(other)
		other.Says("Patients of today")
	})

	t.Run("3.6 SCIM ends an account, and its sessions within a second", func(t *testing.T) {
		b.Open(d.url + "/")
		b.Says("Patients of today")
		status, answer := d.scim("PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
		began := time.Now()
		if status != http.StatusOK && status != http.StatusNoContent {
			t.Fatalf("deactivate: %d %v", status, answer)
		}
		eventually(t, "the session is over", func() bool {
			return chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
		})
		if took := time.Since(began); took > time.Second {
			t.Errorf("the session went on for %v", took)
		}
		b.Open(d.url + "/")
		b.Choose("Northfield")
		b.Says("switched off")
	})
}
