package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
)

// TestPeopleComeByHTTP3: a browser that speaks nothing else to the application's host is
// signed in, works and is signed out; its WebSockets go by TCP.
func TestPeopleComeByHTTP3(t *testing.T) {
	h := openHospital(t, options{http3: true}).ready()
	host := strings.TrimPrefix(h.url, "https://")
	b := openBrowser(t, h, "", chromedp.Flag("disable-quic", false), chromedp.Flag("enable-quic", true), chromedp.Flag("origin-to-force-quic-on", host))
	by := func(where string) {
		t.Helper()
		if got := chromium.Must[string](b, `performance.getEntriesByType("navigation")[0].nextHopProtocol`); got != "h3" {
			t.Errorf("%s comes by %q", where, got)
		}
	}
	b.Open(h.url + "/")
	by("the sign-in page")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	by("the application")
	if got := chromium.Must[string](b, `fetch("/sso/session").then(r => r.json()).then(s => JSON.stringify(s))`); !strings.Contains(got, "nora") {
		t.Errorf("who is signed in: %s", got)
	}
	if got := chromium.Must[int64](b, `fetch("/admin/x").then(r => r.status)`); got != http.StatusForbidden {
		t.Errorf("what nora may not: %d", got)
	}
	if got := chromium.Must[string](b, `new Promise(done => { const s = new WebSocket("wss://" + location.host + "/socket"); s.onopen = () => done("open"); s.onerror = () => done("refused") })`); got != "refused" {
		t.Errorf("a WebSocket of an application that has none: %s", got)
	}
	b.Open(h.url + "/sso/sign-out")
	by("the page for signing out")
	b.Click("main form button")
	b.Says("You are signed out")
	if b.Cookie(h.url, "__Host-foregate") != "" {
		t.Error("signed out, and the session is still there")
	}
	b.Open(h.url + "/")
	b.Until(`!!document.querySelector("input[type=password]")`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // lines come a moment later
		logs := h.logs.String()
		if strings.Contains(logs, `"path":"/socket"`) {
			if strings.Contains(logs, http.MethodConnect) {
				t.Error("the WebSocket did not come by TCP")
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the WebSocket did not come")
		}
	}
}
