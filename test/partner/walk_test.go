package partner

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
)

const cookieName = "__Host-foregate"

// walk goes from the link on the intranet page to the application, waits until the
// session is over, and comes silently back to the very page; in all forms of a page.
func (w *world) walk(t *testing.T) {
	said, pin := w.foregate(t)
	b := openBrowser(t, pin)
	cookies := make(map[string]string)
	for _, form := range w.forms {
		origin := "https://" + w.host(form)
		b.Open(w.intranetURL(form, "/"))
		b.Click("#link")
		b.shows(origin + "/")
		if visits := w.visitsOf(form); visits[0] != "" {
			t.Errorf("%s: the page was asked for %q", form, visits)
		}
		b.Click("#deep")
		b.shows(origin + deepLink)
		if cookies[form] = b.cookie(origin); cookies[form] == "" {
			t.Fatalf("%s: no session", form)
		}
	}
	for _, form := range w.forms {
		origin := "https://" + w.host(form)
		w.sessionEnds(t, form, cookies[form])
		before := len(w.visitsOf(form)) // 1, unless this machine is slow
		// As from a bookmark; nobody presses anything on the way.
		b.Open(origin + deepLink)
		b.shows(origin + deepLink)
		visits := w.visitsOf(form)[before:]
		if len(visits) != 1 || visits[0] != "return_to="+url.QueryEscape(origin+deepLink) {
			t.Errorf("%s: the page was asked for %q", form, visits)
		}
		if now := b.cookie(origin); now == "" || now == cookies[form] {
			t.Errorf("%s: the session is the old one", form)
		}
		if from := b.ask("document.referrer"); strings.Contains(from, "token") {
			t.Errorf("%s: the application can read %q", form, from)
		}
	}
	for _, at := range b.history() {
		if strings.Contains(at, "token=") || strings.Contains(at, "mac=") {
			t.Errorf("in the browser's history: %s", at)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, text := range map[string]string{"the application was told": strings.Join(w.told, "\n"), "Foregate said": said.String()} {
		if strings.Contains(text, "token=") || strings.Contains(text, "mac=") {
			t.Errorf("%s of a token:\n%s", what, text)
		}
	}
}

// tab is a browser's window.
type tab struct{ *chromium.Tab }

// openBrowser starts one that trusts the certificate with that pin.
func openBrowser(t *testing.T, pin string) tab {
	t.Helper()
	return tab{chromium.Open(t, "", chromedp.Flag("ignore-certificate-errors-spki-list", pin))}
}

// ask evaluates an expression that is a text. Between two pages it is "".
func (b tab) ask(script string) string {
	got, _ := chromium.Ask[string](b.Tab, script)
	return got
}

// shows waits until the browser is at an address of the application, which knows
// alice there.
func (b tab) shows(address string) {
	b.T.Helper()
	want := address + " st-elsewhere:alice Alice Archer"
	const script = `document.readyState === "complete" && document.title === "Formulary" ? location.href + " " + document.querySelector("#user").innerText + " " + document.querySelector("#name").innerText : ""`
	for deadline := time.Now().Add(patience / 2); ; {
		got := b.ask(script)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			b.T.Fatalf("the browser shows %q, want %q; it is at %s", got, want, b.ask(`location.href + "\n" + document.body.innerText`))
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (b tab) cookie(origin string) string { return b.Cookie(origin+"/", cookieName) }

// history is where the browser has been, as its back button knows it.
func (b tab) history() []string {
	b.T.Helper()
	h, err := chromedp.Run(b.Ctx, chromedp.NavigationEntries())
	if err != nil {
		b.T.Fatal(err)
	}
	var all []string
	for _, e := range h.Entries {
		all = append(all, e.URL)
	}
	if len(all) < 4 {
		b.T.Errorf("the history is only %q", all)
	}
	return all
}
