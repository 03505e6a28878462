package browser

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"foregate/internal/optest"
)

// withoutCookies is a profile that keeps no cookies of the application's site.
func withoutCookies(t *testing.T) string {
	t.Helper()
	profile := t.TempDir()
	if err := os.Mkdir(filepath.Join(profile, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(profile, "Default", "Preferences"), []byte(
		`{"profile": {"content_settings": {"exceptions": {"cookies": {
			"[*.]app.test,*": {"setting": 2}, "[*.]north.test,*": {"setting": 2}}}}}}`))
	return profile
}

// hops counts the requests for pages.
func (b *tab) hops() *atomic.Int32 {
	b.t.Helper()
	n := new(atomic.Int32)
	b.listen(func(e *network.EventRequestWillBeSent) {
		if e.Type == network.ResourceTypeDocument {
			n.Add(1)
		}
	})
	return n
}

// watchFor returns the address of the next page whose path begins so.
func (b *tab) watchFor(path string) <-chan string {
	b.t.Helper()
	found := make(chan string, 1)
	b.listen(func(e *network.EventRequestWillBeSent) {
		if strings.Contains(e.Request.URL, path) {
			select {
			case found <- e.Request.URL:
			default:
			}
		}
	})
	return found
}

func (b *tab) listen(hear func(*network.EventRequestWillBeSent)) {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok {
			hear(e)
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
}

func TestBlockedCookiesAreNamedByTheForm(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, withoutCookies(t))
	hops := b.hops()
	b.open(h.url + "/")
	b.signIn("nora", noraPassword)
	b.says("Allow cookies")
	if b.status() < 400 || hops.Load() > 6 {
		t.Errorf("status %d after %d requests", b.status(), hops.Load())
	}
	b.audit("cookies-blocked")
}

// TestBlockedCookiesAreNamedAfterTheProvider: by query and by form.
func TestBlockedCookiesAreNamedAfterTheProvider(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	for _, provider := range []string{"Northfield", "Southmead"} {
		t.Run(provider, func(t *testing.T) {
			b := openBrowser(t, h, withoutCookies(t))
			hops := b.hops()
			b.open(h.url + "/")
			b.choose(provider)
			b.signInAtProvider(provider, optest.Alice, optest.AlicePassword)
			b.says("Allow cookies")
			if b.status() < 400 || hops.Load() > 12 {
				t.Errorf("status %d after %d requests", b.status(), hops.Load())
			}
		})
	}
}

// TestSessionThatIsLostAgainAndAgainStopsTheCircle: the browser is signed in
// without a click each time, until Foregate says what may be wrong.
func TestSessionThatIsLostAgainAndAgainStopsTheCircle(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	b.open(h.northURL + "/")
	b.signInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.says("Patients of today")
	turns := 1
	for ; turns < 12 && b.status() == http.StatusOK; turns++ {
		b.loseCookie(h.northURL, "__Host-foregate")
		b.open(h.northURL + "/")
		b.until(`document.readyState === "complete" && location.host.startsWith("north.test") && (document.body.innerText.includes("Patients of today") || !!document.querySelector(".code"))`)
	}
	if b.status() != http.StatusLoopDetected || turns > 8 {
		t.Fatalf("status %d after %d turns: %s", b.status(), turns, b.text())
	}
	b.says("Cookies are blocked")
	b.audit("loop-stop")
	b.click("main a.button") // a click is no circle
	b.says("Patients of today")
}
