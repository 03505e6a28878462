package browser

import (
	"strings"
	"testing"
	"time"

	"foregate/internal/chromium"
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
