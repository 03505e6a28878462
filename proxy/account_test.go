package proxy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/authn/mailcode"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
)

// hospital is a server whose people have accounts in a real database, and a mailbox.
type hospital struct {
	*Server
	t       *testing.T
	people  *accounts.Accounts
	store   cookies.Store
	alice   accounts.Account
	letters []authn.Letter
	ahead   atomic.Int64 // of the real time, for codes of apps
}

type localHasher struct{}

func (localHasher) Hash(password string) (string, error)       { return local.Hash(password) }
func (localHasher) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

const alicesPassword = "correct horse battery"

func newHospital(t *testing.T, totp string) *hospital {
	t.Helper()
	h := &hospital{t: t, store: memstore.New()}
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var sessions *cookies.Sessions
	h.people, err = accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{
		Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}, Passwords: localHasher{}, Now: h.now,
		OnEnd: func(ctx context.Context, e accounts.Ended) error {
			if e.Reread {
				return sessions.RereadPerson(ctx, accounts.Issuer, e.Account.ID)
			}
			_, err := sessions.RevokePerson(ctx, accounts.Issuer, e.Account.ID)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) authn.Env {
		return authn.Env{
			Name: name, Once: cookies.Spent{Store: h.store}, Tries: cookies.Tries{Counter: h.store.(cookies.Counter)}, Log: slog.New(slog.DiscardHandler),
			Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}, People: accounts.People{A: h.people}, Mail: h,
		}
	}
	h.Server = newServer(t, h.store, mirror(t), nil,
		&Method{Name: "local", Title: "Sign in with your user name", Config: &local.Config{TOTP: totp}, Env: env("local")},
		&Method{Name: "code", Title: "Get a code by e-mail", Config: &mailcode.Config{SecondFactor: "optional-password"}, Env: env("code")})
	app := h.set.Load().hosts["app.test"]
	app.Methods = append(app.Methods, "code")
	app.Terms["code"] = app.Terms["local"]
	app.Policy = NewPolicy(app.Methods, nil)
	app.Look.Title = "Careplan"
	sessions, h.Accounts, h.Tries = h.Sessions, h.people, cookies.Tries{Counter: h.store.(cookies.Counter)}
	h.alice = h.account("alice", alicesPassword)
	return h
}

func (h *hospital) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// Send implements authn.Mailer.
func (h *hospital) Send(_ context.Context, l authn.Letter) error {
	h.letters = append(h.letters, l)
	return nil
}

func (h *hospital) account(name, password string) accounts.Account {
	h.t.Helper()
	made, err := h.people.Create(h.t.Context(), accounts.Context{Actor: "desk"}, accounts.Account{Username: name, Email: name + "@hospital.example", Name: strings.ToUpper(name[:1]) + name[1:], Roles: []string{"nurse"}})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.people.SetPassword(h.t.Context(), accounts.Context{Actor: "desk"}, made.ID, password); err != nil {
		h.t.Fatal(err)
	}
	return made
}

// browser is one in which the person has signed in by name and password.
func (h *hospital) browser(name, password string) *signingIn {
	h.t.Helper()
	b := &signingIn{t: h.t, s: h.Server, jar: make(map[string]string)}
	b.do("GET", "/sso/start/local?rd=/wards/7", nil)
	if w := b.press("username", name, "password", password); w.Code != http.StatusSeeOther {
		h.t.Fatalf("sign in as %s: status %d:\n%s", name, w.Code, w.Body)
	}
	return b
}

// in reports whether the browser is signed in. The form that it shows stays.
func (b *signingIn) in() bool {
	shown := b.hidden
	defer func() { b.hidden = shown }()
	return b.do("GET", "/sso/session", nil).Code == http.StatusOK
}

// post sends the form that is shown, with these fields, to an address.
func (b *signingIn) post(target string, fields ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	form := b.hidden
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do("POST", target, form)
}

