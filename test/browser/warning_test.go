package browser

import (
	"strings"
	"testing"
	"time"
)

// TestWarningComesBeforeTheSessionEnds on a page that includes the script: one
// button goes on, and who does not press it is told.
func TestWarningComesBeforeTheSessionEnds(t *testing.T) {
	h := openHospital(t, options{idle: "14s"}).ready()
	b := openBrowser(t, h, "")
	b.open(h.localURL + "/")
	b.signIn("nora", noraPassword)
	b.says("Patients of today")
	began := time.Now()
	must[bool](b, `const script = document.createElement("script");
		script.src = "/sso/warning.js"; script.dataset.before = "10"; document.body.append(script); true`)
	const shown = `(() => { const d = document.querySelector("foregate-warning")?.shadowRoot.querySelector("dialog");
		return d && d.open ? d.innerText : ""; })()`
	if early := must[string](b, shown); early != "" {
		t.Errorf("it warns at once: %q", early)
	}
	b.until(shown + `.includes("Are you still there?")`)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it warned after %v", took)
	}
	if words := must[string](b, shown); !strings.Contains(words, "You will be signed out in") || !strings.Contains(words, "Stay signed in") || strings.Contains(words, "new tab") {
		t.Errorf("it says %q", words)
	}
	if focus := must[string](b, `document.activeElement.shadowRoot.activeElement.innerText`); focus != "Stay signed in" {
		t.Errorf("the focus is on %q", focus)
	}
	b.audit("warning")
	b.until(shown + `.match(/in [1-8] seconds/) !== null`) // it had 14 seconds, and asking gave it no more
	must[bool](b, `document.activeElement.shadowRoot.activeElement.click(); true`)
	b.until(shown + ` === ""`)
	if left := must[float64](b, `fetch("/sso/session").then(r => r.json()).then(s => s.seconds_left)`); left < 11 {
		t.Errorf("after the button %v seconds are left", left)
	}
	b.until(shown + `.includes("You were signed out")`)
	b.audit("warning-over")
	if words := must[string](b, shown); !strings.Contains(words, "new tab") || strings.Contains(words, "Stay signed in") {
		t.Errorf("it says %q", words)
	}
	b.says("Patients of today") // the page is still there
}
