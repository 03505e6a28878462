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
	"foregate/internal/chromium"
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

// appCode is what an authenticator app shows then.
func appCode(t *testing.T, key string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(key, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestPersonLooksAfterTheirOwnAccount(t *testing.T) {
	const next = "seven quiet wards"
	url := openWard(t, "")
	there := openBrowser(t, nil, "")
	there.Open(url + "/")
	there.SignIn("aarcher", alicesPassword)
	there.Says("Patients of today")

	b := openBrowser(t, nil, "")
	b.Open(url + "/sso/account")
	b.SignIn("alice@hospital.example", alicesPassword)
	b.Says("Your account")
	b.Says("Not set up: your password alone lets you in.")
	if b.Path() != "/sso/account" {
		t.Errorf("sent to %s", b.Location())
	}
	b.Audit("account")

	// The password: the other browser is signed out, this one stays.
	b.Click(`a[href="/sso/account/password"]`)
	b.Says("Change your password")
	b.Audit("account-password")
	b.Fill("input[name=password]", alicesPassword)
	b.Fill("input[name=new]", next)
	b.Fill("input[name=again]", next)
	b.Click("main form button")
	b.Says("Your password is changed.")
	b.Audit("account-changed")
	there.Open(url + "/")
	there.Until(`location.pathname === "/sso/sign-in"`)
	there.SignIn("aarcher", alicesPassword)
	there.Says("do not match")
	there.SignIn("aarcher", next)
	there.Says("Patients of today")

	// The app: a wrong code leaves the picture as it is.
	b.Open(url + "/sso/account/app")
	b.Says("Set up an authenticator app")
	b.Audit("account-app")
	b.Click("main form button")
	key := b.Key()
	b.Audit("account-enrol")
	b.Fill("input[name=code]", "000000")
	b.Click("main form button")
	b.Says("That is not the code.")
	if b.Key() != key {
		t.Error("the picture has changed")
	}
	b.Audit("account-enrol-wrong")
	now := time.Now()
	b.Fill("input[name=code]", appCode(t, key, now))
	b.Click("main form button")
	b.Says("Keep your recovery codes")
	codes := strings.Fields(chromium.Must[string](b, `document.querySelector(".codes").innerText`))
	if len(codes) != 10 {
		t.Fatalf("codes %q", codes)
	}
	b.Audit("account-codes")
	b.Click("main form button")
	b.Says("10 recovery codes are left.")

	// The other browser is signed out from here, and needs a code to come back.
	b.Says("Sign out there")
	b.Audit("account-two")
	b.Click(`form button[aria-describedby]`)
	b.Says("That device is signed out.")
	there.Open(url + "/?ward=7")
	there.SignIn("aarcher", next)
	there.Says("Enter the code from your app")
	there.Audit("local-app")
	there.Fill("input[name=code]", "000000")
	there.Click("main form button")
	there.Says("That is not the code that holds now.")
	there.Fill("input[name=code]", appCode(t, key, now.Add(30*time.Second))) // the one of now is spent
	there.Click("main form button")
	there.Until(`location.search === "?ward=7" && !!document.querySelector("#headers")`)
	if got := there.Told("X-Forwarded-User"); got != "aarcher" {
		t.Errorf("the application was told %q", got)
	}

	// A lost phone.
	c := openBrowser(t, nil, "")
	c.Open(url + "/sso/account/app")
	c.SignIn("aarcher", next)
	c.Says("Enter the code from your app")
	c.Click("button[name=recovery]")
	c.Says("Use a recovery code")
	c.Audit("local-recovery")
	c.Fill("input[name=code]", codes[0])
	c.Click("main form button")
	c.Says("Change your authenticator app")
	c.Audit("account-change-app")
	c.Fill("input[name=code]", codes[1])
	c.Click("button[name=remove]")
	c.Says("Your authenticator app is removed.")
}

func TestRequiredAppIsSetUpOnTheWayIn(t *testing.T) {
	url := openWard(t, "totp: required")
	b := openBrowser(t, nil, "")
	b.Open(url + "/?ward=7")
	b.SignIn("aarcher", alicesPassword)
	key := b.Key()
	b.Says("Set up your authenticator app")
	b.Audit("local-enrol")
	b.Fill("input[name=code]", appCode(t, key, time.Now()))
	b.Click("main form button")
	b.Says("Keep your recovery codes")
	b.Audit("local-codes")
	b.Click("main form button")
	b.Until(`location.search === "?ward=7" && !!document.querySelector("#headers")`)
	if got := b.Told("X-Forwarded-User"); got != "aarcher" {
		t.Errorf("the application was told %q", got)
	}
}
