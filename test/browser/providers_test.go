package browser

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"foregate/internal/chromium"
	"foregate/internal/optest"
)

// silence is the address of a provider that takes every connection and never
// says a word: worse than one that refuses.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return "http://" + l.Addr().String()
}

func TestThreeWaysToSignInStandOnOnePage(t *testing.T) {
	h := openHospital(t, options{providers: true, gone: silence(t)}).ready()
	b := openBrowser(t, h, "")
	began := time.Now()
	b.Open(h.url + "/")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a provider that says nothing kept the page waiting for %s", took)
	}
	titles := `[...document.querySelectorAll("ul.choices a")].map(a => a.firstChild.textContent.trim())`
	want := []string{"Sign in with Northfield", "Sign in with Southmead", "Sign in with Westbury"}
	if diff := cmp.Diff(want, chromium.Must[[]string](b, titles)); diff != "" {
		t.Errorf("buttons (-want +got):\n%s", diff)
	}
	if n := chromium.Must[int](b, `document.querySelectorAll("main form input[type=password]").length`); n != 1 {
		t.Errorf("%d forms for a password", n)
	}
	noted := `[...document.querySelectorAll("ul.choices a")].filter(a => a.innerText.includes("cannot be reached")).map(a => a.firstChild.textContent.trim())`
	eventually(t, "the page says who cannot be reached", func() bool {
		b.Open(h.url + "/")
		return slices.Equal(chromium.Must[[]string](b, noted), want[2:])
	})
	b.Audit("chooser")

	b.Choose("Westbury")
	b.Says("support code")
	b.Audit("provider-gone")
}

func TestEachProviderSignsItsPeopleInAndOut(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	for _, c := range []struct {
		provider, person, password string
		user, email, groups, name  string
	}{
		{"Northfield", optest.Alice, optest.AlicePassword, "alice@example.test", "alice@example.test", "admins,staff", "Alice Archer"},
		{"Southmead", optest.Bob, optest.BobPassword, "bob", "bob@example.test", "guests", "Bob Baker"}, // his address is not verified
	} {
		b.Open(h.url + "/")
		b.Choose(c.provider)
		b.SignInAtProvider(c.provider, c.person, c.password)
		b.Says("Patients of today")
		for header, want := range map[string]string{
			"X-Forwarded-User": c.user, "X-Forwarded-Email": c.email, "X-Forwarded-Groups": c.groups, "X-Forwarded-Name": c.name,
		} {
			if got := b.Told(header); got != want {
				t.Errorf("%s: %s is %q, want %q", c.provider, header, got, want)
			}
		}

		b.Click("#who a")
		b.Says("Yes, sign out") // asks the provider
		b.Click("button[name=logout]")
		b.Says("signed out")
		if !strings.HasPrefix(b.Location(), h.url+"/sso/sign-out") || b.Cookie(h.url, "__Host-foregate") != "" {
			t.Errorf("%s: signed out at %s", c.provider, b.Location())
		}
		b.Open(h.url + "/")
		b.Choose(c.provider)
		b.Until(`!!document.querySelector("#password")`) // its own session is over too
	}
}

func TestSignInOfHereStandsBesideTheProviders(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.url + "/")
	b.SignIn("nora", noraPassword)
	b.Says("Patients of today")
	if user, email := b.Told("X-Forwarded-User"), b.Told("X-Forwarded-Email"); user != "nora" || email != "nora@example.test" {
		t.Errorf("the application was told %q, %q", user, email)
	}
}

func TestEveryWayToSignInWorksWithoutScripts(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	ways := map[string]func(*tab){
		"Northfield": func(b *tab) {
			b.Choose("Northfield")
			b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
			b.Until(`document.readyState === "complete" && !document.querySelector("#password") && !!document.querySelector("button")`)
			b.Click("button") // posts its answer by hand
		},
		"Southmead": func(b *tab) {
			b.Choose("Southmead")
			b.SignInAtProvider("Southmead", optest.Alice, optest.AlicePassword)
		},
		"here": func(b *tab) { b.SignIn("nora", noraPassword) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			b := openBrowser(t, h, "")
			chromium.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			b.Open(h.url + "/")
			way(b)
			b.Says("Patients of today")
		})
	}
}

func TestKeyboardAloneSignsIn(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.Open(h.url + "/")
	for range 12 { // to the field, past the buttons
		if chromium.Must[string](b, `document.activeElement.name ?? ""`) == "username" {
			break
		}
		b.Do(chromedp.KeyEvent(kb.Tab))
		if chromium.Must[string](b, `document.activeElement.tagName`) != "BODY" && !chromium.Must[bool](b, `document.activeElement.matches(":focus-visible")`) {
			t.Error("nobody sees where the focus is")
		}
	}
	b.Do(chromedp.KeyEvent("nora"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(noraPassword), chromedp.KeyEvent(kb.Enter))
	b.Says("Patients of today")
}
