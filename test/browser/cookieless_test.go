package browser

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

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

func TestBlockedCookiesAreNamedByTheForm(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, withoutCookies(t))
	hops := b.Hops()
	b.Open(h.url + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Allow cookies")
	if b.Status() < 400 || hops.Load() > 6 {
		t.Errorf("status %d after %d requests", b.Status(), hops.Load())
	}
	b.Audit("cookies-blocked")
}

// TestBlockedCookiesAreNamedAfterTheProvider: by query and by form.
func TestBlockedCookiesAreNamedAfterTheProvider(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	for _, provider := range []string{"Northfield", "Southmead"} {
		t.Run(provider, func(t *testing.T) {
			b := openBrowser(t, h, withoutCookies(t))
			hops := b.Hops()
			b.Open(h.url + "/")
			b.Choose(provider)
			b.SignInAtProvider(provider, optest.Alice, optest.AlicePassword)
			b.Says("Allow cookies")
			if b.Status() < 400 || hops.Load() > 12 {
				t.Errorf("status %d after %d requests", b.Status(), hops.Load())
			}
		})
	}
}

// TestSessionThatIsLostAgainAndAgainStopsTheCircle: the browser is signed in
// without a click each time, until Foregate says what may be wrong.
func TestSessionThatIsLostAgainAndAgainStopsTheCircle(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.northURL + "/")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("Patients of today")
	turns := 1
	for ; turns < 12 && b.Status() == http.StatusOK; turns++ {
		b.LoseCookie(h.northURL, "__Host-foregate")
		b.Open(h.northURL + "/")
		b.Until(`document.readyState === "complete" && location.host.startsWith("north.test") && (document.body.innerText.includes("Patients of today") || !!document.querySelector(".code"))`)
	}
	if b.Status() != http.StatusLoopDetected || turns > 8 {
		t.Fatalf("status %d after %d turns: %s", b.Status(), turns, b.Text())
	}
	b.Says("Cookies are blocked")
	b.Audit("loop-stop")
	b.Click("main a.button") // a click is no circle
	b.Says("Patients of today")
}
