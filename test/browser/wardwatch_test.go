package browser

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn/accounts"
	"foregate/internal/chromium"
	"foregate/internal/ldaptest"
)

// wardRoles are the six groups, which are the six roles, the most powerful first.
var wardRoles = []string{"Administrator", "Manager", "Technician", "Doctor", "Nurse", "Viewer"}

// wardwatchFile is of a ward-alarm system on Active Directory.
func wardwatchFile(dc *ldaptest.DC) string {
	var groups, roles []string
	for _, role := range wardRoles {
		groups = append(groups, "Wardwatch_"+role)
		roles = append(roles, fmt.Sprintf("%s: [Wardwatch_%s]", strings.ToLower(role), role))
	}
	return fmt.Sprintf(`
listen: {https: "@LISTEN", drain: 0s, admin: "@ADMIN"}
tls: {certificates: [{cert: app.crt, key: app.key}]}
storage: {path: ./data}
methods:
  - name: ward-ad
    title: Sign in with your hospital account
    ldap:
      preset: active-directory
      servers: [%q]
      ca: %q
      bind_dn: %q
      bind_password: %q
      base_dn: %q
      names: {domains: [ad.example], netbios: [%s]}
      email_verified: true
      groups: {keep: ["Wardwatch_*"]}
      password_page: https://password.hospital.example
    admit: {groups: [%s], account: create}
apps:
  - name: wardwatch
    hosts: [app.test]
    upstream: {url: "@APP"}
    methods: [ward-ad]
    roles: {order: [%s], from_groups: {%s}, several: lowest}
    rules:
      - {path: /admin/**, roles: [administrator]}
    page: {title: Wardwatch, help: "Trouble signing in? Call 4711."}
`, dc.Address, dc.PKI.CA, ldaptest.ADService, ldaptest.ServicePassword, ldaptest.ADBase, ldaptest.ADDomain,
		strings.Join(groups, ", "), strings.ToLower(strings.Join(wardRoles, ", ")), strings.Join(roles, ", "))
}

