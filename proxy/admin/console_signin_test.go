package admin

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
)

func TestConsoleAsksWhoItIsAndLeadsBack(t *testing.T) {
	h := openHouse(t)
	h.add(alice())
	b := h.browser()
	b.get("/people?q=alice").leads(t, "/sign-in?rd=%2Fpeople%3Fq%3Dalice")
	b.get("/sign-in?rd=%2Fpeople%3Fq%3Dalice").want(t, http.StatusOK, "Admin token", `name="rd" value="/people?q=alice"`)
	wrong := b.post("/sign-in", url.Values{"token": {"wrong"}, "rd": {"/people?q=alice"}})
	wrong.want(t, http.StatusUnauthorized, "That is not right", `aria-invalid="true"`)
	if len(wrong.Cookies()) != 0 || strings.Contains(wrong.body, `value="wrong"`) {
		t.Errorf("a cookie for nothing, or what was typed: %v", wrong.Cookies())
	}
	b.post("/sign-in", url.Values{"token": {tokenOf("desk") + " "}, "rd": {"/people?q=alice"}}).leads(t, "/people?q=alice")
	b.get("/people?q=alice").want(t, http.StatusOK, "Alice Archer", "token desk", "manages access")
	b.get("/").leads(t, "/people")
	b.get("/sign-in?rd=%2Faudit").leads(t, "/audit")
	b.get("/nowhere").want(t, http.StatusNotFound, "There is nothing here")
}

