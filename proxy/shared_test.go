package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

// onWard is a server at which the devices of 192.0.2.0/24, from where tests ask, are shared.
func onWard(t *testing.T, shared bool) (*Server, *freshly, *signingIn) {
	t.Helper()
	p := &freshly{provider: provider{says: says("idp", "nora", "nora@hospital.example")}}
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "local", Title: "Sign in with Microsoft", Config: p})
	if app := s.Set().Apps()[0]; shared {
		app.Shared = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		app.Terms["local"] = Terms{Limits: app.Terms["local"].Limits, Reentry: true, Current: time.Hour}
	}
	return s, p, &signingIn{t: t, s: s, jar: make(map[string]string)}
}

// freshly notes whether people had to prove anew who they are.
type freshly struct {
	provider
	asked []bool
}

func (p *freshly) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (p *freshly) Begin(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
	p.asked = append(p.asked, a.Fresh)
	return p.provider.Begin(ctx, a)
}

func (b *signingIn) enter() *httptest.ResponseRecorder {
	b.t.Helper()
	to, err := url.Parse(b.do("GET", "/sso/start/local?rd=/wards/7", nil).Header().Get("Location"))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do("GET", "/sso/callback/local?state="+to.Query().Get("state"), nil)
}

func TestSharedDevicesKeepNothingOfAPerson(t *testing.T) {
	for _, shared := range []bool{true, false} {
		_, p, b := onWard(t, shared)
		if w := b.enter(); w.Code != http.StatusSeeOther {
			t.Fatalf("status %d", w.Code)
		}
		if p.asked[0] != shared {
			t.Errorf("shared %v: the provider asks who is there: %v", shared, p.asked[0])
		}
		for _, name := range []string{"foregate-way"} {
			if _, kept := b.jar[name]; kept && shared {
				t.Errorf("the cookie %s stays", name)
			}
		}
		if got := b.do("GET", "/wards/7", nil).Header().Get("Cache-Control"); (got == "no-store") != shared {
			t.Errorf("shared %v: Cache-Control of a page: %q", shared, got)
		}
		if body := b.do("GET", "/sso/session", nil).Body.String(); strings.Contains(body, `"shared":true`) != shared {
			t.Errorf("shared %v: %s", shared, body)
		}
		w := b.do("POST", "/sso/sign-out", url.Values{})
		if got := w.Header().Get("Clear-Site-Data"); (got == `"cache", "cookies", "storage"`) != shared {
			t.Errorf("shared %v: Clear-Site-Data %q", shared, got)
		}
	}
}

func TestNobodyRefreshesIntoASessionOfASharedDevice(t *testing.T) {
	s, _, _ := onWard(t, true)
	x := &exchange{app: s.Set().Apps()[0], client: netip.MustParseAddr("192.0.2.7")}
	sess := &cookies.Session{Identity: authn.Identity{Method: "local", Issuer: "idp", Subject: "nora", User: "nora", Authenticated: time.Now()}}
	if s.mayReenter(x, nil, s.Set(), sess) {
		t.Error("at a shared device")
	}
	x.client = netip.MustParseAddr("198.51.100.7")
	if !s.mayReenter(x, nil, s.Set(), sess) {
		t.Error("elsewhere nobody can come back")
	}
}

// byDevice asks the browser and not the person, as Kerberos does.
type byDevice struct{ provider }

func (p *byDevice) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (*byDevice) Near(netip.Addr) bool                          { return true }

func TestASharedDeviceIsNotAskedWhoIsThere(t *testing.T) {
	for _, shared := range []bool{true, false} {
		device := &byDevice{provider{says: says("domain", "ward7", "ward7@hospital.example")}}
		p := &freshly{provider: provider{says: says("idp", "nora", "nora@hospital.example")}}
		s := newServer(t, memstore.New(), mirror(t), nil,
			&Method{Name: "pc", Title: "Sign in with this PC", Config: device}, &Method{Name: "local", Title: "Sign in with Microsoft", Config: p})
		app := s.Set().Apps()[0]
		app.Methods = []string{"pc", "local"}
		app.Terms["pc"] = app.Terms["local"]
		if shared {
			app.Shared = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}
		b := &signingIn{t: t, s: s, jar: make(map[string]string)}
		if body := b.do("GET", "/sso/sign-in?choose=1&rd=/", nil).Body.String(); strings.Contains(body, "Sign in with this PC") == shared {
			t.Errorf("shared %v: the page offers:\n%s", shared, body)
		}
		w := b.do("GET", "/sso/start/pc?rd=/", nil)
		if refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "Several people use this device"); refused != shared {
			t.Errorf("shared %v: %d %s", shared, w.Code, w.Body)
		}
	}
}

// TestSomebodyElse ends the session of who is named, and has the provider ask who is there,
// also where the session was away already.
func TestSomebodyElse(t *testing.T) {
	for _, away := range []bool{false, true} {
		s, p, b := onWard(t, false)
		terms := s.Set().Apps()[0].Terms
		terms["local"] = Terms{Limits: cookies.Limits{Idle: 50 * time.Millisecond, Lifetime: time.Hour}, Reentry: true, Current: time.Hour}
		if !away {
			terms["local"] = Terms{Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}
		}
		b.enter()
		page := "/sso/sign-out?choose=1"
		if away {
			time.Sleep(60 * time.Millisecond)
			page = "/sso/sign-in?rd=/wards/7"
		}
		if w := b.do("GET", page, nil); !strings.Contains(w.Body.String(), "I am somebody else") {
			t.Fatalf("away %v: status %d:\n%s", away, w.Code, w.Body)
		}
		w := b.do("POST", "/sso/sign-out", url.Values{"else": {"1"}})
		if at := w.Header().Get("Location"); w.Code != http.StatusSeeOther || at != "/sso/sign-in?choose=1&fresh=1&rd=%2F" {
			t.Fatalf("away %v: status %d, to %q", away, w.Code, at)
		}
		if w = b.do("GET", "/sso/sign-in?choose=1&fresh=1&rd=%2F", nil); strings.Contains(w.Body.String(), "Continue as") {
			t.Errorf("away %v: the one before is still named", away)
		}
		_, start, _ := strings.Cut(w.Body.String(), `href="/sso/start/`)
		start, _, _ = strings.Cut(start, `"`)
		b.do("GET", "/sso/start/"+strings.ReplaceAll(start, "&amp;", "&"), nil)
		if !p.asked[len(p.asked)-1] {
			t.Errorf("away %v: the provider does not ask who is there", away)
		}
	}
}

func TestSessionsOnSharedDevicesEndSooner(t *testing.T) {
	for _, shared := range []bool{true, false} {
		s, _, b := onWard(t, shared)
		app := s.Set().Apps()[0]
		app.SharedIdle = 50 * time.Millisecond
		app.Terms["local"] = Terms{Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}
		b.enter()
		time.Sleep(60 * time.Millisecond)
		if w := b.do("GET", "/wards/7", nil); (w.Code == http.StatusFound) != shared {
			t.Errorf("shared %v: status %d", shared, w.Code)
		}
	}
}
