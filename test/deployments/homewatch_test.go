package deployments

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"foregate/internal/chromium"
	"foregate/test/deployments/world"
)

// scim makes a request as the customer's identity provider does.
func scim(w *world.World, method, path, body string) (int, map[string]any) {
	w.T.Helper()
	r, err := http.NewRequest(method, w.Hosts["portal.homewatch.example"]+"/sso/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		w.T.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+world.SCIMToken)
	r.Header.Set("Content-Type", "application/scim+json")
	resp, err := w.Client().Do(r)
	if err != nil {
		w.T.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(data, &answer) // some have no body
	return resp.StatusCode, answer
}

// firstTime proves that the account is the person's own: what a provider says of an
// address is not enough.
func firstTime(w *world.World, b *chromium.Tab) {
	w.T.Helper()
	b.Says("You sign in here this way for the first time")
	b.Fill("input[name=code]", w.Code())
	b.Click("main form button")
}

// TestHomewatch is the third deployment: a portal with a Microsoft button.
func TestHomewatch(t *testing.T) {
	onBoth(t, "homewatch", 0, func(t *testing.T, w *world.World) {
		at, mobile := w.Hosts["portal.homewatch.example"], w.Hosts["mobile.homewatch.example"]
		w.Foregate("username,email,name,kind,organisation\nalice,alice@northfield.example,Alice Archer,staff,northfield\ncarol,carol@home.example,Carol Carter,patient,\ndora,dora@hospital.example,Dora Dean,staff,\n", "accounts", "import")
		w.Foregate(world.Password+"\n", "accounts", "password", "carol")

		t.Run("3.1 a Microsoft button beside the code by e-mail with a password after it", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(at + "/")
			b.Says("Sign in with Microsoft")
			b.Audit("homewatch")
			b.Fill("input[name=email]", "carol@home.example")
			b.Click("main form button")
			b.Says("If carol@home.example is known here")
			b.Fill("input[name=code]", w.Code())
			b.Click("main form button")
			b.Says("type your password too")
			b.Fill("input[name=password]", world.Password)
			b.Click("main form button")
			b.Says("Patients at home")
			if got := b.Told("X-Forwarded-User"); got != "carol" {
				t.Errorf("the application was told %q", got)
			}
		})

		t.Run("3.2 the provider remembers the account: in again quickly after a sign-out", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(at + "/patients/7")
			b.Choose("Microsoft")
			b.SignInAtProvider("Northfield", "alice", world.Password)
			firstTime(w, b)
			b.Says("GET /patients/7")
			if got := b.Told("X-Forwarded-User"); got != "alice" {
				t.Errorf("the application was told %q", got)
			}
			b.Open(at + "/sso/sign-out")
			b.Until(`document.readyState === "complete"`)
			b.LoseCookie(at, "foregate")
			b.Open(at + "/")
			b.Choose("Microsoft")
			b.Until(`document.readyState === "complete" && !!document.querySelector("#headers, #password, form")`)
			if !strings.Contains(b.Text(), "Patients at home") { // signed out there too: its own form, with the name kept
				b.SignInAtProvider("Northfield", "alice", world.Password)
			}
			b.Says("Patients at home")
		})

		t.Run("3.3 patients keep the old way, and the mobile application has no button", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(at + "/")
			b.Choose("Microsoft")
			b.SignInAtProvider("Northfield", "carol", world.Password)
			b.Says("so we cannot let you in")
			b.Open(mobile + "/")
			b.Until(`!!document.querySelector("input[name=email]")`)
			if n := chromium.Must[int](b, `document.querySelectorAll("ul.choices a").length`); n != 0 {
				t.Errorf("%d buttons", n)
			}
			b.Open(mobile + "/sso/start/entra")
			b.Says("no such page")
		})

		t.Run("3.4 the Microsoft address must be that of an account that exists", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(at + "/")
			b.Choose("Microsoft")
			b.SignInAtProvider("Northfield", "frank", world.Password)
			b.Says("no account for this application")
			if said := w.Foregate("", "accounts", "list", "frank"); strings.Contains(said, "frank@") {
				t.Errorf("there is an account: %s", said)
			}
		})

		t.Run("3.5 a deep link of the record system links at the first sign-in and then opens the portal", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(w.Records("/patients/7", "u-0815", "dora@hospital.example"))
			firstTime(w, b)
			b.Says("GET /patients/7")
			again := chromium.Open(t, "")
			again.Open(w.Records("/patients/8", "u-0815", "dora@hospital.example"))
			again.Says("GET /patients/8")
			if got := again.Told("X-Forwarded-User"); got != "dora" {
				t.Errorf("the application was told %q", got)
			}
			if n := len(w.Mail.Letters); n != 0 {
				t.Errorf("%d more letters", n)
			}
		})

		t.Run("3.6 per customer the traditional way is off, SCIM brings people and roles, other providers sign in", func(t *testing.T) {
			status, made := scim(w, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"erin@northfield.example",
				"displayName":"Erin Eames","active":true,"emails":[{"value":"erin@northfield.example","type":"work","primary":true}],"roles":[{"value":"nurse"}]}`)
			if status != http.StatusCreated {
				t.Fatalf("create: %d %v", status, made)
			}
			byCode := chromium.Open(t, "")
			byCode.Open(at + "/")
			byCode.Fill("input[name=email]", "erin@northfield.example")
			byCode.Click("main form button")
			byCode.Says("If erin@northfield.example is known here")
			byCode.Fill("input[name=code]", w.Code())
			byCode.Click("main form button")
			byCode.Says("wants you to use")

			b := chromium.Open(t, "")
			b.Open(at + "/")
			b.Choose("Microsoft")
			b.SignInAtProvider("Northfield", "erin", world.Password)
			firstTime(w, b)
			b.Says("Patients at home")
			if user, roles := b.Told("X-Forwarded-User"), b.Told("X-Forwarded-Roles"); user != "erin@northfield.example" || roles != "nurse" {
				t.Errorf("the application was told %q, %q", user, roles)
			}
			id, _ := made["id"].(string)
			if status, _ := scim(w, "DELETE", "/Users/"+id, ""); status != http.StatusNoContent {
				t.Errorf("delete: %d", status)
			}
			signedOut(w, b)

			other := chromium.Open(t, "")
			other.Open(at + "/")
			other.Choose("Google")
			other.SignInAtProvider("Another provider", "dora", world.Password)
			firstTime(w, other)
			other.Says("Patients at home")
			if got := other.Told("X-Forwarded-User"); got != "dora" {
				t.Errorf("by another provider the application was told %q", got)
			}
		})
	})
}
