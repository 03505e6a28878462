package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/upstream"
)

// formulary is a hospital whose application knows its people by HTTP Basic alone, each by
// a name of their own.
type formulary struct {
	*hospital
	app *App

	mu    sync.Mutex
	knows map[string]string // passwords by name
	asked int
}

func newFormulary(t *testing.T) *formulary {
	t.Helper()
	f := &formulary{hospital: newHospital(t, ""), knows: map[string]string{"AARCHER": "HT11-first"}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.app = f.set.Load().hosts["app.test"]
	f.app.Look.Title, f.app.SelfService = "Formulary", true
	f.lead(srv.URL, upstream.Route{PerUser: true})
	return f
}

// lead makes the application an upstream with a route.
func (f *formulary) lead(to string, r upstream.Route) {
	f.t.Helper()
	var err error
	if r.URL, err = url.Parse(to); err != nil {
		f.t.Fatal(err)
	}
	f.app.Upstream, err = upstream.New(upstream.Config{Name: "app", Route: r, OwnCookie: f.Sessions.Own, StripCookies: f.Sessions.StripOwn, OnError: f.UpstreamFailed}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(f.app.Upstream.Close)
}

// ServeHTTP is the application.
func (f *formulary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	user, password, ok := r.BasicAuth()
	if !ok || f.knows[user] == "" || f.knows[user] != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="Formulary"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, "%s is %s", r.Header.Get("X-Forwarded-User"), user)
}

func (f *formulary) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *formulary) learn(user, password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.knows[user] = password
}

func (f *formulary) enter(account accounts.Account, user, password string) {
	f.t.Helper()
	if err := f.people.SetLogin(f.t.Context(), accounts.Context{Actor: "desk"}, account.ID, "app", accounts.Login{User: user, Password: authn.NewSecret(password)}); err != nil {
		f.t.Fatal(err)
	}
}

// jarHeader is what the browser sends as Cookie.
func (b *signingIn) jarHeader() string {
	var cookie []string
	for name, value := range b.jar {
		cookie = append(cookie, name+"="+value)
	}
	return strings.Join(cookie, "; ")
}

