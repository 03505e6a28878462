package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
	"foregate/internal/ldaptest"
)

const kerberosHost = "app.ad.example"

// openDomain starts a Foregate at which the PCs of a real domain sign people in, and
// others by a form.
func openDomain(t *testing.T) (*ldaptest.DC, *deployment) {
	t.Helper()
	return openDomainWith(t, "", "[domain-pc, ward-ad]")
}

// openDomainWith adds to the configuration of the way by ticket and lists the methods.
func openDomainWith(t *testing.T, more, methods string) (*ldaptest.DC, *deployment) {
	t.Helper()
	dc := ldaptest.AD(t)
	l := dc.Admin(t)
	defer l.Close()
	return dc, openDeployment(t, fmt.Sprintf(`
listen: {https: "@LISTEN", admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
methods:
  - name: domain-pc
    title: Sign in with this PC
    kerberos: {keytab: %q, networks: [127.0.0.0/8]%s}
  - name: ward-ad
    title: Sign in with your hospital account
    ldap:
      preset: active-directory
      servers: [%q]
      ca: %q
      bind_dn: %q
      bind_password: %q
      base_dn: %q
apps:
  - name: wardwatch
    hosts: [app.test, %s]
    upstream: {url: "@APP"}
    methods: %s
    page: {title: Wardwatch}
    headers: {preset: forwarded}
`, keytabOf(t, dc), more, dc.Address, dc.PKI.CA, ldaptest.ADService, ldaptest.ServicePassword, ldaptest.ADBase, kerberosHost, methods), nil)
}

var kerberosKeytab []byte // of the service, which is made once

func keytabOf(t *testing.T, dc *ldaptest.DC) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "http.keytab")
	if kerberosKeytab == nil {
		data, err := os.ReadFile(dc.Service(t, kerberosHost))
		if err != nil {
			t.Fatal(err)
		}
		kerberosKeytab = data
	}
	write(t, file, kerberosKeytab)
	return file
}

// curl asks as a program of somebody whose environment has a ticket, or none.
func (d *deployment) curl(env []string, args ...string) string {
	d.t.Helper()
	args = append([]string{"-sS", "-k", "-i", "--max-time", "30", "-H", "Accept: text/html", "--resolve", kerberosHost + ":" + d.port + ":127.0.0.1"}, args...)
	cmd := exec.CommandContext(d.t.Context(), "curl", args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("curl %q: %v: %s", args, err, out)
	}
	return strings.ReplaceAll(string(out), "\r", "")
}

func TestDomainPCSignsInWithCurl(t *testing.T) {
	dc, d := openDomain(t)
	url := "https://" + kerberosHost + ":" + d.port
	jar := filepath.Join(t.TempDir(), "jar")
	negotiate := []string{"--negotiate", "-u", ":", "-L", "-b", jar, "-c", jar}

	got := d.curl(dc.Ticket(t, "alice"), append(negotiate, url+"/echo?bed=3")...)
	if !strings.Contains(got, "GET /echo?bed=3") || !strings.Contains(got, "X-Forwarded-User: alice") {
		t.Errorf("with a ticket:\n%s", got)
	}
	if got := d.curl(nil, "-b", jar, url+"/echo"); !strings.Contains(got, "X-Forwarded-User: alice") {
		t.Errorf("with the session alone:\n%s", got)
	}

	t.Run("without a ticket there is the form", func(t *testing.T) {
		jar := filepath.Join(t.TempDir(), "jar")
		got := d.curl(nil, "-L", "-b", jar, "-c", jar, url+"/echo")
		for _, want := range []string{"HTTP/2 401", "www-authenticate: Negotiate\n", `http-equiv="refresh" content="0; url=/sso/sign-in?choose=1&amp;rd=%2Fecho&amp;device=1"`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in:\n%s", want, got)
			}
		}
		got = d.curl(nil, url+"/sso/sign-in?choose=1&rd=%2Fecho&device=1")
		for _, want := range []string{"HTTP/2 200", "could not sign you in by itself", `name="password"`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in:\n%s", want, got)
			}
		}
	})

	t.Run("a ticket alone signs no other browser in", func(t *testing.T) {
		got := d.curl(dc.Ticket(t, "alice"), "--negotiate", "-u", ":", url+"/sso/callback/domain-pc?state=0AAAAAAAAAAAAAAAAAAAAAAAAAAA")
		if strings.Contains(strings.ToLower(got), "set-cookie") || !strings.Contains(got, "HTTP/2 400") {
			t.Errorf("without an attempt:\n%s", got)
		}
	})

	t.Run("NTLM is led to the form and not asked again", func(t *testing.T) {
		jar := filepath.Join(t.TempDir(), "jar")
		got := d.curl(nil, "-L", "-b", jar, "-c", jar, "-H", "Authorization: Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==", url+"/sso/start/domain-pc?rd=/echo")
		if !strings.Contains(got, "could not sign you in by itself") || strings.Contains(got, "HTTP/2 401") {
			t.Errorf("NTLM:\n%s", got)
		}
	})
}

