package browser

import (
	"fmt"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"foregate/authn/local"
	"foregate/internal/demo"
)

// hasher is what the product makes hashes of accounts with.
type hasher struct{}

func (hasher) Hash(password string) (string, error)       { return local.Hash(password) }
func (hasher) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

const alicesPassword = "correct horse battery"

// openWard is a Foregate whose one way in is a user name and the password of an
// account. Its operator has made one for Alice.
func openWard(t *testing.T, settings string) (url string) {
	t.Helper()
	dir, address, admin := t.TempDir(), freeAddress(t), freeAddress(t)
	app := httptest.NewServer(demo.App())
	t.Cleanup(app.Close)
	path := filepath.Join(dir, "foregate.yaml")
	write(t, path, fmt.Appendf(nil, wardFile, address, admin, settings, app.URL))
	h := &hospital{program: start(t, "serve", "-c", path), t: t, admin: admin}
	h.ready()
	operate(t, "", "accounts", "create", "-c", path, "--username", "aarcher", "--email", "alice@hospital.example", "--name", "Alice Archer", "--role", "nurse")
	operate(t, alicesPassword+"\n", "accounts", "password", "aarcher", "-c", path)
	return "http://" + address
}

// operate runs a command of the operator with this on its standard input.
func operate(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("foregate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const wardFile = `
listen: {http: %q, drain: 0s, admin: %q}
storage: {path: ./data}
methods:
  - name: local
    title: User name and password
    local: {%s}
apps:
  - name: careplan
    hosts: [127.0.0.1]
    upstream: {url: %q}
    methods: [local]
    page: {title: Careplan, help: "Trouble signing in? Call 4711."}
`

// key is what a page shows to be typed into an authenticator app.
func (b *tab) key() string {
	b.t.Helper()
	b.until(`!!document.querySelector("svg.picture") && !!document.querySelector(".key")`)
	return strings.ReplaceAll(must[string](b, `document.querySelector(".key").innerText`), " ", "")
}

// appCode is what an authenticator app shows then.
func appCode(t *testing.T, key string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(key, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// path is that of the page.
func (b *tab) path() string { b.t.Helper(); return must[string](b, `location.pathname`) }

func TestPersonLooksAfterTheirOwnAccount(t *testing.T) {
	const next = "seven quiet wards"
	url := openWard(t, "")
	there := openBrowser(t, nil, "")
	there.open(url + "/")
	there.signIn("aarcher", alicesPassword)
	there.says("Patients of today")

	b := openBrowser(t, nil, "")
	b.open(url + "/sso/account")
	b.signIn("alice@hospital.example", alicesPassword)
	b.says("Your account")
	b.says("Not set up: your password alone lets you in.")
	if b.path() != "/sso/account" {
		t.Errorf("sent to %s", b.location())
	}
	b.audit("account")

	// The password: the other browser is signed out, this one stays.
	b.click(`a[href="/sso/account/password"]`)
	b.says("Change your password")
	b.audit("account-password")
	b.fill("input[name=password]", alicesPassword)
	b.fill("input[name=new]", next)
	b.fill("input[name=again]", next)
	b.click("main form button")
	b.says("Your password is changed.")
	b.audit("account-changed")
	there.open(url + "/")
	there.until(`location.pathname === "/sso/sign-in"`)
	there.signIn("aarcher", alicesPassword)
	there.says("do not match")
	there.signIn("aarcher", next)
	there.says("Patients of today")

	// The app: a wrong code leaves the picture as it is.
	b.open(url + "/sso/account/app")
	b.says("Set up an authenticator app")
	b.audit("account-app")
	b.click("main form button")
	key := b.key()
	b.audit("account-enrol")
	b.fill("input[name=code]", "000000")
	b.click("main form button")
	b.says("That is not the code.")
	if b.key() != key {
		t.Error("the picture has changed")
	}
	b.audit("account-enrol-wrong")
	now := time.Now()
	b.fill("input[name=code]", appCode(t, key, now))
	b.click("main form button")
	b.says("Keep your recovery codes")
	codes := strings.Fields(must[string](b, `document.querySelector(".codes").innerText`))
	if len(codes) != 10 {
		t.Fatalf("codes %q", codes)
	}
	b.audit("account-codes")
	b.click("main form button")
	b.says("10 recovery codes are left.")

	// The other browser is signed out from here, and needs a code to come back.
	b.says("Sign out there")
	b.audit("account-two")
	b.click(`form button[aria-describedby]`)
	b.says("That device is signed out.")
	there.open(url + "/?ward=7")
	there.signIn("aarcher", next)
	there.says("Enter the code from your app")
	there.audit("local-app")
	there.fill("input[name=code]", "000000")
	there.click("main form button")
	there.says("That is not the code that holds now.")
	there.fill("input[name=code]", appCode(t, key, now.Add(30*time.Second))) // the one of now is spent
	there.click("main form button")
	there.until(`location.search === "?ward=7" && !!document.querySelector("#headers")`)
	if got := there.told("X-Forwarded-User"); got != "aarcher" {
		t.Errorf("the application was told %q", got)
	}

	// A lost phone.
	c := openBrowser(t, nil, "")
	c.open(url + "/sso/account/app")
	c.signIn("aarcher", next)
	c.says("Enter the code from your app")
	c.click("button[name=recovery]")
	c.says("Use a recovery code")
	c.audit("local-recovery")
	c.fill("input[name=code]", codes[0])
	c.click("main form button")
	c.says("Change your authenticator app")
	c.audit("account-change-app")
	c.fill("input[name=code]", codes[1])
	c.click("button[name=remove]")
	c.says("Your authenticator app is removed.")
}

func TestRequiredAppIsSetUpOnTheWayIn(t *testing.T) {
	url := openWard(t, "totp: required")
	b := openBrowser(t, nil, "")
	b.open(url + "/?ward=7")
	b.signIn("aarcher", alicesPassword)
	key := b.key()
	b.says("Set up your authenticator app")
	b.audit("local-enrol")
	b.fill("input[name=code]", appCode(t, key, time.Now()))
	b.click("main form button")
	b.says("Keep your recovery codes")
	b.audit("local-codes")
	b.click("main form button")
	b.until(`location.search === "?ward=7" && !!document.querySelector("#headers")`)
	if got := b.told("X-Forwarded-User"); got != "aarcher" {
		t.Errorf("the application was told %q", got)
	}
}
