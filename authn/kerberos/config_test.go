package kerberos

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-krb5/krb5/keytab"

	"foregate/authn"
	"foregate/authn/authntest"
)

// madeKeytab is a keytab with keys of these kinds of encryption.
func madeKeytab(t *testing.T, kinds ...int32) string {
	t.Helper()
	tab := keytab.New()
	for _, kind := range kinds {
		if err := tab.AddEntry("HTTP/"+host, "AD.EXAMPLE", "some password", time.Now(), 2, kind); err != nil {
			t.Fatal(err)
		}
	}
	data, err := tab.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "http.keytab")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var everywhere = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

func TestFaultsNameTheKey(t *testing.T) {
	for want, c := range map[string]Config{
		"keytab: is missing":                               {Networks: everywhere},
		"networks: is empty":                               {Keytab: "x"},
		"networks[0]: 192.0.2.1/24 is not a network":       {Keytab: "x", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
		`services[0]: "app.example" is not the name`:       {Keytab: "x", Networks: everywhere, Services: []string{"app.example"}},
		`services[0]: "HTTP/a@B" is not the name`:          {Keytab: "x", Networks: everywhere, Services: []string{"HTTP/a@B"}},
		`realms[0]: "a@B" is not a realm`:                  {Keytab: "x", Networks: everywhere, Realms: []string{"a@B"}},
		"user: people of several realms may have the same": {Keytab: "x", Networks: everywhere, Realms: []string{"A", "B"}},
		"user: is what the directory says":                 {Keytab: "x", Networks: everywhere, Directory: "ad", User: "principal"},
		"groups: are those of the directory":               {Keytab: "x", Networks: everywhere, Directory: "ad", Groups: "sids"},
		"realms: people of several realms may have":        {Keytab: "x", Networks: everywhere, Directory: "ad", Realms: []string{"A", "B"}},
		`known_by: "x" is unknown; write principal or sid`: {Keytab: "x", Networks: everywhere, KnownBy: "x"},
		`groups: "x" is unknown; write none or sids`:       {Keytab: "x", Networks: everywhere, Groups: "x"},
		`user: "sid" is unknown; write name or principal`:  {Keytab: "x", Networks: everywhere, User: "sid"},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestKeytabMustHoldAKeyThatIsAccepted(t *testing.T) {
	damaged := madeKeytab(t, 18)
	whole, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(file string, rc4 bool) error {
		_, err := (&Config{Keytab: authn.Path(file), Networks: everywhere, InsecureRC4: rc4}).Open(authntest.NewEnv("domain-pc"))
		return err
	}
	for name, try := range map[string]struct {
		file, want string
		rc4        bool
	}{
		"AES":         {file: madeKeytab(t, 18)},
		"RC4 alone":   {file: madeKeytab(t, 23), want: "no AES key"},
		"RC4 allowed": {file: madeKeytab(t, 23), rc4: true},
		"empty":       {file: madeKeytab(t), want: "is no keytab"},
		"damaged":     {file: damaged, want: "is no keytab"},
		"not there":   {file: "/nowhere", want: "no such file"},
	} {
		err := open(try.file, try.rc4)
		if try.want == "" && err != nil || try.want != "" && (err == nil || !strings.Contains(err.Error(), try.want)) {
			t.Errorf("%s: %v, want %q", name, err, try.want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x00\x05") {
			t.Errorf("%s: the error repeats the keytab", name)
		}
	}
}

func TestOfferedOnlyNearby(t *testing.T) {
	m, err := (&Config{Keytab: authn.Path(madeKeytab(t, 18)), Networks: everywhere}).open(authntest.NewEnv("domain-pc"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"192.0.2.9": true, "::ffff:192.0.2.9": true, "198.51.100.1": false, "::ffff:192.0.2.9%eth0": false} {
		a := authntest.NewAttempt("domain-pc", host)
		a.Client = netip.MustParseAddr(address)
		if got := m.Near(a.Client); got != want {
			t.Errorf("%s: near %v", address, got)
		}
		if _, err := m.Begin(t.Context(), a); (err == nil) != want {
			t.Errorf("%s: begin: %v", address, err)
		}
		if _, err := m.Resume(t.Context(), a, authntest.Get(nil)); (err == nil) != want {
			t.Errorf("%s: resume: %v", address, err)
		}
	}
	if m.Near(netip.Addr{}) {
		t.Error("who cannot be read is near")
	}
}