// aged makes the browser's session one of a sign-in that long ago.
func (h *hospital) aged(d time.Duration) *signingIn {
	h.t.Helper()
	w := httptest.NewRecorder()
	_, err := h.Sessions.Start(h.t.Context(), w, httptest.NewRequest("GET", "/", nil), false,
		cookies.Opening{Audience: "app:app", Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}, App: "app", Client: "192.0.2.44"},
		authn.Identity{Method: "local", Issuer: accounts.Issuer, Subject: h.alice.ID, User: "alice", Authenticated: time.Now().Add(-d)})
	if err != nil {
		h.t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	return &signingIn{t: h.t, s: h.Server, jar: map[string]string{c.Name: c.Value}, hidden: url.Values{}}
}

var (
	shownKey   = regexp.MustCompile(`<b class="key">([A-Z2-7 ]+)</b>`)
	shownCodes = regexp.MustCompile(`<pre class="codes">([^<]+)</pre>`)
)

// secretOf is the key that a page shows.
func secretOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	m := shownKey.FindStringSubmatch(w.Body.String())
	if m == nil || !strings.Contains(w.Body.String(), "<svg") {
		t.Fatalf("status %d, no picture or no key:\n%s", w.Code, w.Body)
	}
	return strings.ReplaceAll(m[1], " ", "")
}

func codesOf(t *testing.T, w *httptest.ResponseRecorder) []string {
	t.Helper()
	m := shownCodes.FindStringSubmatch(w.Body.String())
	if m == nil {
		t.Fatalf("status %d, no recovery codes:\n%s", w.Code, w.Body)
	}
	return strings.Split(m[1], "\n")
}