// TestWardwatch is the fifth deployment, against a real domain.
func TestWardwatch(t *testing.T) {
	dc := ldaptest.AD(t)
	l := dc.Admin(t)
	defer l.Close()
	groups := make(map[string]string) // DN by role
	for _, role := range wardRoles {
		groups[role] = dc.AddGroup(t, l, "Wardwatch_"+role)
	}
	change := func(dn string, do func(*ldap.ModifyRequest)) {
		t.Helper()
		r := ldap.NewModifyRequest(dn, nil)
		do(r)
		if err := l.Modify(r); err != nil {
			t.Fatal(err)
		}
	}
	join := func(role, person string) {
		t.Helper()
		change(groups[role], func(r *ldap.ModifyRequest) { r.Add("member", []string{person}) })
	}
	nina := dc.AddUser(t, l, "nina")
	join("Nurse", nina)
	join("Manager", nina)
	d := openDeployment(t, wardwatchFile(dc), nil)
	refresh := func(more ...string) string {
		t.Helper()
		args := append([]string{"accounts", "refresh", "-c", d.yaml, "--method", "ward-ad"}, more...)
		out, err := exec.Command(binary, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}

	b := openBrowser(t, d.hospital, "")
	t.Run("5.1 a person signs in with the password of the directory", func(t *testing.T) {
		b.Open(d.url + "/echo?bed=3")
		b.Audit("wardwatch")
		b.SignIn("nina", "wrong")
		b.Says("do not match")
		b.SignIn("HOSPITAL\\nina", ldaptest.Password)
		b.Says("GET /echo?bed=3")
	})

	t.Run("5.5 who is in two groups has the lower role", func(t *testing.T) {
		b.Open(d.url + "/")
		if user, roles := b.Told("X-Forwarded-User"), b.Told("X-Forwarded-Roles"); user != "nina" || roles != "nurse" {
			t.Errorf("the application was told %q, %q", user, roles)
		}
		b.Open(d.url + "/admin/")
		if b.Status() != http.StatusForbidden {
			t.Errorf("/admin/ is %d for a nurse", b.Status())
		}
	})

	t.Run("5.3 a new person has an account with the directory's attributes", func(t *testing.T) {
		d.people(func(a *accounts.Accounts) {
			who, err := a.ByUsername(t.Context(), "nina")
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"sAMAccountName": "nina", "sn": "Test", "givenName": "nina", "mail": "nina@hospital.example", "userAccountControl": "512"} {
				if got := fmt.Sprint(who.Attributes[name]); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	})

	t.Run("5.2 each state of an account has its sentence", func(t *testing.T) {
		other := openBrowser(t, d.hospital, "")
		for user, words := range map[string]string{"bob": "disabled", "carol": "choose a new", "erin": "has expired", "frank": "end date"} {
			other.Open(d.url + "/")
			other.SignIn(user, ldaptest.Password)
			other.Says(words)
		}
		other.Open(d.url + "/")
		other.SignIn("alice", ldaptest.Password) // in none of the six groups
		other.Says("not in the group")
	})

	t.Run("5.4 a changed password holds at once", func(t *testing.T) {
		dc.SetPassword(t, l, "nina", "An0ther-Passw0rd!")
		other := openBrowser(t, d.hospital, "")
		other.Open(d.url + "/")
		other.SignIn("nina@ad.example", "An0ther-Passw0rd!")
		other.Says("Patients of today")
	})

	t.Run("5.5 moved to another group, the next sign-in has its role", func(t *testing.T) {
		change(groups["Nurse"], func(r *ldap.ModifyRequest) { r.Delete("member", []string{nina}) })
		change(groups["Manager"], func(r *ldap.ModifyRequest) { r.Delete("member", []string{nina}) })
		join("Administrator", nina)
		other := openBrowser(t, d.hospital, "")
		other.Open(d.url + "/admin/")
		other.SignIn("nina", "An0ther-Passw0rd!")
		other.Says("Administration")
		if got := other.Told("X-Forwarded-Roles"); got != "administrator" {
			t.Errorf("the application was told %q", got)
		}
	})

	t.Run("5.5 the refresh gives the session of who moved the other role", func(t *testing.T) {
		b.Open(d.url + "/") // was a nurse when she signed in
		before := chromium.Must[string](b, `fetch("/sso/session").then(r => r.json()).then(s => s.user)`)
		change(groups["Administrator"], func(r *ldap.ModifyRequest) { r.Delete("member", []string{nina}) })
		join("Technician", nina)
		if said := refresh("--dry-run"); !strings.Contains(said, "nina: changed [") || !strings.Contains(said, "groups]") {
			t.Errorf("dry run: %s", said)
		}
		began := time.Now()
		refresh()
		eventually(t, "the session has the new role", func() bool {
			b.Open(d.url + "/")
			return b.Told("X-Forwarded-Roles") == "technician"
		})
		t.Logf("compared, and the session renewed, after %v", time.Since(began).Round(time.Millisecond))
		if after := chromium.Must[string](b, `fetch("/sso/session").then(r => r.json()).then(s => s.user)`); before != "nina" || after != before {
			t.Errorf("the session was %q's and is %q's", before, after)
		}
		b.Open(d.url + "/admin/")
		if b.Status() != http.StatusForbidden {
			t.Errorf("/admin/ is %d for a technician", b.Status())
		}
	})

	t.Run("5.4 the refresh ends the sessions of who is disabled", func(t *testing.T) {
		b.Open(d.url + "/")
		b.Says("Patients of today")
		compared := func() int { return strings.Count(d.logs.String(), "accounts compared with their directory") }
		before := compared()
		change(nina, func(r *ldap.ModifyRequest) { r.Replace("userAccountControl", []string{"514"}) })
		if said := refresh("--dry-run"); !strings.Contains(said, "nina: loses access: disabled in the directory") {
			t.Errorf("dry run: %s", said)
		}
		if got := chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`); got != http.StatusOK && compared() == before { // the plan may have been faster
			t.Errorf("after the dry run the session is %d", got)
		}
		began := time.Now()
		refresh()
		eventually(t, "the session is over", func() bool {
			return chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) == http.StatusUnauthorized
		})
		t.Logf("compared, and the session over, after %v", time.Since(began).Round(time.Millisecond))
		b.Open(d.url + "/")
		b.SignIn("nina", "An0ther-Passw0rd!")
		b.Says("disabled")
	})
	if slices.Contains(strings.Fields(d.logs.String()), ldaptest.Password) {
		t.Error("a password is in the log")
	}
}
