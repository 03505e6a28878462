package deployments

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
	"foregate/test/deployments/world"
)

const careplanHost = "careplan.hospital.example"

// TestCareplan is the first deployment: a care-record application behind one group.
func TestCareplan(t *testing.T) {
	onBoth(t, "careplan", 6*time.Second, func(t *testing.T, w *world.World) {
		url := w.Hosts[careplanHost]
		w.Foregate("username,email,name\nNNURSE,nora@hospital.example,Nora Nurse\nOOUTSIDER,otto@hospital.example,Otto Outsider\nAABROAD,anna@elsewhere.example,Anna Abroad\n", "accounts", "import")
		w.Foregate("", "accounts", "create", "--username", "desk", "--email", "desk@hospital.example", "--name", "Service Desk")
		w.Foregate(world.Desk+"\n", "accounts", "password", "desk")
		b := chromium.Open(t, "")
		var signedIn time.Time

		t.Run("1.1 an account outside of the group is not processed at all", func(t *testing.T) {
			other := chromium.Open(t, "")
			other.Open(url + "/")
			other.SignInAtProvider("Northfield", "otto", world.Password)
			other.Says("call the service desk on 4711")
			if other.Status() != http.StatusForbidden || other.Cookie(url, "foregate") != "" {
				t.Errorf("status %d, session %q", other.Status(), other.Cookie(url, "foregate"))
			}
			if n := len(w.Mail.Letters); n != 0 {
				t.Errorf("%d letters", n)
			}
			if _, links := w.Account("OOUTSIDER"); len(links) != 0 {
				t.Errorf("there is a link: %v", links)
			}
		})

		t.Run("1.3 the first sign-in is linked by a code to the address of the staff record", func(t *testing.T) {
			b.Open(url + "/wards/7?bed=7")
			b.SignInAtProvider("Northfield", "nora", world.Password)
			b.Says("You sign in here this way for the first time")
			if _, links := w.Account("NNURSE"); len(links) != 0 {
				t.Errorf("linked before the code came back: %v", links)
			}
			l := w.Letter()
			if l.To != "nora@hospital.example" {
				t.Errorf("the code went to %q", l.To)
			}
			b.Fill("input[name=code]", world.CodeIn(l))
			b.Click("main form button")
			b.Says("GET /wards/7?bed=7")
			signedIn = time.Now()
			t.Run("1.4 sender and domains are the configured ones", func(t *testing.T) {
				if l.From != "no-reply@signin.careplan.example" || l.Header.Get("From") != `"Careplan" <no-reply@signin.careplan.example>` {
					t.Errorf("from %q, %q", l.From, l.Header.Get("From"))
				}
				abroad := chromium.Open(t, "")
				abroad.Open(url + "/")
				abroad.SignInAtProvider("Northfield", "anna", world.Password) // in the group, but her address is of another domain
				abroad.Until(`document.readyState === "complete" && location.pathname.startsWith("/sso/")`)
				if n := len(w.Mail.Letters); n != 0 {
					t.Errorf("%d letters to a domain that is not allowed", n)
				}
			})
			again := chromium.Open(t, "")
			again.Open(url + "/")
			again.SignInAtProvider("Northfield", "nora", world.Password)
			again.Says("Patients of today") // remembered for good: no code
			if n := len(w.Mail.Letters); n != 0 {
				t.Errorf("%d more letters", n)
			}
		})

		t.Run("1.2 the application authorises: it gets the name of the staff record and no roles", func(t *testing.T) {
			b.Open(url + "/")
			if !strings.Contains(b.Text(), "Patients of today") { // it was idle meanwhile
				b.Do(chromedp.Reload())
				b.Says("Patients of today")
			}
			for header, want := range map[string]string{"X-Forwarded-User": "NNURSE", "X-Forwarded-Email": "nora@hospital.example", "X-Forwarded-Roles": ""} {
				if got := b.Told(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			b.Open(url + "/admin/") // no rule of Foregate's is about it
			b.Says("Administration")
		})

		t.Run("1.5 after the idle time a refresh is enough while the sign-in is current", func(t *testing.T) {
			signedOut(w, b)
			b.Open(url + "/wards/7?bed=7")
			b.Says("because nothing happened for a while")
			b.Do(chromedp.Reload())
			b.Says("GET /wards/7?bed=7")
			signedOut(w, b)
			w.OP.Revoke(t, "nora")                                           // the authorisation obtained at sign-in is not renewed …
			time.Sleep(time.Until(signedIn.Add(authorised + 2*time.Second))) // … and has run out
			b.Open(url + "/wards/7?bed=7")
			b.Until(`document.readyState === "complete" && location.pathname.startsWith("/sso/")`)
			b.Do(chromedp.Reload())
			b.SignInAtProvider("Northfield", "nora", world.Password) // though her browser is known there
			b.Says("GET /wards/7?bed=7")
		})

		t.Run("1.6 a service desk decides about access and never sees the application", func(t *testing.T) {
			desk := chromium.Open(t, "")
			desk.Open(w.Admin + "/")
			desk.Fill("#user", "desk")
			desk.Fill("#password", world.Desk)
			desk.Do(chromedp.Click(`//form[.//input[@id="password"]]//button`))
			desk.Says("manages access")
			desk.Open(w.Admin + "/people?q=nora")
			desk.Says("Nora Nurse")
			w.Foregate("", "accounts", "disable", "NNURSE")
			shut := chromium.Open(t, "")
			shut.Open(url + "/")
			shut.SignInAtProvider("Northfield", "nora", world.Password)
			shut.Says("switched off")
			desk.Open(url + "/")
			desk.SignInAtProvider("Northfield", "desk", world.Password)
			desk.Says("call the service desk on 4711")
			if desk.Cookie(url, "foregate") != "" {
				t.Error("the service desk has a session at the application")
			}
		})
	})
}
