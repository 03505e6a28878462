package deployments

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/internal/chromium"
	"foregate/internal/ssptest"
	"foregate/test/deployments/world"
)

const alicesName = "st-elsewhere:alice" // the organisation's user, stable and theirs alone

// TestFormulary is the second deployment: a library that trusts an organisation's own page.
func TestFormulary(t *testing.T) {
	onBoth(t, "formulary", 6*time.Second, func(t *testing.T, w *world.World) {
		at := w.Hosts["www.formulary.example"]
		const deep = "/drugs/5?id=7&view=full%20text"
		w.Foregate("", "accounts", "create", "--username", "liam", "--email", "liam@library.example", "--name", "Liam Librarian")
		w.Foregate(world.Password+"\n", "accounts", "password", "liam")
		b := chromium.Open(t, "")
		tokens := b.WatchFor("token=")

		t.Run("2.1 a shared key is issued to each organisation", func(t *testing.T) {
			one, two := w.Program("handoff", "keygen", "--format", "blowfish"), w.Program("handoff", "keygen", "--format", "blowfish")
			if len(strings.TrimSpace(one)) < 32 || one == two {
				t.Errorf("keys %q, %q", one, two)
			}
		})

		var token string
		t.Run("2.2 the organisation's page redirects to the library with an encrypted token in the query", func(t *testing.T) {
			b.Open(w.Intranet + "/")
			b.Click("#link")
			b.Says("Drug monographs")
			token = <-tokens
			if !strings.HasPrefix(token, at+"/?") || strings.Contains(token, "alice") || strings.Contains(b.Location(), "token") {
				t.Errorf("the token is %s; the browser is at %s", token, b.Location())
			}
		})

		t.Run("2.3 Blowfish, a timestamp, and an identifier that stays", func(t *testing.T) {
			said := w.Foregate(token+"\n", "handoff", "open", "--method", "st-elsewhere")
			if !strings.Contains(w.File(), "format: blowfish") || !strings.Contains(said, "alice") || !strings.Contains(said, time.Now().UTC().Format("2006-")) {
				t.Errorf("the token holds: %s", said)
			}
			if got := b.Told("X-Forwarded-User"); got != alicesName {
				t.Errorf("the application was told %q", got)
			}
			again := chromium.Open(t, "")
			again.Open(token) // somebody else follows the same link
			again.Until(`document.readyState === "complete"`)
			if strings.Contains(again.Text(), "Drug monographs") {
				t.Error("a token opens twice")
			}
			again.Open(w.Intranet + "/sso")
			again.Says("Drug monographs")
			if got := again.Told("X-Forwarded-User"); got != alicesName {
				t.Errorf("the next time the application was told %q", got)
			}
		})

		t.Run("2.4 a cookie gives uninterrupted access", func(t *testing.T) {
			before := w.Visits()
			for range 3 {
				b.Open(at + deep)
				b.Says("GET " + deep)
			}
			if n := w.Visits() - before; n > 1 { // one, where the session had ended meanwhile
				t.Errorf("the page was asked %d times", n)
			}
		})

		t.Run("2.5 after inactivity the organisation's page is asked again, unseen, and leads to the very page", func(t *testing.T) {
			cookie := b.Cookie(at, "foregate")
			signedOut(w, b)
			asked := b.WatchFor("return_to=")
			before := w.Visits()
			b.Open(at + deep)
			b.Says("GET " + deep)
			if got := b.Location(); got != at+deep {
				t.Errorf("at %s", got)
			}
			if n := w.Visits() - before; n != 1 {
				t.Errorf("the page was asked %d times", n)
			}
			if got, want := <-asked, w.Intranet+"/sso?return_to="+url.QueryEscape(at+deep); got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			if now := b.Cookie(at, "foregate"); now == "" || now == cookie {
				t.Error("the session is the old one")
			}
		})

		t.Run("2.6 the reading room by its address, a password and a federation live beside it", func(t *testing.T) {
			w.From("192.0.2.17")
			room := chromium.Open(t, "")
			room.Open(at + "/")
			room.Says("Drug monographs")
			if got := room.Told("X-Forwarded-User"); got != "site:reading-room" {
				t.Errorf("in the reading room the application was told %q", got)
			}
			w.From("10.20.0.7")
			own := chromium.Open(t, "")
			own.Open(at + "/")
			own.Says("OpenAthens")
			own.SignIn("liam", world.Password)
			own.Says("Drug monographs")
			if got := own.Told("X-Forwarded-User"); got != "liam" {
				t.Errorf("by password the application was told %q", got)
			}
			fed := chromium.Open(t, "")
			fed.Open(at + "/")
			fed.Choose("OpenAthens")
			fed.SignInAtSSP(ssptest.Alice, ssptest.AlicePassword)
			fed.Says("Drug monographs")
			if got := fed.Told("X-Forwarded-User"); !strings.Contains(got, "alice") {
				t.Errorf("by federation the application was told %q", got)
			}
		})

		t.Run("2.7 usage is reported for each user and organisation", func(t *testing.T) {
			w.Eventually("the visits are counted", func() bool {
				return strings.Contains(w.Foregate("", "accounts", "usage", "--by", "user"), alicesName)
			})
			if said := w.Foregate("", "accounts", "usage", "--by", "organisation"); !strings.Contains(said, "st-elsewhere") {
				t.Errorf("by organisation: %s", said)
			}
			said := w.Foregate("", "explain", "--url", at+"/", "--user", alicesName)
			if !strings.Contains(said, "signed") {
				t.Errorf("rules know the identifier: %s", said)
			}
		})

		t.Run("2.8 the page is given away for ASP.NET, Java and others", func(t *testing.T) {
			for _, folder := range []string{"aspnet-classic", "aspnetcore", "java-servlet", "php", "node", "python", "go"} {
				files, err := os.ReadDir(filepath.Join("../../examples/handoff", folder))
				if err != nil || len(files) < 2 {
					t.Errorf("%s: %d files, %v", folder, len(files), err) // test/partner runs each of them
				}
			}
		})
	})
}
