package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// ender is a method whose provider ends sessions, and says so as the test wants.
type ender struct {
	authn.Authenticator
	ended authn.Ended
	err   error
}

func (e *ender) Validate() error                                            { return nil }
func (e *ender) Open(authn.Env) (authn.Authenticator, error)                { return e, nil }
func (e *ender) FrameOrigin() string                                        { return "https://idp.test" }
func (e *ender) Logout(context.Context, *http.Request) (authn.Ended, error) { return e.ended, e.err }

// stumbling is a store that fails to delete for a while.
type stumbling struct {
	*memstore.Store
	fails atomic.Int32
}

func (s *stumbling) Delete(ctx context.Context, key string) error {
	if s.fails.Add(-1) >= 0 {
		return errors.New("the store stumbles")
	}
	return s.Store.Delete(ctx, key)
}

// mirror is an application that answers with what it is told of the person.
func mirror(t *testing.T) *url.URL {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("X-Forwarded-User") + " " + r.Header.Get("X-Forwarded-Groups")))
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// enterAs returns the Cookie header of a new session.
func enterAs(t *testing.T, s *Server, id authn.Identity) string {
	t.Helper()
	w := httptest.NewRecorder()
	_, err := s.Sessions.Start(t.Context(), w, httptest.NewRequest("GET", "/", nil), false, cookies.Opening{Audience: "app:app", Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}, id)
	if err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}

func person(name, sid string) authn.Identity {
	return authn.Identity{Method: "local", Issuer: "https://idp.test", Subject: name, User: name, SID: sid}
}

func send(s *Server, method, target, cookie string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://app.test"+target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func wantIn(t *testing.T, s *Server, cookie string, in bool) {
	t.Helper()
	want := http.StatusUnauthorized
	if in {
		want = http.StatusOK
	}
	if got := send(s, "GET", "/sso/session", cookie, nil).Code; got != want {
		t.Errorf("session: got status %d, want %d", got, want)
	}
}

func logoutForm() url.Values { return url.Values{"logout_token": {"x"}} }

func TestOI12BackChannelEndsSessions(t *testing.T) {
	e := &ender{}
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Config: e})
	one, two, bob := enterAs(t, s, person("alice", "s1")), enterAs(t, s, person("alice", "s2")), enterAs(t, s, person("bob", "s3"))

	e.ended = authn.Ended{Issuer: "https://idp.test", SID: "s1"}
	w := send(s, "POST", "/sso/backchannel/local", "", logoutForm())
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() != 0 {
		t.Errorf("got %d, %v, %q", w.Code, w.Header(), w.Body)
	}
	wantIn(t, s, one, false)
	wantIn(t, s, two, true)
	wantIn(t, s, bob, true)

	again := enterAs(t, s, person("alice", "s1"))
	e.ended = authn.Ended{Issuer: "https://idp.test", Subject: "alice"}
	if w := send(s, "POST", "/sso/backchannel/local", "", logoutForm()); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
	wantIn(t, s, again, false)
	wantIn(t, s, two, false)
	wantIn(t, s, bob, true)
}

func TestOI12BackChannelRefusesInItsOwnWords(t *testing.T) {
	e := &ender{ended: authn.Ended{Issuer: "https://idp.test", Subject: "alice"}}
	store := &stumbling{Store: memstore.New()}
	s := newServer(t, store, mirror(t), nil, &Method{Name: "local", Config: e})
	alice := enterAs(t, s, person("alice", "s1"))
	const invalid, later = `{"error":"invalid_request"}`, `{"error":"temporarily_unavailable"}`
	large := url.Values{"logout_token": {strings.Repeat("a", maxLogout)}}
	for name, test := range map[string]struct {
		err    error
		form   url.Values
		status int
		body   string
	}{
		"wrong token":          {authn.Invalid("no", errors.New("no")), logoutForm(), 400, invalid},
		"provider unreachable": {authn.Unavailable("no", errors.New("no")), logoutForm(), 503, later},
		"unknown fault":        {errors.New("no"), logoutForm(), 503, later},
		"too large":            {nil, large, 400, invalid},
	} {
		e.err = test.err
		w := send(s, "POST", "/sso/backchannel/local", "", test.form)
		if w.Code != test.status || strings.TrimSpace(w.Body.String()) != test.body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d, %q, %v", name, w.Code, w.Body, w.Header())
		}
		if retry := w.Header().Get("Retry-After"); (retry != "") != (test.status == 503) {
			t.Errorf("%s: Retry-After %q", name, retry)
		}
	}
	wantIn(t, s, alice, true)

	e.err = nil
	if w := send(s, "GET", "/sso/backchannel/local", "", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", w.Code)
	}
	if w := send(s, "POST", "/sso/backchannel/other", "", logoutForm()); w.Code != http.StatusNotFound {
		t.Errorf("unknown method: got %d", w.Code)
	}
	wantIn(t, s, alice, true)

	store.fails.Store(revokeTries - 1) // stumbles, and is asked again
	if w := send(s, "POST", "/sso/backchannel/local", "", logoutForm()); w.Code != http.StatusOK {
		t.Errorf("stumbling store: got %d", w.Code)
	}
	wantIn(t, s, alice, false)

	alice = enterAs(t, s, person("alice", "s1"))
	store.fails.Store(revokeTries)
	if w := send(s, "POST", "/sso/backchannel/local", "", logoutForm()); w.Code != 503 {
		t.Errorf("store down: got %d", w.Code)
	}
	wantIn(t, s, alice, true)
}

