package browser

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"foregate/authn/accounts"
	"foregate/internal/chromium"
	"foregate/internal/database"
	"foregate/internal/demo"
	"foregate/internal/mailtest"
	"foregate/internal/optest"
)

// deployment is a Foregate over https with one provider, a mail server, and accounts.
type deployment struct {
	*hospital
	mail *mailtest.Server
	file string // of the accounts
	yaml string // the configuration
	port string // of all hosts
}

// staff are the accounts of Careplan. The addresses are those of the provider's
// people; only one of them is in the approved group.
var staff = []accounts.Account{
	{Username: "AARCHER", Email: "alice@example.test", Name: "Alice Archer", Kind: "staff", Status: accounts.Active, Source: accounts.FromImport},
	{Username: "BBAKER", Email: "bob@example.test", Name: "Bob Baker", Kind: "staff", Status: accounts.Active, Source: accounts.FromImport},
}

// openDeployment starts all that a deployment has. In its file @LISTEN, @ADMIN, @MAIL,
// @CA, @ISSUER and @APP stand for what is known only then.
func openDeployment(t *testing.T, file string, people []accounts.Account, then ...func(*accounts.Accounts)) *deployment {
	t.Helper()
	dir, https := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(https)
	d := &deployment{
		hospital: &hospital{t: t, ca: newAuthority(t, dir), admin: freeAddress(t), url: "https://app.test:" + port},
		mail:     mailtest.Start(t, mailtest.Options{}),
		file:     filepath.Join(dir, "data", "foregate.db"),
		port:     port,
	}
	app := httptest.NewServer(demo.App())
	t.Cleanup(app.Close)
	d.north = optest.Start(t, optest.Options{
		Title: "Northfield", RedirectURIs: []string{d.url + "/sso/callback/entra"},
		PostLogoutRedirectURIs: []string{d.url + "/sso/sign-out"},
	})
	d.people(func(a *accounts.Accounts) {
		for _, who := range people {
			if _, err := a.Create(t.Context(), accounts.Context{Actor: "test"}, who); err != nil {
				t.Fatal(err)
			}
		}
		for _, do := range then {
			do(a)
		}
	})
	d.yaml = filepath.Join(dir, "foregate.yaml")
	yaml := strings.NewReplacer("@LISTEN", https, "@ADMIN", d.admin, "@MAIL", d.mail.Addr, "@CA", d.mail.CA,
		"@ISSUER", d.north.Issuer, "@APP", app.URL).Replace(file)
	if err := os.WriteFile(d.yaml, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	d.program = start(t, "serve", "-c", d.yaml)
	d.ready()
	return d
}

// careplanFile is of a care-record app behind one directory group, whose people have
// staff records: accounts.
const careplanFile = `
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
mail:
  smtp: {address: "@MAIL", ca: "@CA"}
  from: Careplan <no-reply@signin.careplan.example>
  allowed_domains: [example.test]
methods:
  - name: entra
    title: Sign in with Northfield
    oidc: {issuer: "@ISSUER", client_id: foregate, client_secret: secret, scopes: [openid, profile, email, groups]}
    admit: {groups: [staff], account: existing, match: email, verify: mail}
apps:
  - name: careplan
    hosts: [app.test]
    upstream: {url: "@APP"}
    methods: [entra]
    page: {title: Careplan, help: "To be added to the approved users, call 4711."}
`

// people opens the accounts while Foregate does not have them open, or beside it.
func (d *deployment) people(do func(a *accounts.Accounts)) {
	d.t.Helper()
	db, err := database.Open(d.t.Context(), d.file)
	if err != nil {
		d.t.Fatal(err)
	}
	defer db.Close()
	a, err := accounts.Open(d.t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{Passwords: hasher{}})
	if err != nil {
		d.t.Fatal(err)
	}
	do(a)
}

// letter is the next one that the mail server gets.
func (d *deployment) letter() mailtest.Letter {
	d.t.Helper()
	select {
	case l := <-d.mail.Letters:
		return l
	case <-time.After(20 * time.Second):
		d.t.Fatal("no letter came")
		return mailtest.Letter{}
	}
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// TestCareplan is the first deployment: a go-between between a directory and a
// care-record app.
func TestCareplan(t *testing.T) {
	c := openDeployment(t, careplanFile, staff)

	t.Run("1.1 outside of the group nobody is processed", func(t *testing.T) {
		b := openBrowser(t, c.hospital, "")
		b.Open(c.url + "/")
		b.SignInAtProvider("Northfield", optest.Bob, optest.BobPassword)
		b.Says("not in the group")
		b.Says("call 4711")
		if b.Status() != 403 || b.Cookie(c.url, "__Host-foregate") != "" {
			t.Errorf("status %d, session %q", b.Status(), b.Cookie(c.url, "__Host-foregate"))
		}
		b.Audit("not-in-group")
		b.Open(c.url + "/")
		if strings.Contains(b.Text(), "Patients of today") {
			t.Error("an outsider reaches the application")
		}
		if n := len(c.mail.Letters); n != 0 {
			t.Errorf("%d letters", n)
		}
		c.people(func(a *accounts.Accounts) {
			who, err := a.ByUsername(t.Context(), "BBAKER")
			if err != nil {
				t.Fatal(err)
			}
			if links, err := a.Links(t.Context(), who.ID); err != nil || len(links) != 0 || !who.LastSignIn.IsZero() {
				t.Errorf("links %v, %v, last sign-in %v", links, err, who.LastSignIn)
			}
		})
	})

	b := openBrowser(t, c.hospital, "")
	t.Run("1.3 a member proves once that the staff record is theirs", func(t *testing.T) {
		b.Open(c.url + "/echo?bed=3")
		b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		b.Says("You sign in here this way for the first time")
		b.Audit("proof")
		if text := b.Text(); strings.Contains(text, "alice@example.test") {
			t.Error("the page shows the whole address")
		}
		l := c.letter()
		// 1.4 sender and domain as configured
		if l.From != "no-reply@signin.careplan.example" || l.Header.Get("From") != `"Careplan" <no-reply@signin.careplan.example>` {
			t.Errorf("from %q, %q", l.From, l.Header.Get("From"))
		}
		if l.To != "alice@example.test" || !l.TLS {
			t.Errorf("to %q, encrypted %v", l.To, l.TLS)
		}
		code := sixDigits.FindString(l.Header.Get("Subject") + "\n" + bodyOf(l))
		if code == "" {
			t.Fatalf("no code in %s", l.Raw)
		}
		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		b.Fill("input[name=code]", wrong)
		b.Click("main form button")
		b.Says("That is not the code")
		b.Audit("proof-wrong")

		// In another browser the code is worth nothing.
		other := openBrowser(t, c.hospital, "")
		other.Open(c.url + "/")
		other.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		other.Says("You sign in here this way for the first time")
		c.letter()
		other.Fill("input[name=code]", code)
		other.Click("main form button")
		other.Says("That is not the code")

		b.Fill("input[name=code]", code)
		b.Click("main form button")
		b.Says("GET /echo?bed=3")
	})

	t.Run("1.2 the application gets the name of the staff record and no roles", func(t *testing.T) {
		b.Open(c.url + "/")
		b.Says("Patients of today")
		for header, want := range map[string]string{
			"X-Forwarded-User": "AARCHER", "X-Forwarded-Email": "alice@example.test", "X-Forwarded-Name": "Alice Archer", "X-Forwarded-Roles": "",
		} {
			if got := b.Told(header); got != want {
				t.Errorf("%s is %q, want %q", header, got, want)
			}
		}
	})

	t.Run("1.3 the link is remembered for good", func(t *testing.T) {
		again := openBrowser(t, c.hospital, "")
		again.Open(c.url + "/")
		again.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		again.Says("Patients of today")
		if got := again.Told("X-Forwarded-User"); got != "AARCHER" {
			t.Errorf("the application was told %q", got)
		}
		if n := len(c.mail.Letters); n != 0 {
			t.Errorf("%d more letters", n)
		}
	})

	t.Run("1.3 a changed address at the provider maps nobody elsewhere", func(t *testing.T) {
		c.north.Say(t, optest.Alice, map[string]any{"email": "bob@example.test", "email_verified": true})
		again := openBrowser(t, c.hospital, "")
		again.Open(c.url + "/")
		again.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
		again.Says("Patients of today")
		if got := again.Told("X-Forwarded-User"); got != "AARCHER" {
			t.Errorf("the application was told %q", got)
		}
	})
}

// bodyOf is a letter's text as it was sent.
func bodyOf(l mailtest.Letter) string {
	_, body, _ := strings.Cut(l.Raw, "\r\n\r\n")
	return body
}

// TestCareplanIdle is the fifth sentence of the first deployment.
func TestCareplanIdle(t *testing.T) {
	c := openDeployment(t, careplanFile+"session: {idle: 4s}\n", staff)
	b := openBrowser(t, c.hospital, "")
	b.Open(c.url + "/")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("You sign in here this way for the first time")
	b.Fill("input[name=code]", sixDigits.FindString(bodyOf(c.letter())))
	b.Click("main form button")
	b.Says("Patients of today")
	eventually(t, "the session is over", func() bool {
		return chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) == 401
	})
	b.Open(c.url + "/")
	b.Says("because nothing happened for a while")
	b.Do(chromedp.Reload())
	b.Says("Patients of today")
	if got := b.Told("X-Forwarded-User"); got != "AARCHER" {
		t.Errorf("after the refresh the application was told %q", got)
	}
	if n := len(c.mail.Letters); n != 0 {
		t.Errorf("%d letters more", n)
	}
}