// inDomain makes Chromium one of a PC of the domain: with a ticket, a policy for the
// host, and the host alone on a line of its own hosts file. Rules for its own resolver
// would make it ask for a ticket of the address.
func inDomain(t *testing.T, env []string) []chromedp.ExecAllocatorOption {
	t.Helper()
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		chromium.Missing(t, "a hosts file of its own needs root and mount namespaces")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		chromium.Missing(t, "chromium is not installed")
	}
	dir := t.TempDir()
	hosts, script := filepath.Join(dir, "hosts"), filepath.Join(dir, "chromium")
	write(t, hosts, []byte("127.0.0.1 "+kerberosHost+"\n127.0.0.1 localhost\n"))
	inner := fmt.Sprintf(`mount --bind %s /etc/hosts && exec %s "$@"`, hosts, path)
	write(t, script, []byte("#!/bin/sh\nexec unshare -m sh -c '"+inner+"' sh \"$@\"\n"))
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, v := range env {
		if strings.HasPrefix(v, "KRB5") {
			own = append(own, v)
		}
	}
	return []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(script), chromedp.Env(own...), chromedp.Flag("auth-server-allowlist", "*.ad.example"),
		chromedp.Flag("host-resolver-rules", false),
	}
}

func TestDomainPCSignsInWithChromium(t *testing.T) {
	dc, d := openDomain(t)
	url := "https://" + kerberosHost + ":" + d.port
	b := openBrowser(t, d.hospital, "", inDomain(t, dc.Ticket(t, "alice"))...)
	// Chromium loads the GSSAPI library during its first challenge, and answers the second.
	_ = chromedp.Do(b.Ctx, chromedp.Navigate(url+"/sso/start/domain-pc"))
	b.Says("Sign in with your hospital account")
	b.Open(url + "/sso/start/domain-pc?rd=/echo?bed=3")
	b.Says("GET /echo?bed=3")
	b.Open(url + "/")
	if user := b.Told("X-Forwarded-User"); user != "alice" {
		t.Errorf("the application was told %q", user)
	}
}

func TestBrowserWithoutTicketSeesTheForm(t *testing.T) {
	_, d := openDomain(t)
	b := openBrowser(t, d.hospital, "")
	b.Open(d.url + "/echo?bed=3")
	b.Says("could not sign you in by itself")
	b.Audit("kerberos-by-hand")
	b.SignIn("alice", ldaptest.Password)
	b.Says("GET /echo?bed=3")
}

// A person whom the directory knows is the same by ticket and by password, with its
// groups, and out when disabled there, though the ticket goes on.
func TestDirectoryDecidesAboutDomainPC(t *testing.T) {
	dc, d := openDomainWith(t, ", directory: ward-ad, known_by: sid", "[domain-pc, ward-ad]")
	url := "https://" + kerberosHost + ":" + d.port
	enter := func(env []string) string {
		jar := filepath.Join(t.TempDir(), "jar")
		return d.curl(env, "--negotiate", "-u", ":", "-L", "-b", jar, "-c", jar, url+"/echo")
	}
	l := dc.Admin(t)
	defer l.Close()
	dc.AddUser(t, l, "tess")
	env := dc.Ticket(t, "tess")
	got := enter(env)
	for _, want := range []string{"X-Forwarded-User: tess", "X-Forwarded-Email: tess@hospital.example", "X-Forwarded-Groups: Domain Users"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	dc.Disable(t, l, "tess")
	if got := enter(env); strings.Contains(got, "X-Forwarded-User") || !strings.Contains(got, "could not sign you in by itself") && !strings.Contains(got, "device=1") {
		t.Errorf("disabled in the directory:\n%s", got)
	}
}