// script asks as a page's script does.
func (b *signingIn) script(target string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return send(b.s, "GET", target, b.jarHeader(), nil, append([]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Accept", "*/*"}, headers...)...)
}

func wantAnswer(t *testing.T, what string, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), body) {
		t.Errorf("%s: got %d %s, want %d %s", what, w.Code, w.Body, status, body)
	}
	if got := w.Header()["Www-Authenticate"]; got != nil {
		t.Errorf("%s: the browser is asked: %q", what, got)
	}
}

func TestPersonEntersTheirOwnLoginOnce(t *testing.T) {
	f := newFormulary(t)
	var log bytes.Buffer
	f.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b := f.browser("alice", alicesPassword)
	wantAnswer(t, "without one", b.do("GET", "/wards/7", nil), http.StatusForbidden, `href="/sso/account/application"`)
	wantAnswer(t, "a script without one", b.script("/wards/7"), http.StatusForbidden, "none are kept for you")
	if f.requests() != 0 {
		t.Error("the application was asked without one")
	}
	wantPage(t, "the account", b.do("GET", "/sso/account", nil), http.StatusOK, "Your name and password for Formulary", "None are kept yet.", `href="/sso/account/application"`)
	wantPage(t, "the form", b.do("GET", "/sso/account/application", nil), http.StatusOK, "Your name and password for Formulary", `name="app-secret" type="password"`)
	for _, wrong := range [][2]string{{"AARCHER", ""}, {"", "x"}, {"a:b", "x"}} {
		w := b.post("/sso/account/application", "app-user", wrong[0], "app-secret", wrong[1])
		wantPage(t, "unfit", w, http.StatusUnprocessableEntity, "Type both the name and the password")
	}
	wantTo(t, "entered", b.post("/sso/account/application", "app-user", "AARCHER", "app-secret", "HT11-first"), "/sso/account?done=login")
	wantPage(t, "the account", b.do("GET", "/sso/account?done=login", nil), http.StatusOK, "are kept. They are used from now on.", "Entered just now", "Back to Formulary")
	wantAnswer(t, "with it", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")
	wantAnswer(t, "a client's own", b.script("/wards/7", "Authorization", "Basic Ym9iOmJvYg=="), http.StatusOK, "alice is AARCHER")

	// The application wants another password now.
	f.learn("AARCHER", "HT11-second")
	wantPage(t, "refused", b.do("GET", "/wards/7", nil), http.StatusForbidden, "The application did not accept your password", "Enter those that you have now.", `href="/sso/account/application"`)
	wantAnswer(t, "a refused script", b.script("/wards/7"), http.StatusUnauthorized, "")
	form := b.do("GET", "/sso/account/application", nil)
	wantPage(t, "the form", form, http.StatusOK, "Remove them")
	if strings.Contains(form.Body.String(), "AARCHER") || strings.Contains(form.Body.String(), "HT11") {
		t.Error("what is kept is shown")
	}
	wantTo(t, "changed", b.post("/sso/account/application", "app-user", "AARCHER", "app-secret", "HT11-second"), "/sso/account?done=login")
	wantAnswer(t, "changed", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")

	b.do("GET", "/sso/account/application", nil)
	wantTo(t, "removed", b.post("/sso/account/application", "remove", "1"), "/sso/account?done=login-removed")
	wantTo(t, "removed twice", b.post("/sso/account/application", "remove", "1"), "/sso/account?done=login-removed")
	wantAnswer(t, "removed", b.do("GET", "/wards/7", nil), http.StatusForbidden, "One more thing, this once")

	events, err := f.people.Audit.List(t.Context(), accounts.Filter{Account: f.alice.ID, Limit: 3})
	if err != nil || events[0].Action != "login_remove" || events[1].Action != "login_set" || events[0].Actor != "alice" || events[0].App != "app" {
		t.Errorf("audit %+v, %v", events, err)
	}
	if log.Len() == 0 || strings.Contains(log.String(), "HT11") || strings.Contains(log.String(), "AARCHER") {
		t.Errorf("in the log:\n%s", log.String())
	}
}

func TestOwnLoginCostsNoLookUpAndAChangeHolds(t *testing.T) {
	f := newFormulary(t)
	f.learn("BBAKER", "other")
	f.enter(f.alice, "AARCHER", "HT11-first")
	b := f.browser("alice", alicesPassword)
	wantAnswer(t, "at first", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")
	f.Accounts = nil // whoever asked for it again would find nothing
	for range 50 {
		wantAnswer(t, "from memory", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")
	}
	f.Accounts = f.people
	f.enter(f.alice, "BBAKER", "other")
	wantAnswer(t, "changed by the desk", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is BBAKER")
	if err := f.people.RemoveLogin(t.Context(), accounts.Context{Actor: "desk"}, f.alice.ID, "app"); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, "removed by the desk", b.do("GET", "/wards/7", nil), http.StatusForbidden, "One more thing")
	f.Accounts = nil
	wantAnswer(t, "none is known from memory", b.do("GET", "/wards/7", nil), http.StatusForbidden, "none are kept for you")
	f.Accounts = f.people
	f.enter(f.alice, "AARCHER", "HT11-first")
	wantAnswer(t, "entered by the desk", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")
	if err := f.people.Disable(t.Context(), accounts.Context{Actor: "desk"}, f.alice.ID); err != nil {
		t.Fatal(err)
	}
	n := f.requests()
	if w := b.do("GET", "/wards/7", nil); w.Code != http.StatusFound || f.requests() != n {
		t.Errorf("after the end of the account: %d", w.Code)
	}
}

func TestHundredRequestsOfTwoPeopleKeepTheirOwnLogins(t *testing.T) {
	f := newFormulary(t)
	f.learn("BBAKER", "HT11-bob")
	bob := f.account("bob", "battery horse correct")
	f.enter(f.alice, "AARCHER", "HT11-first")
	f.enter(bob, "BBAKER", "HT11-bob")
	var all sync.WaitGroup
	for want, b := range map[string]*signingIn{"alice is AARCHER": f.browser("alice", alicesPassword), "bob is BBAKER": f.browser("bob", "battery horse correct")} {
		for range 50 {
			all.Go(func() { wantAnswer(t, want, b.script("/wards/7"), http.StatusOK, want) })
		}
	}
	all.Wait()
}

func TestOwnLoginNeedsARecentSignIn(t *testing.T) {
	f := newFormulary(t)
	wantPage(t, "asked for late", f.aged(11*time.Minute).do("GET", "/sso/account/application", nil), http.StatusForbidden, "Please sign in again", "rd=%2Fsso%2Faccount%2Fapplication")
	b := f.aged(21 * time.Minute)
	wantPage(t, "sent late", b.post("/sso/account/application", "app-user", "x", "app-secret", "y"), http.StatusForbidden, "Please sign in again")
	if all, err := f.people.Logins(t.Context(), f.alice.ID); err != nil || len(all) != 0 {
		t.Errorf("kept %v, %v", all, err)
	}
	b = f.browser("alice", alicesPassword)
	if w := send(f.Server, "POST", "/sso/account/application", b.jarHeader(), url.Values{"app-user": {"x"}, "app-secret": {"y"}}, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
}

func TestOwnLoginThatOperatorsEnter(t *testing.T) {
	f := newFormulary(t)
	f.app.SelfService = false
	b := f.browser("alice", alicesPassword)
	w := b.do("GET", "/wards/7", nil)
	wantAnswer(t, "none", w, http.StatusForbidden, "Ask the people who look after this application to enter them.")
	if strings.Contains(w.Body.String(), "/sso/account") {
		t.Error("leads to where nothing can be entered")
	}
	if w := b.do("GET", "/sso/account/application", nil); w.Code != http.StatusNotFound {
		t.Errorf("the form: %d", w.Code)
	}
	if w := b.do("GET", "/sso/account", nil); strings.Contains(w.Body.String(), "for Formulary") {
		t.Error("the account tells of it")
	}
	f.enter(f.alice, "AARCHER", "wrong")
	wantAnswer(t, "wrong", b.do("GET", "/wards/7", nil), http.StatusForbidden, "Ask the people who look after this application to enter the new ones.")
	f.enter(f.alice, "AARCHER", "HT11-first")
	wantAnswer(t, "right", b.do("GET", "/wards/7", nil), http.StatusOK, "alice is AARCHER")
}

func TestPersonWithoutAnAccountHasNoOwnLogin(t *testing.T) {
	f := newFormulary(t)
	cookie := sessionOf(t, f.Server)
	w := send(f.Server, "GET", "/wards/7", cookie, nil, "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
	wantAnswer(t, "the application", w, http.StatusForbidden, "One more thing")
	w = send(f.Server, "GET", "/sso/account/application", cookie, nil, "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
	wantPage(t, "the form", w, http.StatusForbidden, "You have no account here")
	if f.requests() != 0 {
		t.Error("the application was asked")
	}
}

func TestPlaceHasNoOwnLoginOfItsVisitors(t *testing.T) {
	f := newFormulary(t)
	f.set.Load().methods["local"].Config = everywhere{}
	f.set.Load().methods["local"].opened.Store(nil)
	room := f.account("reading-room", "some password here")
	cookie := enterAs(t, f.Server, authn.Identity{Method: "local", Issuer: accounts.Issuer, Subject: room.ID, User: "reading-room", Placed: true, Authenticated: time.Now()})
	as := []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin"}
	wantAnswer(t, "none", send(f.Server, "GET", "/wards/7", cookie, nil, as...), http.StatusForbidden, "Ask the people who look after this application to enter them.")
	for _, method := range []string{"GET", "POST"} {
		w := send(f.Server, method, "/sso/account/application", cookie, url.Values{"app-user": {"AARCHER"}, "app-secret": {"HT11-first"}}, as...)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: a visitor enters it: %d", method, w.Code)
		}
	}
	f.enter(room, "AARCHER", "HT11-first") // an operator may
	wantAnswer(t, "entered", send(f.Server, "GET", "/wards/7", cookie, nil, as...), http.StatusOK, "reading-room is AARCHER")
}

func TestProgramsHaveTheOwnLoginOfTheirPerson(t *testing.T) {
	w := newBasicWard(t, "")
	f := &formulary{hospital: w.hospital, knows: map[string]string{"AARCHER": "HT11-first", "BBAKER": "other"}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.app = w.set.Load().hosts["app.test"]
	f.lead(srv.URL, upstream.Route{PerUser: true})
	ask := func() *httptest.ResponseRecorder { return w.ask("alice", alicesPassword, "192.0.2.9") }
	wantAnswer(t, "without one", ask(), http.StatusForbidden, "none are kept for you")
	time.Sleep(1050 * time.Millisecond) // longer than programLogin
	f.enter(w.alice, "AARCHER", "HT11-first")
	wantAnswer(t, "with one", ask(), http.StatusOK, "alice is AARCHER")
	f.Accounts = nil // nobody is asked within a second
	wantAnswer(t, "again", ask(), http.StatusOK, "alice is AARCHER")
	f.Accounts = f.people
	f.enter(w.alice, "BBAKER", "other")
	time.Sleep(1050 * time.Millisecond) // longer than programLogin
	wantAnswer(t, "after a change", ask(), http.StatusOK, "alice is BBAKER")
	f.learn("BBAKER", "new")
	wantAnswer(t, "refused", ask(), http.StatusUnauthorized, "")
}