// codeOf is what an app shows, half a minute after what it showed before.
func (h *hospital) codeOf(secret string) string {
	h.t.Helper()
	h.ahead.Add(int64(30 * time.Second))
	code, err := totp.GenerateCode(secret, h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func wantPage(t *testing.T, what string, w *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: status %d, want %d", what, w.Code, status)
	}
	for _, word := range words {
		if !strings.Contains(w.Body.String(), word) {
			t.Errorf("%s: no %q:\n%s", what, word, w.Body)
		}
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control %q", what, got)
	}
}

func wantTo(t *testing.T, what string, w *httptest.ResponseRecorder, to string) {
	t.Helper()
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != to {
		t.Errorf("%s: status %d, to %q, want %q:\n%s", what, w.Code, got, to, w.Body)
	}
}

func TestOwnPageIsForWhoIsSignedIn(t *testing.T) {
	h := newHospital(t, "")
	b := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	w := b.do("GET", "/sso/account", nil)
	wantTo(t, "without a session", w, "/sso/sign-in?rd=%2Fsso%2Faccount")
	b.do("GET", "/sso/start/local?rd=/sso/account", nil)
	wantTo(t, "signed in", b.press("username", "alice", "password", alicesPassword), "/sso/account")
	wantPage(t, "the page", b.do("GET", "/sso/account", nil), http.StatusOK,
		"alice@hospital.example", "Sign in with your user name, just now", `<dd dir="auto">password</dd>`, `<dd dir="auto">nurse</dd>`, "Change your password", "Not set up: your password alone lets you in.", "this browser")
	if w := send(h.Server, "GET", "/sso/account", "", nil, "Accept", "application/json"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "sign_in_required") {
		t.Errorf("a script: %d %s", w.Code, w.Body)
	}
	for target, status := range map[string]int{"/sso/account/": http.StatusOK, "/sso/account/x": http.StatusNotFound, "/sso/accounts": http.StatusNotFound} {
		if w := b.do("GET", target, nil); w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
	}
	if w := b.do("DELETE", "/sso/account", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: status %d", w.Code)
	}
}

func TestOwnPageOfSomebodyWithoutAnAccount(t *testing.T) {
	h := newHospital(t, "")
	cookie := sessionOf(t, h.Server)
	w := send(h.Server, "GET", "/sso/account", cookie, nil, "Accept", "text/html")
	wantPage(t, "the page", w, http.StatusOK, "nora", `<dd dir="auto">staff</dd>`, "this browser")
	if strings.Contains(w.Body.String(), "password") {
		t.Errorf("offers to change what she does not have:\n%s", w.Body)
	}
	for _, name := range []string{"password", "app"} {
		if w := send(h.Server, "GET", "/sso/account/"+name, cookie, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", name, w.Code)
		}
	}
	h.Accounts = nil // where no method needs accounts there are none
	wantPage(t, "without accounts", send(h.Server, "GET", "/sso/account", cookie, nil), http.StatusOK, "nora")
}

func TestPersonEndsTheirOtherSessions(t *testing.T) {
	h := newHospital(t, "")
	h.account("bob", alicesPassword)
	here, there, third, bobs := h.browser("alice", alicesPassword), h.browser("ALICE", alicesPassword), h.browser("alice@hospital.example", alicesPassword), h.browser("bob", alicesPassword)
	w := here.do("GET", "/sso/account", nil)
	handles := regexp.MustCompile(`name="session" value="([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(handles) != 2 || strings.Count(w.Body.String(), "<em>this browser</em>") != 1 || strings.Count(w.Body.String(), "<b>Careplan</b>") != 3 || !strings.Contains(w.Body.String(), "from 192.0.2.1") {
		t.Fatalf("%d others:\n%s", len(handles), w.Body)
	}
	// A page of another site cannot press the button.
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		var cookie []string
		for name, value := range here.jar {
			cookie = append(cookie, name+"="+value)
		}
		if w := send(h.Server, "POST", "/sso/account/sessions", strings.Join(cookie, "; "), url.Values{"others": {"1"}}, header...); w.Code != http.StatusForbidden {
			t.Errorf("%v: status %d", header, w.Code)
		}
	}
	if !there.in() || !third.in() {
		t.Fatal("another site ended sessions")
	}
	wantTo(t, "end one", here.do("POST", "/sso/account/sessions", url.Values{"session": {handles[0][1]}}), "/sso/account?done=session")
	if there.in() == third.in() || !here.in() {
		t.Errorf("there %v, third %v, here %v; want one of the two to be ended", there.in(), third.in(), here.in())
	}
	wantPage(t, "it says so", here.do("GET", "/sso/account?done=session", nil), http.StatusOK, "That device is signed out.")
	wantPage(t, "end it again", here.do("POST", "/sso/account/sessions", url.Values{"session": {handles[0][1]}}), http.StatusUnprocessableEntity, "signed out already")

	others, err := h.Sessions.List(t.Context(), func(l cookies.Listed) bool { return l.User == "bob" }, 10)
	if err != nil || len(others) != 1 {
		t.Fatalf("bob's: %v, %v", others, err)
	}
	here.do("POST", "/sso/account/sessions", url.Values{"session": {others[0].Handle()}})
	if !bobs.in() {
		t.Error("alice ended bob's session")
	}
	wantTo(t, "end all others", here.do("POST", "/sso/account/sessions", url.Values{"others": {"1"}}), "/sso/account?done=others")
	if there.in() || third.in() || !here.in() || !bobs.in() {
		t.Errorf("there %v, third %v, here %v, bob %v", there.in(), third.in(), here.in(), bobs.in())
	}
	if w := here.do("GET", "/sso/account/sessions", nil); w.Code != http.StatusSeeOther {
		t.Errorf("GET: status %d", w.Code)
	}
}

func TestSessionsOfALinkedIdentityAreThePersonsToo(t *testing.T) {
	h := newHospital(t, "")
	if err := h.people.Link(t.Context(), accounts.Context{Actor: "desk"}, accounts.Link{Account: h.alice.ID, Method: "entra", Issuer: "https://idp.hospital.example", Subject: "s-1", Email: "a@idp.example"}); err != nil {
		t.Fatal(err)
	}
	linked := enterAs(t, h.Server, authn.Identity{Method: "entra", Issuer: "https://idp.hospital.example", Subject: "s-1", User: "alice"})
	b := h.browser("alice", alicesPassword)
	wantPage(t, "the page", b.do("GET", "/sso/account", nil), http.StatusOK, "Your ways to sign in", "a@idp.example", "Sign out there")
	wantPage(t, "seen from the other side", send(h.Server, "GET", "/sso/account", linked, nil), http.StatusOK, "Change your password", "Sign out there")
	b.do("POST", "/sso/account/sessions", url.Values{"others": {"1"}})
	wantIn(t, h.Server, linked, false)
}

func TestChangedPasswordHoldsAtOnceAndEndsTheOthers(t *testing.T) {
	const next = "seven quiet wards"
	h := newHospital(t, "")
	here, there := h.browser("alice", alicesPassword), h.browser("alice", alicesPassword)
	wantPage(t, "the form", here.do("GET", "/sso/account/password", nil), http.StatusOK, "Change your password", `value="alice"`, "readonly", `autocomplete="new-password"`)
	for what, try := range map[string]struct{ present, next, again, words string }{
		"short":       {alicesPassword, "tiny-zz", "tiny-zz", "too short"},
		"differ":      {alicesPassword, next, next + "x", "differ"},
		"the same":    {alicesPassword, alicesPassword, alicesPassword, "have already"},
		"letters":     {alicesPassword, "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "guessed at once"},
		"own address": {alicesPassword, "alice@Hospital.example", "alice@Hospital.example", "no password"},
		"no present":  {"", next, next, "Type the password that you have now"},
		"wrong":       {"wrong", next, next, "not the password that you have now"},
		"too long":    {alicesPassword, strings.Repeat("ab", 600), strings.Repeat("ab", 600), "cannot be used"},
	} {
		w := here.do("POST", "/sso/account/password", url.Values{"password": {try.present}, "new": {try.next}, "again": {try.again}})
		wantPage(t, what, w, http.StatusUnprocessableEntity, try.words)
		if strings.Contains(w.Body.String(), try.next) && try.next != "alice@Hospital.example" {
			t.Errorf("%s: the page repeats a password", what)
		}
	}
	if !there.in() {
		t.Fatal("a password that was not changed ended sessions")
	}
	wantTo(t, "change", here.do("POST", "/sso/account/password", url.Values{"password": {alicesPassword}, "new": {next}, "again": {next}}), "/sso/account?done=password")
	if there.in() || !here.in() {
		t.Errorf("there %v, here %v", there.in(), here.in())
	}
	h.browser("alice", next)
	b := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	b.do("GET", "/sso/start/local", nil)
	if w := b.press("username", "alice", "password", alicesPassword); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("the old password: status %d", w.Code)
	}

	// The code by e-mail asks for the new one, too.
	c := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	c.do("GET", "/sso/start/code?rd=/wards/7", nil)
	c.post("/sso/start/code", "email", "alice@hospital.example")
	c.post("/sso/start/code", "code", h.letters[0].Values["code"])
	wantPage(t, "old after the code", c.post("/sso/start/code", "password", alicesPassword), http.StatusUnprocessableEntity, "not your password")
	wantTo(t, "new after the code", c.post("/sso/start/code", "password", next), "/wards/7")

	// And set by the desk it ends all of them.
	if err := h.people.SetPassword(t.Context(), accounts.Context{Actor: "desk"}, h.alice.ID, "set by the desk"); err != nil {
		t.Fatal(err)
	}
	if here.in() || c.in() {
		t.Error("sessions outlive a password that was reset")
	}
}

func TestPasswordOfAnOrganisationsOwnWayIn(t *testing.T) {
	h := newHospital(t, "")
	app := h.set.Load().hosts["app.test"]
	app.Methods, app.Guests = []string{"code"}, []string{"local"}
	b := h.aged(time.Minute)
	wantPage(t, "the page", b.do("GET", "/sso/account", nil), http.StatusOK, "Change your password", "Authenticator app")
	app.Guests = nil // the code by e-mail makes use of the password only
	w := b.do("GET", "/sso/account", nil)
	wantPage(t, "without it", w, http.StatusOK, "Change your password")
	if strings.Contains(w.Body.String(), "Authenticator app") {
		t.Error("offers an app that nothing asks for")
	}
}

func TestGuessingThePresentPasswordEnds(t *testing.T) {
	h := newHospital(t, "")
	b := h.browser("alice", alicesPassword)
	guess := func(password string) int {
		return b.do("POST", "/sso/account/password", url.Values{"password": {password}, "new": {"seven quiet wards"}, "again": {"seven quiet wards"}}).Code
	}
	for range ownTries {
		if got := guess("wrong"); got != http.StatusUnprocessableEntity {
			t.Fatalf("status %d", got)
		}
	}
	if got := guess(alicesPassword); got != http.StatusTooManyRequests {
		t.Errorf("the right one after %d wrong ones: status %d", ownTries, got)
	}
}

func TestChangesNeedARecentSignIn(t *testing.T) {
	h := newHospital(t, "")
	b := h.aged(11 * time.Minute)
	for _, name := range []string{"password", "app"} {
		w := b.do("GET", "/sso/account/"+name, nil)
		wantPage(t, name, w, http.StatusForbidden, "Please sign in again", "/sso/start/local?fresh=1&amp;rd=%2Fsso%2Faccount%2F"+name)
	}
	b = h.aged(21 * time.Minute)
	w := b.do("POST", "/sso/account/password", url.Values{"password": {alicesPassword}, "new": {"seven quiet wards"}, "again": {"seven quiet wards"}})
	wantPage(t, "post", w, http.StatusForbidden, "Please sign in again")
	wantPage(t, "post", b.do("POST", "/sso/account/app", url.Values{"attempt": {""}}), http.StatusForbidden, "Please sign in again")
	if ok, err := h.people.CheckPassword(t.Context(), h.alice.ID, alicesPassword); !ok || err != nil {
		t.Errorf("the password was changed: %v", err)
	}
	// Who signs in again comes back to the form.
	b.do("GET", "/sso/start/local?fresh=1&rd=%2Fsso%2Faccount%2Fpassword", nil)
	wantTo(t, "again", b.press("username", "alice", "password", alicesPassword), "/sso/account/password")
	wantPage(t, "the form", b.do("GET", "/sso/account/password", nil), http.StatusOK, "New password")
	// A clock that was ahead when they signed in is no proof.
	if b := h.aged(-time.Hour); b.do("GET", "/sso/account/password", nil).Code != http.StatusForbidden {
		t.Error("a sign-in in the future counts")
	}
}

func TestAppIsSetUpUsedAndRemoved(t *testing.T) {
	h := newHospital(t, "")
	b := h.browser("alice", alicesPassword)
	wantPage(t, "before", b.do("GET", "/sso/account/app", nil), http.StatusOK, "Set up an authenticator app", "Begin")
	secret := secretOf(t, b.post("/sso/account/app"))
	if again := secretOf(t, b.post("/sso/account/app", "code", "000000")); again != secret {
		t.Error("a wrong code changes the picture")
	}
	w := b.post("/sso/account/app", "code", h.codeOf(secret))
	codes := codesOf(t, w)
	if len(codes) != 10 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d codes, %q", len(codes), w.Header().Get("Cache-Control"))
	}
	wantTo(t, "read", b.post("/sso/account"), "/sso/account")
	w = b.do("GET", "/sso/account", nil)
	wantPage(t, "set up", w, http.StatusOK, "Set up; 10 recovery codes are left.")
	if strings.Contains(w.Body.String(), codes[0]) {
		t.Error("recovery codes are shown again")
	}

	// From now on a code is asked for, each is taken once, and so is a recovery code.
	c := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	c.do("GET", "/sso/start/local?rd=/wards/7", nil)
	wantPage(t, "second step", c.press("username", "alice", "password", alicesPassword), http.StatusOK, "Enter the code from your app")
	if c.in() {
		t.Fatal("signed in without a code")
	}
	code := h.codeOf(secret)
	wantTo(t, "right code", c.press("code", code), "/wards/7")
	if w := c.do("GET", "/wards/7", nil); !strings.HasPrefix(w.Body.String(), "alice") {
		t.Errorf("the application: %s", w.Body)
	}
	wantPage(t, "proved by", c.do("GET", "/sso/account", nil), http.StatusOK, "password, one-time code")
	d := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	d.do("GET", "/sso/start/local?rd=/wards/7", nil)
	d.press("username", "alice", "password", alicesPassword)
	wantPage(t, "the code again", d.press("code", code), http.StatusUnprocessableEntity, "not the code that holds now")
	wantPage(t, "another way", d.press("recovery", "1"), http.StatusOK, "Use a recovery code")
	d.hidden.Del("recovery")
	wantTo(t, "recovery code", d.press("code", codes[2]), "/wards/7")

	// It is changed and removed with a code only.
	wantPage(t, "change", b.do("GET", "/sso/account/app", nil), http.StatusOK, "Change your authenticator app", "Remove the app")
	wantPage(t, "a spent code", b.do("POST", "/sso/account/app", url.Values{"code": {code}, "remove": {"1"}}), http.StatusUnprocessableEntity, "wrong or was used before")
	wantPage(t, "none", b.do("POST", "/sso/account/app", url.Values{"remove": {"1"}}), http.StatusUnprocessableEntity)
	wantPage(t, "a setting-up in between", b.do("POST", "/sso/account/app", url.Values{"attempt": {"x"}, "code": {"000000"}}), http.StatusUnprocessableEntity, "wrong or was used before")
	fresh := codesOf(t, b.do("POST", "/sso/account/app", url.Values{"code": {h.codeOf(secret)}}))
	wantPage(t, "an old recovery code", b.do("POST", "/sso/account/app", url.Values{"code": {codes[5]}, "remove": {"1"}}), http.StatusUnprocessableEntity)
	wantTo(t, "remove", b.do("POST", "/sso/account/app", url.Values{"code": {fresh[0]}, "remove": {"1"}}), "/sso/account?done=app")
	h.browser("alice", alicesPassword)
}

func TestRequiredAppIsSetUpOnTheWayIn(t *testing.T) {
	h := newHospital(t, "required")
	b := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
	b.do("GET", "/sso/sign-in?rd=/wards/7&choose=1", nil)
	secret := secretOf(t, b.press("username", "alice", "password", alicesPassword))
	if b.in() {
		t.Fatal("signed in before the app is set up")
	}
	codesOf(t, b.press("code", h.codeOf(secret)))
	if b.in() {
		t.Fatal("signed in before the recovery codes were read")
	}
	wantTo(t, "read", b.press(), "/wards/7")
	if w := b.do("GET", "/wards/7", nil); !strings.HasPrefix(w.Body.String(), "alice") {
		t.Errorf("the application: %s", w.Body)
	}
}

func TestOwnPageWhenItsStoreDoesNotAnswer(t *testing.T) {
	h := newHospital(t, "")
	b := h.browser("alice", alicesPassword)
	h.Tries = silent{}
	w := b.do("POST", "/sso/account/password", url.Values{"password": {alicesPassword}, "new": {"seven quiet wards"}, "again": {"seven quiet wards"}})
	if w.Code != http.StatusServiceUnavailable || !b.in() {
		t.Errorf("status %d, signed in %v", w.Code, b.in())
	}
	if ok, err := h.people.CheckPassword(t.Context(), h.alice.ID, alicesPassword); !ok || err != nil {
		t.Error("changed without a counted try")
	}
}

// silent is counters that do not answer.
type silent struct{}

func (silent) Count(context.Context, string, time.Duration) (int, error) {
	return 0, errors.New("no answer")
}
func (silent) Forget(context.Context, string) error { return errors.New("no answer") }

func TestPeopleOfAPlaceDoNotSeeEachOther(t *testing.T) {
	h := newHospital(t, "")
	site := authn.Identity{Method: "local", Issuer: "foregate:network/room", Subject: "site:reading-room", User: "site:reading-room", Placed: true}
	mine, theirs := enterAs(t, h.Server, site), enterAs(t, h.Server, site)
	h.set.Load().methods["local"].Config = everywhere{}
	h.set.Load().methods["local"].opened.Store(nil)
	w := send(h.Server, "GET", "/sso/account", mine, nil)
	wantPage(t, "the page", w, http.StatusOK, "site:reading-room")
	if strings.Contains(w.Body.String(), "Sign out there") {
		t.Errorf("another reader is shown:\n%s", w.Body)
	}
	send(h.Server, "POST", "/sso/account/sessions", mine, url.Values{"others": {"1"}})
	wantIn(t, h.Server, theirs, true)
	if w := send(h.Server, "GET", "/sso/sign-out?choose=1", mine, nil); strings.Contains(w.Body.String(), "all my devices") {
		t.Error("offers to sign out the other readers")
	}
	send(h.Server, "POST", "/sso/sign-out", mine, url.Values{"everywhere": {"1"}})
	wantIn(t, h.Server, mine, false)
	wantIn(t, h.Server, theirs, true)
}

// everywhere is a method whose people are wherever the client is.
type everywhere struct{}

func (everywhere) Validate() error                             { return nil }
func (everywhere) Open(authn.Env) (authn.Authenticator, error) { return everywhere{}, nil }
func (everywhere) Here(netip.Addr) bool                        { return true }
func (everywhere) Begin(context.Context, *authn.Attempt) (authn.Reply, error) {
	return nil, errors.New("not asked for")
}
func (everywhere) Resume(context.Context, *authn.Attempt, *http.Request) (authn.Reply, error) {
	return nil, errors.New("not asked for")
}

func TestLD7EveryRefusalOfAnAccountTakesTheSameTime(t *testing.T) {
	h := newHospital(t, "")
	carol := h.account("carol", alicesPassword)
	if err := h.people.Disable(t.Context(), accounts.Context{Actor: "desk"}, carol.ID); err != nil {
		t.Fatal(err)
	}
	dora := h.account("dora", alicesPassword)
	if err := h.people.SetPassword(t.Context(), accounts.Context{Actor: "desk"}, dora.ID, ""); err != nil {
		t.Fatal(err)
	}
	names := []string{"alice", "alice@hospital.example", "carol", "dora", "nobody", "nobody@hospital.example"}
	took := make(map[string][]time.Duration)
	bodies := make(map[int]bool)
	for range 8 {
		for _, name := range names {
			b := &signingIn{t: t, s: h.Server, jar: make(map[string]string)}
			b.do("GET", "/sso/start/local", nil)
			start := time.Now()
			w := b.press("username", name, "password", "wrong "+alicesPassword)
			took[name] = append(took[name], time.Since(start))
			bodies[w.Body.Len()-len(name)] = true
			if w.Code != http.StatusUnprocessableEntity {
				t.Fatalf("%s: status %d", name, w.Code)
			}
		}
	}
	fastest := func(name string) time.Duration { return slices.Min(took[name]) }
	for _, name := range names[1:] {
		// A missing hash is a tenth; the machine may be busy.
		if other, known := fastest(name), fastest("alice"); other < known/3 || other > known*3 {
			t.Errorf("%s takes %v, alice %v", name, other, known)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("pages of %v bytes", bodies)
	}
}
