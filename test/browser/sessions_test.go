package browser

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
	"foregate/internal/optest"
)

// TestIdleSessionEndsAndSigningInLeadsBack: also while a script of the page keeps
// asking how much time is left, which is no activity.
func TestIdleSessionEndsAndSigningInLeadsBack(t *testing.T) {
	h := openHospital(t, options{idle: "3s"}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.url + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	first := b.Cookie(h.url, "__Host-foregate")
	eventually(t, "the session is over", func() bool {
		return chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
	})

	const deep = "/echo?bed=3&note=a%20b%26c&q=%C3%A9"
	b.Open(h.url + deep)
	b.Says("because nothing happened for a while")
	b.Audit("idle")
	b.SignIn("nora", noraPassword)
	b.Says("X-Forwarded-User: nora")
	if got := b.Location(); got != h.url+deep {
		t.Errorf("back at %s, want %s", got, deep)
	}
	if line, _, _ := strings.Cut(b.Text(), "\n"); line != "GET "+deep {
		t.Errorf("the application was asked for %q", line)
	}
	if b.Cookie(h.url, "__Host-foregate") == first {
		t.Error("the new session has the old cookie")
	}
}

func TestTwoTabsThatBeginTogetherBothArrive(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	one := openBrowser(t, h, "")
	two := one.NewTab()
	one.Open(h.url + "/echo?tab=1")
	one.Choose("Northfield")
	one.Until(`!!document.querySelector("#password")`)
	two.Open(h.url + "/echo?tab=2")
	two.Choose("Southmead")
	two.Until(`!!document.querySelector("#password")`)

	one.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	one.Says("GET /echo?tab=1")
	two.SignInAtProvider("Southmead", optest.Bob, optest.BobPassword)
	two.Says("GET /echo?tab=2")
	one.Open(h.url + "/")
	if got := one.Told("X-Forwarded-User"); got != "bob" {
		t.Errorf("after both the browser is %q", got)
	}
}

// TestTabThatWasLeftOpenLeadsToTheApplication: it signs in once more, or finds the
// session of the other tab; it never shows an error.
func TestTabThatWasLeftOpenLeadsToTheApplication(t *testing.T) {
	h := openHospital(t, options{}).ready()
	one := openBrowser(t, h, "")
	two, three := one.NewTab(), one.NewTab()
	one.Open(h.url + "/echo?tab=1")
	two.Open(h.url + "/echo?tab=2")
	three.Open(h.url + "/echo?tab=3")
	one.SignIn("nora", noraPassword)
	one.Says("GET /echo?tab=1")
	two.Do(chromedp.Reload())
	two.Says("GET /echo?tab=2")
	three.SignIn("nora", noraPassword)
	three.Says("GET /echo?tab=3")
}

// TestCallbackThatIsOpenedAgainSignsNobodyIn: going back through the provider's
// pages repeats it. It is refused (OI1), and one click leads to the application.
func TestCallbackThatIsOpenedAgainSignsNobodyIn(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	callback := b.WatchFor("/sso/callback/south")
	b.Open(h.url + "/")
	b.Choose("Southmead")
	b.SignInAtProvider("Southmead", optest.Alice, optest.AlicePassword)
	b.Says("Patients of today")
	session := b.Cookie(h.url, "__Host-foregate")
	b.Open(<-callback)
	b.Says("already finished")
	if b.Status() != http.StatusBadRequest || b.Cookie(h.url, "__Host-foregate") != session {
		t.Errorf("status %d, or another session", b.Status())
	}
	b.Click("main a.button")
	b.Says("Patients of today")
}

// TestOnlyFormSaysWhyItIsShown: where it is the one way to sign in, too.
func TestOnlyFormSaysWhyItIsShown(t *testing.T) {
	h := openHospital(t, options{idle: "2s"}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.localURL + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	eventually(t, "the session is over", func() bool {
		return chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
	})
	b.Open(h.localURL + "/")
	b.Says("because nothing happened for a while")
	b.Audit("only-form-idle")

	b.Open(h.localURL + "/health") // a page of the application that is open to all
	chromium.Must[bool](b, `const form = document.body.appendChild(document.createElement("form"));
		form.method = "post"; form.action = "/echo?bed=3";
		const note = form.appendChild(document.createElement("input"));
		note.name = "note"; note.value = "slept well"; form.submit(); true`)
	b.Says("What you entered is kept")
	b.Audit("only-form-kept")
	b.SignIn("nora", noraPassword)
	b.Says("Your form was kept")
	b.Audit("kept-form")
	b.Click("main button")
	b.Says("POST /echo?bed=3")
	b.Says("Content-Length: 15") // note=slept+well
	b.Says("Origin: " + h.localURL)
}

// TestFormOfNobodyIsLost and the page says so.
func TestFormOfNobodyIsLost(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.localURL + "/health")
	chromium.Must[bool](b, `const form = document.body.appendChild(document.createElement("form"));
		form.method = "post"; form.action = "/echo"; form.submit(); true`)
	b.Says("what you just sent was not saved")
	b.SignIn("nora", noraPassword)
	b.Until(`location.pathname === "/health"`)
}

func TestSignedOutBrowserShowsNothingWhenGoingBack(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.url + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	b.Open(h.url + "/admin/") // refused: the page knows who asked
	b.Says("support code")
	code := chromium.Must[string](b, `document.querySelector(".code b").innerText`)
	b.Open(h.url + "/sso/session")
	var who struct{ User string }
	if err := json.Unmarshal([]byte(b.Text()), &who); err != nil || who.User != "nora" {
		t.Fatalf("%s: %v", b.Text(), err)
	}
	b.Open(h.url + "/sso/sign-out")
	b.Says("Nora Nurse")
	b.Audit("sign-out")
	b.Click("main form button")
	b.Says("signed out")
	b.Audit("signed-out")

	for range 5 {
		before := b.Location()
		chromium.Must[bool](b, `window.left = true, history.back(), true`) // no load follows if the browser kept the page
		b.Until(`!window.left && document.readyState === "complete"`)
		if strings.Contains(b.Location(), "/sso/sign-in") { // it is sent on from here
			break
		}
		for _, secret := range []string{"Nora", "nora", code} {
			if strings.Contains(b.Text(), secret) {
				t.Errorf("back from %s, %s still says %q:\n%s", before, b.Location(), secret, b.Text())
			}
		}
	}
}
