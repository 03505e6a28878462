package deployments

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/internal/chromium"
	"foregate/internal/ssptest"
	"foregate/test/deployments/world"
)

// TestTrialbase is the fourth deployment: a trial system with many instances.
func TestTrialbase(t *testing.T) {
	onBoth(t, "trialbase", 0, func(t *testing.T, w *world.World) {
		const mainHost, testHost = "trials.trialbase.example", "test.trials.trialbase.example"
		main, test := w.Hosts[mainHost], w.Hosts[testHost]
		w.Foregate("", "accounts", "create", "--username", "root", "--email", "root@customer.example", "--name", "Rita Root", "--organisation", "customer")
		w.Foregate(world.Password+"\n", "accounts", "password", "root")

		t.Run("4.3 the metadata is there before the customer's provider is", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(test + "/")
			b.Choose("your organisation (test)")
			b.Says("not set up completely yet")
			if sp := w.Metadata(testHost); sp.EntityID != test+"/sso/metadata" || sp.Base != test+"/sso" || len(sp.Cert) == 0 {
				t.Errorf("metadata: %+v", sp)
			}
		})

		t.Run("4.2 each instance has its own address, entity ID, endpoints and provider", func(t *testing.T) {
			one, two := w.Metadata(mainHost), w.Metadata(testHost)
			if one.EntityID != main+"/sso/metadata" || one.EntityID == two.EntityID || one.Base == two.Base || string(one.Cert) == string(two.Cert) {
				t.Errorf("%+v and %+v", one, two)
			}
		})

		t.Run("4.4 three values of the customer are enough, and sign-out goes both ways", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(main + "/subjects/0042")
			b.Choose("your organisation")
			b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
			b.Says("GET /subjects/0042")
			if got := b.Told("X-Forwarded-User"); got != "alice" {
				t.Errorf("the application was told %q", got)
			}
			// Out from here: the provider does not know her any more.
			b.Open(main + "/sso/sign-out")
			b.Until(`document.readyState === "complete"`)
			if chromium.Must[bool](b, `!!document.querySelector("main form button")`) {
				b.Click("main form button")
			}
			b.Says("You are signed out")
			b.Open(main + "/")
			b.Choose("your organisation")
			b.AtSSP()
			b.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
			b.Says("Studies of your site")
			// Out from there: her session here is over.
			cookie := b.Cookie(main, "foregate")
			b.Open(w.SAML.SLOURL + "?ReturnTo=" + w.SAML.URL + "/module.php/core/frontpage_welcome.php")
			w.Eventually("the session is over", func() bool {
				r, err := http.NewRequest(http.MethodGet, main+"/sso/session", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.AddCookie(&http.Cookie{Name: "foregate", Value: cookie})
				resp, err := w.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				return resp.StatusCode == http.StatusUnauthorized
			})
		})

		t.Run("4.5 who is exempt keeps a local way in, everybody else must use single sign-on", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(main + "/")
			b.SignIn("root", world.Password)
			b.Says("wants you to use")
			w.Foregate("", "accounts", "exempt", "root")
			w.SAML.Stop() // single sign-on is broken
			b = chromium.Open(t, "")
			b.Open(main + "/")
			b.SignIn("root", world.Password)
			b.Says("Studies of your site")
		})

		t.Run("4.6 a set-up is tried by one user before it is switched on for all", func(t *testing.T) {
			w.Learn("saml: {key_file: @FOLDER/saml-test.pem}", w.TestProvider())
			link, err := url.Parse(strings.Fields(w.Foregate("", "try", "customer-test"))[0])
			if err != nil {
				t.Fatal(err)
			}
			b := chromium.Open(t, "")
			w.Eventually("the test instance's provider is known", func() bool { return strings.Contains(w.Said(), `"method":"customer-test","entity_id"`) })
			b.Open(test + link.RequestURI()) // Foregate does not know at which port the balancer listens
			b.Says("Nobody is signed in")
			b.Click("form button")
			b.SignInAtSSP(ssptest.Bob, ssptest.BobPassword)
			b.Until(`document.readyState === "complete" && location.host.endsWith(` + chromium.Quote(strings.TrimPrefix(test, "http://")) + `)`)
			for _, words := range []string{"bob", "bob@example.test", "displayName", "guests"} { // what was sent, and what became of it
				if !strings.Contains(b.Text(), words) {
					t.Errorf("the page does not say %q:\n%s", words, b.Text())
				}
			}
			if b.Cookie(test, "foregate") != "" {
				t.Error("somebody is signed in")
			}
		})

		t.Run("4.1 SAML 2.0 is on or off for each instance", func(t *testing.T) {
			b := chromium.Open(t, "")
			b.Open(test + "/")
			b.Choose("your organisation (test)") // tests go to the test provider
			b.SignInAtSSP(ssptest.Bob, ssptest.BobPassword)
			b.Says("Studies of your site")
			w.Learn("methods: [customer-test, local]", "methods: [local]")
			other := chromium.Open(t, "")
			other.Open(test + "/")
			other.Until(`!!document.querySelector("input[name=password]")`)
			if strings.Contains(other.Text(), "your organisation (test)") {
				t.Error("the test instance still has its button")
			}
			other.Open(main + "/")
			other.Says("your organisation")
		})
	})
}
