package command

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/ldap"
	"foregate/authn/oidc"
	"foregate/authn/saml"
	"foregate/internal/config"
	"foregate/internal/ldaptest"
	"foregate/internal/mail"
	"foregate/internal/mailtest"
	"foregate/internal/optest"
	"foregate/internal/pgtest"
	"foregate/internal/redistest"
	"foregate/internal/ssptest"
)

const lookPassword = "do-not-tell-anyone-7"

// looksAt looks at a file's world, and fails the test if a secret is told.
func looksAt(t *testing.T, file *config.File, patience time.Duration) map[string]looked {
	t.Helper()
	all := lookAll(t.Context(), looksOf(file), patience)
	var table bytes.Buffer
	if err := writeLooks(&table, all); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if s := table.String() + string(text); strings.Contains(s, lookPassword) || strings.Contains(s, ldaptest.ServicePassword) {
		t.Errorf("a secret is told:\n%s", s)
	}
	byName := make(map[string]looked)
	for _, l := range all {
		byName[l.Kind+" "+l.Name] = l
		if (l.State == lookOK) != (l.Remedy == "") {
			t.Errorf("%s %s is %s with the remedy %q", l.Kind, l.Name, l.State, l.Remedy)
		}
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("\n%s", table.String())
	}
	return byName
}

func expect(t *testing.T, got map[string]looked, name, state, detail, remedy string) {
	t.Helper()
	l, ok := got[name]
	if !ok || l.State != state || !strings.Contains(l.Detail, detail) || !strings.Contains(l.Remedy, remedy) {
		t.Errorf("%s: %s %q -> %q, want %s with %q -> %q", name, l.State, l.Detail, l.Remedy, state, detail, remedy)
	}
}

func appAt(t *testing.T, name, address string) config.App {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return config.App{Name: name, Hosts: []string{name + ".example"}, Upstream: config.Upstream{URL: u}}
}

func directory(s *ldaptest.Slapd, password string, servers ...string) *ldap.Config {
	return &ldap.Config{
		Preset: "openldap", Servers: servers, StartTLS: true, CA: authn.Path(s.PKI.CA),
		BindDN: ldaptest.Service, BindPassword: authn.NewSecret(password), BaseDN: ldaptest.Base,
	}
}

func TestLooksAtServersThatAreWell(t *testing.T) {
	op, idp, slapd := optest.Start(t, optest.Options{}), ssptest.Start(t), ldaptest.StartSlapd(t, ldaptest.Options{})
	letters := mailtest.Start(t, mailtest.Options{Username: "foregate", Password: lookPassword})
	redis := redistest.Start(t, "--requirepass", lookPassword, "--maxmemory-policy", "noeviction")
	pg := new(pgtest.Server)
	t.Cleanup(pg.Stop)
	app := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(app.Close)
	file := &config.File{
		Methods: []config.Method{
			{Name: "op", Kind: "oidc", Config: &oidc.Config{Issuer: op.Issuer, ClientID: "foregate", ClientSecret: authn.NewSecret(lookPassword)}},
			{Name: "idp", Kind: "saml", Config: &saml.Config{Metadata: saml.Metadata{URL: idp.MetadataURL}}},
			{Name: "new", Kind: "saml", Config: &saml.Config{}},
			{Name: "ward", Kind: "ldap", Config: directory(slapd, ldaptest.ServicePassword, slapd.TLS)},
			{Name: "ward2", Kind: "ldap", Config: directory(slapd, ldaptest.ServicePassword, slapd.Plain)},
		},
		Mail: &mail.Config{SMTP: mail.SMTP{Address: letters.Addr, CA: authn.Path(letters.CA), Username: "foregate", Password: authn.NewSecret(lookPassword)}, From: "a@careplan.example"},
		Storage: config.Storage{
			Path: authn.Path(t.TempDir()), Redis: config.Redis{Addresses: []string{redis.Addr}, Password: authn.NewSecret(lookPassword)},
			Postgres: authn.NewSecret(pg.Database(t)),
		},
		Apps: []config.App{appAt(t, "careplan", app.URL)},
	}
	got := looksAt(t, file, lookTime)
	expect(t, got, "oidc op", lookOK, "discovery and", "")
	expect(t, got, "saml idp", lookOK, idp.EntityID, "")
	expect(t, got, "saml new", lookWarn, "not known yet", "metadata.url")
	// The servers' certificates are of one day, and so have three weeks less than they should.
	expect(t, got, "ldap ward", lookWarn, "people below it; its certificate ends on", "renewed")
	expect(t, got, "ldap ward2", lookWarn, "people below it; its certificate ends on", "renewed")
	expect(t, got, "storage redis", lookOK, "Redis ", "")
	expect(t, got, "storage postgres", lookOK, "PostgreSQL ", "")
	expect(t, got, "storage file", lookOK, "can be written", "")
	expect(t, got, "upstream careplan", lookOK, "answers 404", "")
	expect(t, got, "clock this machine", lookOK, "agrees", "")
	if l := got["mail mail"]; l.State == lookFail || !strings.Contains(l.Detail, "greeted, encrypted, signed in") || letters.SignIns() != 1 {
		t.Errorf("mail: %+v after %d sign-ins", l, letters.SignIns())
	}
}

