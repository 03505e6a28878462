package deployments

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"foregate/internal/chromium"
	"foregate/internal/ldaptest"
	"foregate/test/deployments/world"
)

// TestWardwatch is the fifth deployment: a ward-alarm system on Active Directory.
func TestWardwatch(t *testing.T) {
	run := 0
	onBoth(t, "wardwatch", 0, func(t *testing.T, w *world.World) {
		run++ // the domain is the same each time, its people are not
		at := w.Hosts["wardwatch.hospital.example"]
		name := fmt.Sprintf("nina%d", run)
		nina := w.Hire(name)
		w.Join("Nurse", nina)
		w.Join("Physician", nina)
		b := chromium.Open(t, "")

		t.Run("5.1 searched by a reading account, then bound with the person's own password", func(t *testing.T) {
			b.Open(at + "/?bed=3")
			b.Audit("wardwatch")
			b.SignIn(name, "wrong")
			b.Says("do not match")
			b.SignIn("HOSPITAL\\"+name, ldaptest.Password)
			b.Says("GET /?bed=3")
			if strings.Contains(w.Said(), ldaptest.Password) {
				t.Error("the password is in the log")
			}
		})

		t.Run("5.2 the directory's policies hold, and people are told which of them", func(t *testing.T) {
			other := chromium.Open(t, "")
			for user, words := range map[string]string{"bob": "disabled", "carol": "choose a new", "erin": "has expired", "frank": "end date"} {
				other.Open(at + "/")
				other.SignIn(user, ldaptest.Password)
				other.Says(words)
			}
			other.Open(at + "/")
			other.SignIn("alice", ldaptest.Password) // in none of the six groups
			other.Says("not in the group")
		})

		t.Run("5.3 a new person gets an account with the directory's attributes", func(t *testing.T) {
			who, _ := w.Account(name)
			for attribute, want := range map[string]string{"sAMAccountName": name, "sn": "Test", "givenName": name, "mail": name + "@hospital.example", "userAccountControl": "512"} {
				if got := fmt.Sprint(who.Attributes[attribute]); got != want {
					t.Errorf("%s is %q, want %q", attribute, got, want)
				}
			}
		})

		t.Run("5.5 six groups, six roles, and who is in several has the lowest", func(t *testing.T) {
			b.Open(at + "/")
			if user, roles := b.Told("X-Forwarded-User"), b.Told("X-Forwarded-Roles"); user != name || roles != "nurse" {
				t.Errorf("the application was told %q, %q", user, roles)
			}
			b.Open(at + "/admin/")
			if b.Status() != http.StatusForbidden {
				t.Errorf("/admin/ is %d for a nurse", b.Status())
			}
			w.Leave("Nurse", nina)
			w.Leave("Physician", nina)
			w.Join("Administrator", nina) // in the directory alone
			other := chromium.Open(t, "")
			other.Open(at + "/admin/")
			other.SignIn(name, ldaptest.Password)
			other.Says("Administration")
			if got := other.Told("X-Forwarded-Roles"); got != "administrator" {
				t.Errorf("the application was told %q", got)
			}
		})

		t.Run("5.6 more people than a page holds are read by pages", func(t *testing.T) {
			const more = 25 // of which a page holds ten
			for i := range more {
				w.Hire(fmt.Sprintf("crowd%d-%d", run, i))
			}
			said := w.Foregate("", "accounts", "refresh", "--method", "ward-ad", "--dry-run")
			found := regexp.MustCompile(`(\d+) people in the directory`).FindStringSubmatch(said)
			if found == nil {
				t.Fatalf("the comparison says: %s", said)
			}
			if n, err := strconv.Atoi(found[1]); err != nil || n < more {
				t.Errorf("the comparison saw %s people", found[1])
			}
		})

		t.Run("5.4 the refresh follows the directory, and a changed password holds at once", func(t *testing.T) {
			l := w.Domain.Admin(t)
			defer l.Close()
			const next = "An0ther-Passw0rd!"
			w.Domain.SetPassword(t, l, name, next)
			other := chromium.Open(t, "")
			other.Open(at + "/")
			other.SignIn(name, next)
			other.Says("Alarms")
			r := ldap.NewModifyRequest(nina, nil)
			r.Replace("userAccountControl", []string{"514"})
			if err := l.Modify(r); err != nil {
				t.Fatal(err)
			}
			w.Foregate("", "accounts", "refresh", "--method", "ward-ad")
			signedOut(w, other)
			other.Open(at + "/")
			other.SignIn(name, next)
			other.Says("disabled")
		})
	})
}
