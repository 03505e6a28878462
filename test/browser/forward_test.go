package browser

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"foregate/internal/chromium"
	"foregate/internal/demo"
	"foregate/internal/optest"
)

// front is another proxy, which carries the requests and asks Foregate about each. It runs
// what its document says, with the addresses and files of this machine.
type front struct {
	name, document, language string
	start                    func(dir, config string) *exec.Cmd
	replace                  []string // further texts of the document, each with what stands here
}

// PORT is where it listens, DIR a folder with the certificate.
var fronts = []front{
	{
		name: "nginx", document: "nginx.md", language: "nginx",
		replace: []string{"listen 443 ssl", "listen 127.0.0.1:PORT ssl", "/etc/nginx/careplan", "DIR/app", "careplan.hospital.example", "app.test"},
		start: func(dir, config string) *exec.Cmd {
			conf := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log stderr; worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n"+
				"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", dir, config)
			return exec.Command(installed("nginx"), "-c", put(dir, "nginx.conf", conf))
		},
	},
	{
		name: "HAProxy", document: "haproxy.md", language: "haproxy",
		replace: []string{"bind :443", "bind 127.0.0.1:PORT", "/etc/haproxy/foregate.lua", "LUA", "/etc/haproxy/careplan.pem", "DIR/app.pem"},
		start: func(dir, config string) *exec.Cmd {
			return exec.Command(installed("haproxy"), "-db", "-f", put(dir, "haproxy.cfg", config))
		},
	},
	{
		name: "Caddy", document: "caddy.md", language: "caddyfile",
		replace: []string{"careplan.hospital.example {", "https://app.test:PORT {\n\tbind 127.0.0.1\n\ttls DIR/app.crt DIR/app.key\n"},
		start: func(dir, config string) *exec.Cmd {
			cmd := exec.Command(installed("caddy"), "run", "--config", put(dir, "Caddyfile", "{\n\tadmin off\n\tauto_https off\n}\n"+config), "--adapter", "caddyfile")
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			return cmd
		},
	},
}

// installed is where Debian puts it, which the PATH of a plain user may lack.
func installed(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/usr/sbin/" + name
}

func put(dir, name, text string) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		panic(err)
	}
	return path
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
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) { f.walk(t) })
	}
}

func (f *front) walk(t *testing.T) {
	h := f.open(t)
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

// open starts the front, a provider, an application, and Foregate beside them.
func (f *front) open(t *testing.T) *hospital {
	t.Helper()
	dir, at, plain := t.TempDir(), freeAddress(t), freeAddress(t)
	if os.Getuid() == 0 { // workers of nginx are somebody else
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(at)
	h := &hospital{t: t, ca: newAuthority(t, dir), admin: freeAddress(t), url: "https://app.test:" + port, northURL: "https://app.test:" + port}
	h.north = h.provider("Northfield", "north")
	app := httptest.NewServer(carePages())
	t.Cleanup(app.Close)
	h.program = start(t, "serve", "-c", put(dir, "foregate.yaml", fmt.Sprintf(frontFile, plain, h.admin, h.north.Issuer)))
	h.ready()

	text, err := os.ReadFile(filepath.Join("../../docs/integrations", f.document))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + f.language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %s", f.document, f.language)
	}
	lua, err := filepath.Abs("../../deploy/haproxy/foregate.lua")
	if err != nil {
		t.Fatal(err)
	}
	var pem []byte
	for _, name := range []string{"app.crt", "app.key"} {
		part, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, part...)
	}
	put(dir, "app.pem", string(pem))
	config := strings.NewReplacer(append(f.replace, "127.0.0.1:8080", plain, "127.0.0.1:9000", app.Listener.Addr().String())...).Replace(string(m[1]))
	config = strings.NewReplacer("PORT", port, "DIR", dir, "LUA", lua).Replace(config)
	cmd := f.start(dir, config)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		chromium.Missing(t, err.Error())
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", f.name, out.String())
		}
	})
	eventually(t, f.name+" listens", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return h
}

const frontFile = `
listen: {http: %q, drain: 0s, admin: %q}
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