func TestLooksAtServersThatAreNot(t *testing.T) {
	op, slapd := optest.Start(t, optest.Options{}), ldaptest.StartSlapd(t, ldaptest.Options{})
	expired := ldaptest.StartSlapd(t, ldaptest.Options{Expired: true})
	other := ldaptest.StartSlapd(t, ldaptest.Options{Host: "elsewhere.example"})
	another := ldaptest.StartSlapd(t, ldaptest.Options{})
	letters := mailtest.Start(t, mailtest.Options{Username: "foregate", Password: "another"})
	redis := redistest.Start(t, "--requirepass", "another")
	pg := new(pgtest.Server)
	t.Cleanup(pg.Stop)
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(ill.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	wrongBase := directory(slapd, ldaptest.ServicePassword, slapd.TLS)
	wrongBase.BaseDN = "dc=nowhere,dc=example"
	file := &config.File{
		Methods: []config.Method{
			{Name: "spelling", Kind: "oidc", Config: &oidc.Config{Issuer: op.Issuer + "/realms/none"}},
			{Name: "password", Kind: "ldap", Config: directory(slapd, lookPassword, slapd.TLS)},
			{Name: "base", Kind: "ldap", Config: wrongBase},
			{Name: "expired", Kind: "ldap", Config: directory(expired, lookPassword, expired.TLS)},
			{Name: "other", Kind: "ldap", Config: directory(other, lookPassword, other.TLS)},
			{Name: "authority", Kind: "ldap", Config: directory(slapd, lookPassword, another.TLS)},
			{Name: "metadata", Kind: "saml", Config: &saml.Config{Metadata: saml.Metadata{URL: op.Issuer + "/jwks"}}},
		},
		Mail: &mail.Config{SMTP: mail.SMTP{Address: letters.Addr, CA: authn.Path(letters.CA), Username: "foregate", Password: authn.NewSecret(lookPassword)}, From: "a@careplan.example"},
		Storage: config.Storage{
			Path: "/proc/nowhere/data", Redis: config.Redis{Addresses: []string{redis.Addr}, Password: authn.NewSecret(lookPassword)},
			Postgres: authn.NewSecret(strings.Replace(pg.Database(t), "/test", "/no-such-", 1)),
		},
		Apps: []config.App{appAt(t, "ill", ill.URL), appAt(t, "gone", gone.URL), appAt(t, "unknown", "http://no-such-host.invalid")},
	}
	part := config.Branch{Path: "/api"}
	part.URL = file.Apps[1].Upstream.URL
	file.Apps[0].Upstreams = []config.Branch{part}
	got := looksAt(t, file, lookTime)
	expect(t, got, "upstream ill/api", lookFail, "refused", "nothing listens")
	expect(t, got, "oidc spelling", lookFail, "404", "compare issuer")
	expect(t, got, "ldap password", lookFail, "Invalid Credentials", "bind_password")
	expect(t, got, "ldap base", lookFail, "No Such Object", "base_dn")
	expect(t, got, "ldap expired", lookFail, "expired", "renewed")
	expect(t, got, "ldap other", lookFail, "127.0.0.1", "another name")
	expect(t, got, "ldap authority", lookFail, "unknown authority", "as ca")
	expect(t, got, "saml metadata", lookFail, "", "log over there")
	expect(t, got, "mail mail", lookFail, "refuses our user name", "mail.smtp.username")
	expect(t, got, "storage redis", lookFail, "WRONGPASS", "storage.redis")
	expect(t, got, "storage postgres", lookFail, "does not exist", "")
	expect(t, got, "storage file", lookFail, "", "path")
	expect(t, got, "upstream ill", lookWarn, "answers 502", "application's log")
	expect(t, got, "upstream gone", lookFail, "refused", "nothing listens")
	expect(t, got, "upstream unknown", lookFail, "", "spelling of the name")
}

// eavesdropper answers nobody and keeps all that it is sent.
type eavesdropper struct {
	net.Listener
	mu    sync.Mutex
	heard bytes.Buffer
}

func listenIn(t *testing.T, l net.Listener) *eavesdropper {
	e := &eavesdropper{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() { _, _ = io.Copy(e, conn) }()
		}
	}()
	return e
}

func (e *eavesdropper) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard.Write(b)
}

func (e *eavesdropper) told() string { e.mu.Lock(); defer e.mu.Unlock(); return e.heard.String() }

func TestSilentServersTakeNoLongerThanPatience(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := listenIn(t, l)
	address := l.Addr().String()
	file := &config.File{
		Methods: []config.Method{
			{Name: "op", Kind: "oidc", Config: &oidc.Config{Issuer: "http://" + address}},
			{Name: "idp", Kind: "saml", Config: &saml.Config{Metadata: saml.Metadata{URL: "http://" + address}}},
			{Name: "ward", Kind: "ldap", Config: &ldap.Config{Preset: "openldap", Servers: []string{"ldaps://" + address, "ldap://" + address}, StartTLS: true, BaseDN: "dc=x", BindDN: "cn=x", BindPassword: authn.NewSecret(lookPassword)}},
		},
		Mail:    &mail.Config{SMTP: mail.SMTP{Address: address, ImplicitTLS: true, Username: "u", Password: authn.NewSecret(lookPassword)}, From: "a@careplan.example"},
		Storage: config.Storage{Redis: config.Redis{Addresses: []string{address}}, Postgres: authn.NewSecret("postgres://u@" + address + "/d?sslmode=disable"), Path: authn.Path(t.TempDir())},
		Apps:    []config.App{appAt(t, "careplan", "http://"+address)},
	}
	began := time.Now()
	got := looksAt(t, file, 400*time.Millisecond)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	for name, l := range got {
		if l.State != lookFail && name != "storage file" {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if strings.Contains(e.told(), lookPassword) {
		t.Error("the password went to a server that has proved nothing")
	}
}
