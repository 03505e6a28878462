package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// teller is a provider that notes what it sees.
type teller struct {
	provider
	err error
}

func (p *teller) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (p *teller) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	a.Values = nil // a method may keep what it likes
	a.Trial.Check("Signed with", "CN=idp.test")
	a.Trial.Send("ward", "7")
	a.Trial.Make("e-mail address", []string{"mail", "email"}, "")
	if p.err != nil {
		return nil, p.err
	}
	return p.provider.Resume(ctx, a, r)
}

// trying is a server with one method, and a browser with a ticket for it.
func trying(t *testing.T, p *teller) (*Server, *signingIn, string) {
	t.Helper()
	s := newServer(t, memstore.New(), mirror(t), []Rule{{Path: "/admin/**", Allow: SignedIn, Groups: []string{"admins"}}, {Allow: SignedIn}}, &Method{Name: "local", Title: "Sign in with Microsoft", Config: p})
	host, address, err := s.Ticket(t.Context(), "local", "", "token nightly")
	if err != nil || host != "app.test" || !strings.HasPrefix(address, "/sso/try/local?ticket=") {
		t.Fatalf("%q %q %v", host, address, err)
	}
	return s, &signingIn{t: t, s: s, jar: make(map[string]string)}, address
}

// goThrough tries, up to what the provider's answer shows.
func goThrough(t *testing.T, b *signingIn, address string) *httptest.ResponseRecorder {
	t.Helper()
	if w := b.do("GET", address, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Nobody is signed in") {
		t.Fatalf("status %d:\n%s", w.Code, w.Body)
	}
	w := b.do("POST", "/sso/try/local", b.hidden)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Host != "idp.test" {
		t.Fatalf("status %d, to %q:\n%s", w.Code, to, w.Body)
	}
	return b.do("GET", "/sso/callback/local?state="+to.Query().Get("state"), nil)
}

func TestTryOutShowsWhatWouldBecomeOfAPersonAndSignsNobodyIn(t *testing.T) {
	s, b, address := trying(t, &teller{provider: provider{says: says("idp", "nora", "nora@hospital.example")}})
	w := goThrough(t, b, address)
	for _, want := range []string{
		"It works", "nora would be let in", "Signed with", "CN=idp.test", "ward", "e-mail address: the provider sent none of mail, email",
		"nora@hospital.example", "/admin/**; allow signed_in; groups admins", "in none of the rule&#39;s groups", "X-Forwarded-User",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in:\n%s", want, w.Body)
		}
	}
	for name := range b.jar {
		if !strings.Contains(name, "attempt") {
			t.Errorf("the browser got the cookie %s", name)
		}
	}
	if w := b.do("GET", "/wards/7", nil); w.Code == http.StatusOK {
		t.Errorf("the application: %d %s", w.Code, w.Body)
	}
	if all, err := s.Sessions.List(t.Context(), func(cookies.Listed) bool { return true }, 10); err != nil || len(all) > 0 {
		t.Errorf("sessions %+v, %v", all, err)
	}
	if w := b.do("GET", address, nil); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "used already") {
		t.Errorf("the ticket again: %d %s", w.Code, w.Body)
	}
}

func TestTryOutSaysWhyNobodyGetsIn(t *testing.T) {
	_, b, address := trying(t, &teller{err: authn.Refused("The sign-in service did not tell us your user name.", context.DeadlineExceeded)})
	w := goThrough(t, b, address)
	for _, want := range []string{"It does not work yet", "People would read: “The sign-in service did not tell us your user name.”", "deadline exceeded", "CN=idp.test", "ward"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in:\n%s", want, w.Body)
		}
	}
}

func TestTicketsAreForOneMethodAtOneAppAndFromOurPages(t *testing.T) {
	s, b, address := trying(t, &teller{provider: provider{says: says("idp", "nora", "nora@hospital.example")}})
	for _, no := range []string{"/sso/try/local", "/sso/try/local?ticket=", "/sso/try/local?ticket=" + strings.Repeat("A", 72), "/sso/try/other?" + strings.SplitN(address, "?", 2)[1]} {
		if w := b.do("GET", no, nil); w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", no, w.Code)
		}
	}
	b.do("GET", address, nil)
	r := httptest.NewRequest("POST", "http://app.test/sso/try/local", strings.NewReader(b.hidden.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.test")
	foreign := httptest.NewRecorder()
	s.ServeHTTP(foreign, r)
	if foreign.Code != http.StatusForbidden {
		t.Errorf("a form of another site: %d", foreign.Code)
	}
	for _, no := range [][2]string{{"other", ""}, {"local", "other"}} {
		if _, _, err := s.Ticket(t.Context(), no[0], no[1], "x"); err == nil {
			t.Errorf("%q: a ticket", no)
		}
	}
}

// A sign-in that is no try-out stays one, whatever its address says.
func TestNobodyElseTries(t *testing.T) {
	_, b, _ := trying(t, &teller{provider: provider{says: says("idp", "nora", "nora@hospital.example")}})
	w := b.do("GET", "/sso/start/local?try=x&ticket=y", nil)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if w := b.do("GET", "/sso/callback/local?state="+to.Query().Get("state"), nil); w.Code != http.StatusSeeOther {
		t.Errorf("status %d:\n%s", w.Code, w.Body)
	}
	if w := b.do("GET", "/wards/7", nil); w.Code != http.StatusOK {
		t.Errorf("the application: %d", w.Code)
	}
}

// handing is a partner whose page sends people back with a token in the query.
type handing struct{ teller }

func (p *handing) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (p *handing) Recognize(r *http.Request) (string, bool) {
	return r.URL.Path, r.URL.Query().Has("token")
}

func TestTryOutOfAHandOffTakesTheTokenOnAnyAddress(t *testing.T) {
	p := &handing{teller{provider: provider{says: says("partner", "nora", "nora@hospital.example")}}}
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Config: p})
	_, address, err := s.Ticket(t.Context(), "local", "", "x")
	if err != nil {
		t.Fatal(err)
	}
	b := &signingIn{t: t, s: s, jar: make(map[string]string)}
	b.do("GET", address, nil)
	if w := b.do("POST", "/sso/try/local", b.hidden); w.Code != http.StatusSeeOther {
		t.Fatalf("status %d", w.Code)
	}
	if w := b.do("GET", "/wards/7?token=x", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "It works") {
		t.Errorf("status %d:\n%s", w.Code, w.Body)
	}
	if w := b.do("GET", "/wards/7", nil); w.Code == http.StatusOK {
		t.Error("a try-out made a session")
	}
	if w := b.do("GET", "/wards/7?token=x", nil); w.Code != http.StatusSeeOther {
		t.Errorf("the next hand-off, which is none: %d", w.Code)
	}
}
