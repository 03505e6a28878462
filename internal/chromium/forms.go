package chromium

import (
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// SignIn fills in Foregate's own form.
func (b *Tab) SignIn(user, password string) {
	b.T.Helper()
	b.Fill("input[name=username]", user)
	b.Fill("input[name=password]", password)
	b.Click("main form button")
}

// SignInAtProvider fills in the form of a provider.
func (b *Tab) SignInAtProvider(title, user, password string) {
	b.T.Helper()
	b.Until(`document.title === ` + Quote(title) + ` && !!document.querySelector("#password")`)
	b.Fill("#user", user)
	b.Fill("#password", password)
	b.Click("button")
}

// Told returns a header as the sample application shows that it got it.
func (b *Tab) Told(header string) string {
	b.T.Helper()
	return Must[string](b, `[...document.querySelectorAll("#headers tr")]
		.filter(r => r.cells[0].innerText.trim() === `+Quote(header)+`).map(r => r.cells[1].innerText.trim()).join("|")`)
}

// SignInAtSSP fills in the form of SimpleSAMLphp.
func (b *Tab) SignInAtSSP(user, password string) {
	b.T.Helper()
	b.AtSSP()
	b.Fill("input[name=username]", user)
	b.Fill("input[name=password]", password)
	b.Do(chromedp.KeyEvent(kb.Enter))
}

// AtSSP waits for the form of SimpleSAMLphp: the gate's own page has a password field too.
func (b *Tab) AtSSP() {
	b.T.Helper()
	b.Until(`!!document.querySelector("input[name=AuthState]") && !!document.querySelector("input[name=password]")`)
}

// Key is what a page shows to be typed into an authenticator app.
func (b *Tab) Key() string {
	b.T.Helper()
	b.Until(`!!document.querySelector("svg.picture") && !!document.querySelector(".key")`)
	return strings.ReplaceAll(Must[string](b, `document.querySelector(".key").innerText`), " ", "")
}
