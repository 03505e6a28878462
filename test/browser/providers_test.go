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
	b.open(h.url + "/")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a provider that says nothing kept the page waiting for %s", took)
	}
	titles := `[...document.querySelectorAll("ul.choices a")].map(a => a.firstChild.textContent.trim())`
	want := []string{"Sign in with Northfield", "Sign in with Southmead", "Sign in with Westbury"}
	if diff := cmp.Diff(want, must[[]string](b, titles)); diff != "" {
		t.Errorf("buttons (-want +got):\n%s", diff)
	}
	if n := must[int](b, `document.querySelectorAll("main form input[type=password]").length`); n != 1 {
		t.Errorf("%d forms for a password", n)
	}
	noted := `[...document.querySelectorAll("ul.choices a")].filter(a => a.innerText.includes("cannot be reached")).map(a => a.firstChild.textContent.trim())`
	eventually(t, "the page says who cannot be reached", func() bool {
		b.open(h.url + "/")
		return slices.Equal(must[[]string](b, noted), want[2:])
	})
	b.audit("chooser")

	b.choose("Westbury")
	b.says("support code")
	b.audit("provider-gone")
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
		b.open(h.url + "/")
		b.choose(c.provider)
		b.signInAtProvider(c.provider, c.person, c.password)
		b.says("Patients of today")
		for header, want := range map[string]string{
			"X-Forwarded-User": c.user, "X-Forwarded-Email": c.email, "X-Forwarded-Groups": c.groups, "X-Forwarded-Name": c.name,
		} {
			if got := b.told(header); got != want {
				t.Errorf("%s: %s is %q, want %q", c.provider, header, got, want)
			}
		}

		b.click("#who a")
		b.says("Yes, sign out") // asks the provider
		b.click("button[name=logout]")
		b.says("signed out")
		if !strings.HasPrefix(b.location(), h.url+"/sso/sign-out") || b.cookie(h.url, "__Host-foregate") != "" {
			t.Errorf("%s: signed out at %s", c.provider, b.location())
		}
		b.open(h.url + "/")
		b.choose(c.provider)
		b.until(`!!document.querySelector("#password")`) // its own session is over too
	}
}

func TestSignInOfHereStandsBesideTheProviders(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	b := openBrowser(t, h, "")
	b.open(h.url + "/")
	b.signIn("nora", noraPassword)
	b.says("Patients of today")
	if user, email := b.told("X-Forwarded-User"), b.told("X-Forwarded-Email"); user != "nora" || email != "nora@example.test" {
		t.Errorf("the application was told %q, %q", user, email)
	}
}

func TestEveryWayToSignInWorksWithoutScripts(t *testing.T) {
	h := openHospital(t, options{providers: true}).ready()
	ways := map[string]func(*tab){
		"Northfield": func(b *tab) {
			b.choose("Northfield")
			b.signInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
			b.until(`document.readyState === "complete" && !document.querySelector("#password") && !!document.querySelector("button")`)
			b.click("button") // posts its answer by hand
		},
		"Southmead": func(b *tab) {
			b.choose("Southmead")
			b.signInAtProvider("Southmead", optest.Alice, optest.AlicePassword)
		},
		"here": func(b *tab) { b.signIn("nora", noraPassword) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			b := openBrowser(t, h, "")
			call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			b.open(h.url + "/")
			way(b)
			b.says("Patients of today")
		})
	}
}

func TestKeyboardAloneSignsIn(t *testing.T) {
	h := openHospital(t, options{}).ready()
	b := openBrowser(t, h, "")
	b.open(h.url + "/")
	for range 12 { // to the field, past the buttons
		if must[string](b, `document.activeElement.name ?? ""`) == "username" {
			break
		}
		b.do(chromedp.KeyEvent(kb.Tab))
		if must[string](b, `document.activeElement.tagName`) != "BODY" && !must[bool](b, `document.activeElement.matches(":focus-visible")`) {
			t.Error("nobody sees where the focus is")
		}
	}
	b.do(chromedp.KeyEvent("nora"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(noraPassword), chromedp.KeyEvent(kb.Enter))
	b.says("Patients of today")
}
