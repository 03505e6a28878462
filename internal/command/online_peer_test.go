package command

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/ldap"
	"foregate/internal/config"
	"foregate/internal/ldaptest"
	"foregate/internal/mail"
	"foregate/internal/mailtest"
)

// TestNoPasswordGoesToWhoCannotProveWhoTheyAre stands in the way with a certificate
// that nobody signed.
func TestNoPasswordGoesToWhoCannotProveWhoTheyAre(t *testing.T) {
	cert, key := mailtest.Certificate(t, false)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	e, address := listenIn(t, l), l.Addr().String()
	secret := authn.NewSecret(lookPassword)
	file := &config.File{
		Methods: []config.Method{{Name: "ward", Kind: "ldap", Config: &ldap.Config{Preset: "openldap", Servers: []string{"ldaps://" + address}, BaseDN: "dc=x", BindDN: "cn=x", BindPassword: secret}}},
		Mail:    &mail.Config{SMTP: mail.SMTP{Address: address, ImplicitTLS: true, Username: "u", Password: secret}, From: "a@careplan.example"},
		Storage: config.Storage{Path: authn.Path(t.TempDir()), Redis: config.Redis{Addresses: []string{address}, Password: secret, TLS: config.RedisTLS{Enabled: true}}},
	}
	got := looksAt(t, file, lookTime)
	for _, name := range []string{"ldap ward", "mail mail", "storage redis"} {
		expect(t, got, name, lookFail, "certificate", "")
	}
	if s := e.told(); s != "" {
		t.Errorf("was told %q", s)
	}
}

// TestNoPasswordGoesOverAnOpenNetwork needs an address of this machine that is not
// loopback.
func TestNoPasswordGoesOverAnOpenNetwork(t *testing.T) {
	address := outside(t)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	e := listenIn(t, l)
	secret := authn.NewSecret(lookPassword)
	file := &config.File{
		Methods: []config.Method{{Name: "ward", Kind: "ldap", Config: &ldap.Config{Preset: "openldap", Servers: []string{"ldap://" + l.Addr().String()}, InsecurePlain: true, BaseDN: "dc=x", BindDN: "cn=x", BindPassword: secret}}},
		Storage: config.Storage{
			Path:  authn.Path(t.TempDir()),
			Redis: config.Redis{Addresses: []string{l.Addr().String()}, Password: secret}, Postgres: authn.NewSecret("postgres://u:" + lookPassword + "@" + l.Addr().String() + "/d?sslmode=prefer"),
		},
	}
	got := looksAt(t, file, lookTime)
	for _, name := range []string{"ldap ward", "storage redis", "storage postgres"} {
		expect(t, got, name, lookWarn, "was not sent", "")
	}
	if s := e.told(); s != "" {
		t.Errorf("was told %q", s)
	}
}

func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

func TestClocksAreCompared(t *testing.T) {
	for ahead, want := range map[time.Duration]string{0: lookOK, 20 * time.Second: lookWarn, -20 * time.Second: lookWarn, 3 * time.Minute: lookFail} {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}))
		got := looksAt(t, &config.File{Apps: []config.App{appAt(t, "careplan", app.URL)}, Storage: config.Storage{Path: authn.Path(t.TempDir())}}, lookTime)
		app.Close()
		l := got["clock this machine"]
		if l.State != want || ahead > 0 && !strings.Contains(l.Detail, "behind") || ahead < 0 && !strings.Contains(l.Detail, "before") {
			t.Errorf("%s ahead: %+v, want %s", ahead, l, want)
		}
	}
}

func TestOwnCertificatesAreJudged(t *testing.T) {
	pki := ldaptest.NewPKI(t, t.TempDir())
	issue := func(name string, left time.Duration) config.Certificate {
		cert, key := pki.Issue(t, name, time.Now().Add(left), "careplan.example")
		return config.Certificate{Cert: authn.Path(cert), Key: authn.Path(key)}
	}
	for name, c := range map[string]struct {
		left          time.Duration
		state, detail string
	}{
		"ended": {-time.Hour, lookFail, "ended on"},
		"soon":  {5 * 24 * time.Hour, lookWarn, "ends soon"},
		"own":   {90 * 24 * time.Hour, lookWarn, "would not believe"},
	} {
		pair := issue(name, c.left)
		app := appAt(t, "careplan", "http://127.0.0.1:1")
		app.Hosts = []string{"careplan.example", "other.example"}
		file := &config.File{Listen: config.Listen{HTTPS: ":1"}, TLS: config.TLS{Certificates: []config.Certificate{pair}}, Apps: []config.App{app}}
		states := make(map[string]string)
		for _, l := range lookAll(t.Context(), certificateLooks(file), lookTime) {
			states[l.Target] = l.State + " " + l.Detail
		}
		if got := states[string(pair.Cert)]; !strings.HasPrefix(got, c.state) || !strings.Contains(got, c.detail) {
			t.Errorf("%s: %q", name, got)
		}
		if !strings.HasPrefix(states["careplan.example"], lookOK) || !strings.HasPrefix(states["other.example"], lookFail) {
			t.Errorf("%s: hosts %v", name, states)
		}
	}
}

func TestLooksAtASocket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	app := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	app.Start()
	defer app.Close()
	got := looksAt(t, &config.File{Apps: []config.App{appAt(t, "there", "unix://"+file), appAt(t, "gone", "unix://"+file+"x")}, Storage: config.Storage{Path: authn.Path(t.TempDir())}}, lookTime)
	expect(t, got, "upstream there", lookOK, "answers 404", "")
	expect(t, got, "upstream gone", lookFail, "no such file", "look at the path")
}
