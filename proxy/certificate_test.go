package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"foregate/authn"
	"foregate/cookies/memstore"
	"foregate/internal/certtest"
)

// byCard signs in whoever shows a certificate.
type byCard struct{ provider }

func (p *byCard) Open(authn.Env) (authn.Authenticator, error) { return p, nil }
func (*byCard) LooksAtCertificate()                           {}
func (*byCard) Authorities() []*x509.Certificate              { return nil }

func (p *byCard) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	if len(a.Shown.Chain) == 0 {
		return nil, authn.Invalid("No card was shown.", nil)
	}
	return authn.SignedIn{Identity: authn.Identity{Issuer: "ca", Subject: a.Shown.Chain[0].Subject.CommonName, User: a.Shown.Chain[0].Subject.CommonName, Authenticated: a.Began}}, nil
}

// TestASharedDeviceShowsNobodysCard: the method is neither offered nor taken there.
func TestASharedDeviceShowsNobodysCard(t *testing.T) {
	ca := certtest.New(t, "Staff CA")
	for _, shared := range []bool{true, false} {
		p := &freshly{provider: provider{says: says("idp", "nora", "nora@hospital.example")}}
		s := newServer(t, memstore.New(), mirror(t), nil,
			&Method{Name: "card", Title: "Sign in with your card", Config: &byCard{}}, &Method{Name: "local", Title: "Sign in with Microsoft", Config: p})
		app := s.Set().Apps()[0]
		app.Methods = []string{"card", "local"}
		app.Terms["card"] = app.Terms["local"]
		if shared {
			app.Shared = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}
		ask := func(target string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", "https://"+app.Hosts[0]+target, nil)
			r.Header.Set("Accept", "text/html")
			r.TLS = &tls.ConnectionState{ServerName: app.Hosts[0], PeerCertificates: certtest.Chain(t, ca.Person("Nora", ""))}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		if body := ask("/sso/sign-in?choose=1&rd=/").Body.String(); strings.Contains(body, "Sign in with your card") == shared {
			t.Errorf("shared %v: the page offers:\n%s", shared, body)
		}
		want := http.StatusSeeOther
		if shared {
			want = http.StatusForbidden
		}
		if w := ask("/sso/start/card?rd=/"); w.Code != want {
			t.Errorf("shared %v: %d, want %d\n%s", shared, w.Code, want, w.Body)
		}
	}
}

// TestTryOutLooksAtTheCertificate, and signs nobody in.
func TestTryOutLooksAtTheCertificate(t *testing.T) {
	s := newServer(t, memstore.New(), mirror(t), nil, &Method{Name: "card", Title: "Sign in with your card", Config: &byCard{}}, &Method{Name: "local", Config: &provider{}})
	s.Set().Apps()[0].Methods = []string{"card"}
	for shown, want := range map[bool]string{true: "Nora would be let in", false: "No card was shown."} {
		host, address, err := s.Ticket(t.Context(), "card", "", "token nightly")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "https://"+host+u.Path, strings.NewReader(url.Values{"ticket": {u.Query().Get("ticket")}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.TLS = &tls.ConnectionState{ServerName: host}
		if shown {
			r.TLS.PeerCertificates = certtest.Chain(t, certtest.New(t, "Staff CA").Person("Nora", ""))
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || strings.Contains(strings.Join(w.Header()["Set-Cookie"], ""), "foregate=") {
			t.Errorf("shown %v: %d, no %q in\n%s", shown, w.Code, want, w.Body)
		}
	}
}

// TestWhereAConnectionBelongsCostsNothing on the way of a signed-in request.
func TestWhereAConnectionBelongsCostsNothing(t *testing.T) {
	s := &Server{}
	r := httptest.NewRequest("GET", "https://app.example:8443/", nil)
	r.TLS = &tls.ConnectionState{ServerName: "app.example"}
	x := &exchange{host: "app.example:8443", app: &App{certified: true}}
	if n := testing.AllocsPerRun(100, func() {
		if err := s.misdirected(x, r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOtherMethodsAreNotGivenACertificate, even where a browser shows one.
func TestOtherMethodsAreNotGivenACertificate(t *testing.T) {
	s := &Server{}
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	r.TLS = &tls.ConnectionState{ServerName: "app.example", PeerCertificates: certtest.Chain(t, certtest.New(t, "Staff CA").Person("Nora", ""))}
	x := &exchange{host: "app.example"}
	for config, want := range map[authn.MethodConfig]int{&byCard{}: 1, &byDevice{}: 0} {
		got, err := s.shown(x, r, &Method{Config: config})
		if err != nil || len(got.Chain) != want {
			t.Errorf("%T: %d certificates, %v", config, len(got.Chain), err)
		}
	}
}
