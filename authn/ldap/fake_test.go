package ldap

import (
	"net"
	"strings"
	"testing"

	"github.com/jimlambrt/gldap"

	"foregate/authn"
)

// fake answers what no real server can be made to.
type fake struct {
	bind   gldap.HandlerFunc
	search gldap.HandlerFunc
}

const fakeBase = "dc=fake,dc=example"

// start serves the fake and returns its address.
func (f fake) start(t *testing.T) string {
	t.Helper()
	s, err := gldap.NewServer(gldap.WithDisablePanicRecovery())
	if err != nil {
		t.Fatal(err)
	}
	mux, err := gldap.NewMux()
	if err != nil {
		t.Fatal(err)
	}
	if err := mux.Bind(f.bind); err != nil {
		t.Fatal(err)
	}
	if err := mux.Search(f.search); err != nil {
		t.Fatal(err)
	}
	if err := s.Router(mux); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(address) }()
	t.Cleanup(func() { _ = s.Stop(); <-done })
	waitFor(t, "the fake listens", s.Ready)
	return "ldap://" + address
}

func onFake(url string) Config {
	return Config{
		Preset: "openldap", Servers: []string{url}, InsecurePlain: true,
		BindDN: "cn=svc," + fakeBase, BindPassword: authn.NewSecret("svc"), BaseDN: fakeBase,
	}
}

// says answers a bind so.
func says(code int, diagnosis string) gldap.HandlerFunc {
	return func(w *gldap.ResponseWriter, r *gldap.Request) {
		m, err := r.GetSimpleBindMessage()
		resp := r.NewBindResponse(gldap.WithResponseCode(code))
		resp.SetDiagnosticMessage(diagnosis)
		if err == nil && m.UserName == "cn=svc,"+fakeBase {
			resp = r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess))
		}
		_ = w.Write(resp)
	}
}

// knows answers searches for people with one entry, and others with none.
func knows(attributes map[string][]string) gldap.HandlerFunc {
	return func(w *gldap.ResponseWriter, r *gldap.Request) {
		m, err := r.GetSearchMessage()
		switch {
		case err != nil:
		case m.Scope == gldap.BaseObject:
			_ = w.Write(r.NewSearchResponseEntry(m.BaseDN))
		case !strings.Contains(strings.ToLower(m.Filter), "groupofnames") && !strings.Contains(strings.ToLower(m.Filter), "objectclass=group"):
			_ = w.Write(r.NewSearchResponseEntry("uid=alice,"+fakeBase, gldap.WithAttributes(attributes)))
		}
		_ = w.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}
}

var fakeAlice = map[string][]string{"uid": {"alice"}, "entryUUID": {"5c5b1d4a-0000-1000-8000-000000000001"}, "sAMAccountName": {"alice"}, "memberOf": nil}
