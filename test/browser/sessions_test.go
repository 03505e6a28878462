package browser

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/internal/optest"
)

// TestIdleSessionEndsAndSigningInLeadsBack: also while a script of the page keeps
// asking how much time is left, which is no activity.
func TestIdleSessionEndsAndSigningInLeadsBack(t *testing.T) {
	h := openHospital(t, options{idle: "3s"}).ready()
	b := openBrowser(t, h, "")
	b.open(h.url + "/")
	b.signIn("nora", noraPassword)
	b.says("Patients of today")
	first := b.cookie(h.url, "__Host-foregate")
	eventually(t, "the session is over", func() bool {
		return must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
	})

	const deep = "/echo?bed=3&note=a%20b%26c&q=%C3%A9"
	b.open(h.url + deep)
	b.says("because nothing happened for a while")
	b.audit("idle")
	b.signIn("nora", noraPassword)
	b.says("X-Forwarded-User: nora")
	if got := b.location(); got != h.url+deep {
		t.Errorf("back at %s, want %s", got, deep)
	}
	if line, _, _ := strings.Cut(b.text(), "\n"); line != "GET "+deep {
		t.Errorf("the application was asked for %q", line)
	}
	if b.cookie(h.url, "__Host-foregate") == first {
		t.Error("the new session has the old cookie")
	}
}

func TestTwoTabsThatBeginTogetherBothArrive(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	one := openBrowser(t, h, "")
	two := one.newTab()
	one.open(h.url + "/echo?tab=1")
	one.choose("Northfield")
	one.until(`!!document.querySelector("#password")`)
	two.open(h.url + "/echo?tab=2")
	two.choose("Southmead")
	two.until(`!!document.querySelector("#password")`)

	one.signInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	one.says("GET /echo?tab=1")
	two.signInAtProvider("Southmead", optest.Bob, optest.BobPassword)
	two.says("GET /echo?tab=2")
	one.open(h.url + "/")
	if got := one.told("X-Forwarded-User"); got != "bob" {
		t.Errorf("after both the browser is %q", got)
	}
}

// TestTabThatWasLeftOpenLeadsToTheApplication: it signs in once more, or finds the
// session of the other tab; it never shows an error.
func TestTabThatWasLeftOpenLeadsToTheApplication(t *testing.T) {
	h := openHospital(t, options{}).ready()
	one := openBrowser(t, h, "")
	two, three := one.newTab(), one.newTab()
	one.open(h.url + "/echo?tab=1")
	two.open(h.url + "/echo?tab=2")
	three.open(h.url + "/echo?tab=3")
	one.signIn("nora", noraPassword)
	one.says("GET /echo?tab=1")
	two.do(chromedp.Reload())
	two.says("GET /echo?tab=2")
	three.signIn("nora", noraPassword)
	three.says("GET /echo?tab=3")
}

// TestCallbackThatIsOpenedAgainSignsNobodyIn: going back through the provider's
// pages repeats it. It is refused (OI1), and one click leads to the application.
func TestCallbackThatIsOpenedAgainSignsNobodyIn(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	callback := b.watchFor("/sso/callback/south")
	b.open(h.url + "/")
	b.choose("Southmead")
	b.signInAtProvider("Southmead", optest.Alice, optest.AlicePassword)
	b.says("Patients of today")
	session := b.cookie(h.url, "__Host-foregate")
	b.open(<-callback)
	b.says("already finished")
	if b.status() != http.StatusBadRequest || b.cookie(h.url, "__Host-foregate") != session {
		t.Errorf("status %d, or another session", b.status())
	}
	b.click("main a.button")
	b.says("Patients of today")
}

// TestOnlyFormSaysWhyItIsShown: where it is the one way to sign in, too.
func TestOnlyFormSaysWhyItIsShown(t *testing.T) {
	h := openHospital(t, options{idle: "2s"}).ready()
	b := openBrowser(t, h, "")
	b.open(h.localURL + "/")
	b.signIn("nora", noraPassword)
	b.says("Patients of today")
	eventually(t, "the session is over", func() bool {
		return must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
	})
	b.open(h.localURL + "/")
	b.says("because nothing happened for a while")
	b.audit("only-form-idle")

	b.open(h.localURL + "/health") // a page of the application that is open to all
	must[bool](b, `const form = document.body.appendChild(document.createElement("form"));
		form.method = "post"; form.action = "/echo?bed=3";
		const note = form.appendChild(document.createElement("input"));
		note.name = "note"; note.value = "slept well"; form.submit(); true`)
	b.says("What you entered is kept")
	b.audit("only-form-kept")
	b.signIn("nora", noraPassword)
	b.says("Your form was kept")
	b.audit("kept-form")
	b.click("main button")
	b.says("POST /echo?bed=3")
	b.says("Content-Length: 15") // note=slept+well
	b.says("Origin: " + h.localURL)
}

// TestFormOfNobodyIsLost and the page says so.
func TestFormOfNobodyIsLost(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.open(h.localURL + "/health")
	must[bool](b, `const form = document.body.appendChild(document.createElement("form"));
		form.method = "post"; form.action = "/echo"; form.submit(); true`)
	b.says("what you just sent was not saved")
	b.signIn("nora", noraPassword)
	b.until(`location.pathname === "/health"`)
}

func TestSignedOutBrowserShowsNothingWhenGoingBack(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.open(h.url + "/")
	b.signIn("nora", noraPassword)
	b.says("Patients of today")
	b.open(h.url + "/admin/") // refused: the page knows who asked
	b.says("support code")
	code := must[string](b, `document.querySelector(".code b").innerText`)
	b.open(h.url + "/sso/session")
	var who struct{ User string }
	if err := json.Unmarshal([]byte(b.text()), &who); err != nil || who.User != "nora" {
		t.Fatalf("%s: %v", b.text(), err)
	}
	b.open(h.url + "/sso/sign-out")
	b.says("Nora Nurse")
	b.audit("sign-out")
	b.click("main form button")
	b.says("signed out")
	b.audit("signed-out")

	for range 5 {
		before := b.location()
		must[bool](b, `window.left = true, history.back(), true`) // no load follows if the browser kept the page
		b.until(`!window.left && document.readyState === "complete"`)
		if strings.Contains(b.location(), "/sso/sign-in") { // it is sent on from here
			break
		}
		for _, secret := range []string{"Nora", "nora", code} {
			if strings.Contains(b.text(), secret) {
				t.Errorf("back from %s, %s still says %q:\n%s", before, b.location(), secret, b.text())
			}
		}
	}
}