func TestCookieOfTheConsoleIsShutIn(t *testing.T) {
	h := openHouse(t)
	res := h.browser().post("/sign-in", url.Values{"token": {tokenOf("owner")}})
	if len(res.Cookies()) != 1 {
		t.Fatalf("cookies: %v", res.Cookies())
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != int(passIdle/time.Second) || c.Secure {
		t.Errorf("%+v", c)
	}
	if strings.Contains(c.Value, tokenOf("owner")) || len(c.Value) < 64 {
		t.Errorf("the value is not sealed: %q", c.Value)
	}
	// Over TLS it goes over TLS alone.
	console, err := NewConsole(Parts{Sessions: h.sessions, Guard: h.guard, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "https://admin.hospital.example/sign-in", strings.NewReader(url.Values{"token": {tokenOf("owner")}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	console.ServeHTTP(w, r)
	if got := w.Result().Cookies(); len(got) != 1 || !got[0].Secure || got[0].Name != "__Host-foregate_admin" {
		t.Errorf("over TLS: %v", got)
	}
	for cookie, want := range map[string]int{w.Result().Cookies()[0].String(): http.StatusOK, PassCookie + "=" + c.Value: http.StatusSeeOther} {
		r := httptest.NewRequest("GET", "https://admin.hospital.example/sessions", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		if console.ServeHTTP(w, r); w.Code != want {
			t.Errorf("over TLS with %s: %d, want %d", cookie, w.Code, want)
		}
	}
}

func TestVisitToTheConsoleEnds(t *testing.T) {
	t.Run("after half an hour without a click", func(t *testing.T) {
		h := openHouse(t)
		b := h.as("desk")
		for range 3 {
			h.later(passIdle - time.Second)
			b.get("/people").want(t, http.StatusOK)
		}
		h.later(passIdle)
		b.get("/people").leads(t, "/sign-in?rd=%2Fpeople")
	})
	t.Run("after eight hours whatever happens", func(t *testing.T) {
		h := openHouse(t)
		b := h.as("desk")
		for range int(passLife / (20 * time.Minute)) {
			b.get("/people").want(t, http.StatusOK)
			h.later(20 * time.Minute)
		}
		b.get("/people").leads(t, "/sign-in?rd=%2Fpeople")
	})
	t.Run("by signing out, for copies of the cookie too", func(t *testing.T) {
		h := openHouse(t)
		b := h.as("desk")
		at, _ := url.Parse(h.url)
		copied := b.Jar.Cookies(at)[0].String()
		b.post("/sign-out", nil).leads(t, "/sign-in?done=signed-out")
		b.get("/sign-in?done=signed-out").want(t, http.StatusOK, "You are signed out.")
		b.get("/people").leads(t, "/sign-in?rd=%2Fpeople")
		h.browser().send("GET", "/people", "", "", "Cookie", copied).leads(t, "/sign-in?rd=%2Fpeople")
	})
	t.Run("when the token is taken away", func(t *testing.T) {
		h := openHouse(t)
		b := h.as("desk")
		h.guard.Use(Rules{Tokens: []Token{{Name: "desk", Role: Desk, Secret: authn.NewSecret(tokenOf("a new one"))}}})
		b.get("/people").leads(t, "/sign-in?rd=%2Fpeople")
	})
	t.Run("by another role from the next click", func(t *testing.T) {
		h := openHouse(t)
		b := h.as("owner")
		h.guard.Use(Rules{Tokens: []Token{{Name: "owner", Role: Viewer, Secret: authn.NewSecret(tokenOf("owner"))}}})
		b.get("/people/new").want(t, http.StatusForbidden)
	})
}

func TestAccountThatIsAllowedSignsIn(t *testing.T) {
	h := openHouse(t)
	const password = "a password for all of the tests"
	a := h.add(alice())
	if err := h.people.SetPassword(t.Context(), accounts.Context{Actor: "test"}, a.ID, password); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	if res := b.get("/sign-in"); strings.Contains(res.body, `name="password"`) {
		t.Error("a field for passwords, and no account is allowed")
	}
	h.guard.Use(Rules{})
	b.get("/sign-in").want(t, http.StatusOK, "Nobody can sign in here yet.")
	h.guard.Use(Rules{Allowed: []Allowed{{User: "alice", Role: Desk, Organisation: "st-elsewhere"}}})
	if res := b.get("/sign-in"); !strings.Contains(res.body, `name="password"`) || strings.Contains(res.body, "Nobody can sign in") {
		t.Error("no field for passwords, or no hope")
	}
	wrong := b.post("/sign-in", url.Values{"user": {"alice"}, "password": {"wrong"}})
	wrong.want(t, http.StatusUnauthorized, "That is not right", `value="alice"`)
	b.post("/sign-in", url.Values{"user": {"alice"}, "password": {password}}).leads(t, "/")
	b.get("/people").want(t, http.StatusOK, "admin alice", "for st-elsewhere")
	if err := h.people.Disable(t.Context(), accounts.Context{Actor: "test"}, a.ID); err != nil {
		t.Fatal(err)
	}
	b.get("/people").leads(t, "/sign-in?rd=%2Fpeople")
}

// TestConsoleLeadsNowhereElse with an address that somebody has put into a link.
func TestConsoleLeadsNowhereElse(t *testing.T) {
	h := openHouse(t)
	for _, rd := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, `\/evil.example`, "javascript:alert(1)", "people", "", "/\t/evil.example", "/sign-out", "///evil.example", "/people\r\nX: y", "http:/evil.example"} {
		h.browser().post("/sign-in", url.Values{"token": {tokenOf("desk")}, "rd": {rd}}).leads(t, "/")
		if res := h.browser().get("/sign-in?" + url.Values{"rd": {rd}}.Encode()); strings.Contains(res.body, "evil.example") {
			t.Errorf("%q is on the page", rd)
		}
	}
}

// TestOtherSitesPressNoButton tries what a page of another origin can have a browser do.
func TestOtherSitesPressNoButton(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	h.begin(a)
	before := stateOf(t, h, a)
	owner := h.as("owner")
	const form = "application/x-www-form-urlencoded"
	for name, header := range map[string][]string{
		"cross-site":              {"Sec-Fetch-Site", "cross-site"},
		"same-site":               {"Sec-Fetch-Site", "same-site"},
		"another origin":          {"Origin", "https://evil.example"},
		"no origin at all":        {"Origin", "null"},
		"our address as a prefix": {"Origin", h.url + ".evil.example"},
	} {
		for _, d := range doors() {
			method, address := addressOf(d.pattern, a)
			if method == "POST" {
				owner.send(method, address, everyField(a).Encode(), form, header...).want(t, http.StatusForbidden, "That came from another site")
			}
		}
		owner.send("POST", "/sign-out", "", form, header...).want(t, http.StatusForbidden)
		owner.send("POST", "/sign-in", url.Values{"token": {tokenOf("viewer")}}.Encode(), form, header...).want(t, http.StatusForbidden)
		if diff := cmpState(before, stateOf(t, h, a)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
	}
	owner.get("/people").want(t, http.StatusOK, "token owner") // still there
	// And what our own pages send is taken, also where browsers send no Sec-Fetch-Site.
	owner.send("POST", "/people/"+a.ID+"/disable", "", form, "Origin", h.url).leads(t, "/people/"+a.ID+"?done=disable")
}

func TestEveryAnswerOfTheConsoleHasTheHeaders(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	owner := h.as("owner")
	for name, res := range map[string]response{
		"a page": owner.get("/people"), "a redirect": owner.get("/"), "a person": owner.get("/people/" + a.ID), "nothing": owner.get("/nowhere"), "refused": h.as("viewer").get("/people/new"),
		"signed out": h.browser().get("/people"), "sign-in": h.browser().get("/sign-in"), "another site": owner.send("POST", "/sign-out", "", "", "Sec-Fetch-Site", "cross-site"),
		"a bad form": owner.send("POST", "/people/new", "%zz", "application/x-www-form-urlencoded"), "too long": owner.post("/people/new", url.Values{"name": {strings.Repeat("a", maxAsked)}}),
	} {
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s: %q, want %q", name, header, got, want)
			}
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
	owner.send("POST", "/people/new", "%zz", "application/x-www-form-urlencoded").want(t, http.StatusBadRequest, "cannot be read")
	owner.post("/people/new", url.Values{"name": {strings.Repeat("a", maxAsked)}}).want(t, http.StatusRequestEntityTooLarge)
	owner.send("DELETE", "/people/"+a.ID, "", "", "Sec-Fetch-Site", "same-origin").want(t, http.StatusNotFound)
}

// TestTokenOfAScriptOpensNoPage: it is for the API, and a page is for people.
func TestTokenOfAScriptOpensNoPage(t *testing.T) {
	h := openHouse(t)
	res := h.browser().send("GET", "/people", "", "", "Authorization", "Bearer "+tokenOf("owner"))
	res.leads(t, "/sign-in?rd=%2Fpeople")
	h.as("viewer").send("GET", "/people/new", "", "", "Authorization", "Bearer "+tokenOf("owner")).want(t, http.StatusForbidden)
}

func TestConsoleWithoutAccountsShowsTheRest(t *testing.T) {
	h := openHouse(t)
	guard, err := NewGuard([][]byte{[]byte("0123456789abcdef0123456789abcdef")}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	guard.Use(Rules{Tokens: []Token{{Name: "owner", Role: Owner, Secret: authn.NewSecret(tokenOf("owner"))}}})
	parts := Parts{Sessions: h.sessions, Guard: guard, Log: slog.New(slog.DiscardHandler), Methods: func() []MethodState { return nil }}
	console, err := NewConsole(parts)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(NewListener(ListenerParts{Metrics: NewMetrics("test"), Ready: func(context.Context) error { return nil }, API: NewAPI(parts), Console: console, Guard: guard, Near: true}))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	b := h.as("owner")
	b.get("/").leads(t, "/sessions")
	res := b.get("/sessions")
	res.want(t, http.StatusOK, "Nobody is signed in.")
	if strings.Contains(res.body, `href="/people"`) || strings.Contains(res.body, `href="/audit"`) {
		t.Error("pages about people, and there are none")
	}
	b.get("/people").want(t, http.StatusNotFound)
}