func TestOI12FrontChannelEndsItsOwnSessionOnly(t *testing.T) {
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Config: &ender{}})
	alice, unnamed := enterAs(t, s, person("alice", "s1")), enterAs(t, s, person("alice", ""))
	elsewhere := person("alice", "s1")
	elsewhere.Method = "other"
	other := enterAs(t, s, elsewhere)
	const right = "?iss=https%3A%2F%2Fidp.test&sid=s1"
	for name, test := range map[string]struct{ method, query, cookie string }{
		"nobody":              {"GET", right, ""},
		"foreign session":     {"GET", "?iss=https%3A%2F%2Fidp.test&sid=s2", alice},
		"foreign issuer":      {"GET", "?iss=https%3A%2F%2Fother.test&sid=s1", alice},
		"no names":            {"GET", "", alice},
		"empty names":         {"GET", "?iss=https%3A%2F%2Fidp.test&sid=", unnamed},
		"two session IDs":     {"GET", right + "&sid=s2", alice},
		"looked at":           {"HEAD", right, alice},
		"by another method":   {"GET", right, other},
		"session without one": {"GET", right, unnamed},
	} {
		w := send(s, test.method, "/sso/frontchannel/local"+test.query, test.cookie, nil)
		wantFramed(t, name, w)
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: set a cookie", name)
		}
	}
	for _, cookie := range []string{alice, unnamed, other} {
		wantIn(t, s, cookie, true)
	}
	wantFramed(t, "the right one", send(s, "GET", "/sso/frontchannel/local"+right, alice, nil))
	wantIn(t, s, alice, false)
	wantIn(t, s, other, true)
	if w := send(s, "GET", "/sso/sign-out", "", nil); !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Error("another page can be framed")
	}
}

// wantFramed wants the one answer there is, whatever happened.
func wantFramed(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	if w.Code != http.StatusOK || w.Body.Len() != 0 || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "" ||
		!strings.HasSuffix(h.Get("Content-Security-Policy"), "; frame-ancestors https://idp.test") {
		t.Errorf("%s: got %d, %v, %q", name, w.Code, h, w.Body)
	}
}

func TestSignOutEverywhere(t *testing.T) {
	store := &stumbling{Store: memstore.New()}
	s := newServer(t, store, mirror(t), nil, &Method{Name: "local", Config: &ender{}})
	page := send(s, "GET", "/sso/sign-out?choose=1", enterAs(t, s, person("alice", "")), nil,
		"Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1", "Sec-Fetch-Dest", "document")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `name="everywhere" value="1"`) {
		t.Errorf("no choice on the page: %d, %s", page.Code, page.Body)
	}
	here, there, bob := enterAs(t, s, person("alice", "s1")), enterAs(t, s, person("alice", "s2")), enterAs(t, s, person("bob", ""))
	everywhere := url.Values{"everywhere": {"1"}}
	if w := send(s, "POST", "/sso/sign-out", here, everywhere, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("another site: got %d", w.Code)
	}
	wantIn(t, s, there, true)
	if w := send(s, "POST", "/sso/sign-out", here, url.Values{}, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusSeeOther {
		t.Errorf("here alone: got %d", w.Code)
	}
	wantIn(t, s, here, false)
	wantIn(t, s, there, true)

	here = enterAs(t, s, person("alice", "s1"))
	if w := send(s, "POST", "/sso/sign-out", here, everywhere, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusSeeOther {
		t.Errorf("everywhere: got %d", w.Code)
	}
	wantIn(t, s, here, false)
	wantIn(t, s, there, false)
	wantIn(t, s, bob, true)
}
