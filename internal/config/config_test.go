package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"

	"github.com/google/go-cmp/cmp"
)

// badge and door are methods as a kind of their own would bring them.
type badge struct {
	Server   string            `yaml:"server" required:"true" doc:"Address of the badge server."`
	Key      authn.Secret      `yaml:"key" doc:"Key of the badge server."`
	Timeout  time.Duration     `yaml:"timeout" default:"5s" min:"1s" max:"1m" doc:"Limit of a request."`
	Share    float64           `yaml:"share" default:"0.5" doc:"Share of doors."`
	Retries  *int              `yaml:"retries" min:"0" max:"9" doc:"Tries after the first."`
	Insecure bool              `yaml:"insecure_doors" default:"false" doc:"Leave the doors open."`
	Scopes   []string          `yaml:"scopes" default:"[a, b]" enum:"a|b|c" doc:"Scopes."`
	Extra    map[string]string `yaml:"extra" doc:"Further parameters."`
	Free     map[string]any    `yaml:"free" doc:"Anything."`
	Home     netip.Addr        `yaml:"home" doc:"Address of the door."`
	Users    []badgeUser       `yaml:"users" doc:"People."`
	Office   *badgeUser        `yaml:"office" doc:"Who to ask."`
}

type badgeUser struct {
	Name string       `yaml:"name" required:"true" doc:"Name."`
	PIN  authn.Secret `yaml:"pin" doc:"PIN."`
}

func (b *badge) Validate() error {
	var faults []error
	if strings.HasPrefix(b.Server, "ftp:") {
		faults = append(faults, &authn.Fault{Path: "server", Problem: "is not an https address", Remedy: "write https:// in front"})
	}
	for i, u := range b.Users {
		if u.Name == "root" {
			faults = append(faults, &authn.Fault{Path: item("users", i) + ".name", Problem: "nobody is root", Remedy: "choose another name"})
		}
		if u.Name == "alice" && u.PIN.Empty() {
			faults = append(faults, &authn.Fault{Path: item("users", i) + ".pin", Problem: "alice needs a PIN", Remedy: "add one"})
		}
	}
	if b.Server == "loose" {
		faults = append(faults, errors.New("the server is loose"))
	}
	return errors.Join(faults...)
}

func (b *badge) Open(authn.Env) (authn.Authenticator, error) {
	return nil, errors.New("there is no badge server")
}

type door struct {
	Open_ bool `yaml:"open" default:"true" doc:"Open by day."`
}

func (*door) Validate() error     { return nil }
func (*door) Takes(string) string { return "the door" }
func (d *door) Warnings() []*authn.Fault {
	if d.Open_ {
		return nil
	}
	return []*authn.Fault{{Path: "open", Problem: "nobody gets in", Remedy: "open the door"}}
}
func (*door) Open(authn.Env) (authn.Authenticator, error) {
	return nil, errors.New("there is no door")
}

// key is a method that builds on a door.
type key struct {
	door `yaml:",inline"`
	Of   string `yaml:"of" default:"" doc:"The door."`
}

func (k *key) Builds() (string, string) { return "of", k.Of }
func (*door) Finds() bool               { return true }

// letter is a method that cannot do without a mail server.
type letter struct{ door }

func (*letter) NeedsMail() bool { return true }

func kinds() []Kind {
	return []Kind{
		{"letter", func() authn.MethodConfig { return new(letter) }},
		{"key", func() authn.MethodConfig { return new(key) }},
		{"badge", func() authn.MethodConfig { return new(badge) }},
		{"door", func() authn.MethodConfig { return new(door) }},
	}
}

// least is the smallest file that is right; tests add to its end.
const least = `methods:
  - name: ward
    badge: {server: https://badge.example}
apps:
  - name: careplan
    hosts: [careplan.hospital.example]
    upstream: {url: http://127.0.0.1:9000}
    methods: [ward]
`

func parse(t *testing.T, text string) (*File, error) {
	t.Helper()
	return Parse("foregate.yaml", []byte(text), t.TempDir(), kinds())
}

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := parse(t, text)
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return f
}

func TestLeastFileGetsEveryDefault(t *testing.T) {
	f := mustParse(t, least)
	if diff := cmp.Diff(Listen{HTTP: ":8080", Drain: 10 * time.Second, Admin: "127.0.0.1:9180"}, f.Listen); diff != "" {
		t.Errorf("listen (-want +got):\n%s", diff)
	}
	wantLimits := Limits{10 * time.Second, time.Minute, 2 * time.Minute, 64 << 10, 16 << 10, 64 << 10}
	if diff := cmp.Diff(wantLimits, f.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Session{Idle: 20 * time.Minute, Lifetime: 12 * time.Hour, Reentry: true, Keep: true, Cookie: Cookie{Name: "foregate"}}, f.Session); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Log{"json", "info", true}, f.Log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if f.Prefix != "/sso" || !filepath.IsAbs(string(f.Storage.Path)) || filepath.Base(string(f.Storage.Path)) != "data" {
		t.Errorf("prefix %q, storage.path %q", f.Prefix, f.Storage.Path)
	}
	a := f.Apps[0]
	if a.Upstream.ConnectTimeout != 5*time.Second || a.Upstream.ResponseTimeout != 30*time.Second || a.Upstream.IdleTimeout != 4*time.Second {
		t.Errorf("upstream %+v", a.Upstream)
	}
	if a.Headers.Preset != "forwarded" || a.Page.Title != "careplan" || f.Methods[0].Title != "ward" {
		t.Errorf("preset %q, page title %q, method title %q", a.Headers.Preset, a.Page.Title, f.Methods[0].Title)
	}
	b := f.Methods[0].Config.(*badge)
	if f.Methods[0].Kind != "badge" || b.Timeout != 5*time.Second || b.Share != 0.5 || b.Retries != nil || b.Office != nil {
		t.Errorf("badge %+v", b)
	}
	if diff := cmp.Diff([]string{"a", "b"}, b.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if len(f.Warnings) != 0 {
		t.Errorf("warnings %v", f.Warnings)
	}
}

func TestEveryKindOfValueIsDecoded(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "badge: {server: https://badge.example}", `badge:
      server: 00123
      key: 0x1F
      timeout: 1m
      share: 0.25
      retries: 0
      scopes: [c]
      extra: {vtr: 1.50, on: yes}
      free: {list: [1, two, {three: 3.5}], none: ~}
      home: "::ffff:192.0.2.7"
      users: [{name: alice, pin: 0042}, {name: null_, pin: "null"}]
      office: {name: bob}`, 1)+`
trusted_proxies: [192.0.2.7, 10.0.0.0/8, "2001:db8::/32"]
`)
	b := f.Methods[0].Config.(*badge)
	if b.Server != "00123" || b.Key.Reveal() != "0x1F" || b.Users[0].PIN.Reveal() != "0042" || b.Users[1].PIN.Reveal() != "null" {
		t.Errorf("text is not kept as written: %q %q %q", b.Server, b.Key.Reveal(), b.Users[0].PIN.Reveal())
	}
	if b.Timeout != time.Minute || b.Share != 0.25 || b.Retries == nil || *b.Retries != 0 || b.Office.Name != "bob" {
		t.Errorf("badge %+v", b)
	}
	if diff := cmp.Diff(map[string]string{"vtr": "1.50", "on": "yes"}, b.Extra); diff != "" {
		t.Errorf("extra (-want +got):\n%s", diff)
	}
	free := map[string]any{"list": []any{1, "two", map[string]any{"three": 3.5}}, "none": nil}
	if diff := cmp.Diff(free, b.Free); diff != "" {
		t.Errorf("free (-want +got):\n%s", diff)
	}
	if b.Home != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("home %v", b.Home)
	}
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	if diff := cmp.Diff(want, f.TrustedProxies, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("trusted_proxies (-want +got):\n%s", diff)
	}
}

func TestEmptySectionsAndAliasesAreAllowed(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "methods: [ward]\n", "methods: &all [ward]\n    rules: [{path: /x, methods: *all}]\n", 1)+"session:\n  # idle: 5m\nlog:\n")
	if f.Session.Idle != 20*time.Minute || f.Log.Format != "json" {
		t.Errorf("session.idle %v, log.format %q", f.Session.Idle, f.Log.Format)
	}
	if diff := cmp.Diff([]string{"ward"}, f.Apps[0].Rules[0].Methods); diff != "" {
		t.Errorf("aliased methods (-want +got):\n%s", diff)
	}
}

func TestHostsAreCanonical(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "[careplan.hospital.example]", `[bücher.example, "localhost:8080", "[::1]:8443", 192.0.2.1, ward_1.local]`, 1))
	want := []string{"xn--bcher-kva.example", "localhost:8080", "[::1]:8443", "192.0.2.1", "ward_1.local"}
	if diff := cmp.Diff(want, f.Apps[0].Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestLoadReadsRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	secret := strings.Repeat("s", 40)
	write(t, dir, "session.key", secret+"\n", 0o600)
	write(t, dir, "foregate.yaml", least+"session: {secrets: [{file: session.key}]}\nstorage: {path: db}\n", 0o600)
	f, err := Load(filepath.Join(dir, "foregate.yaml"), kinds())
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Session.Secrets[0].Reveal(); got != secret {
		t.Errorf("secret of %d bytes, want %d", len(got), len(secret))
	}
	if want := filepath.Join(dir, "db"); string(f.Storage.Path) != want {
		t.Errorf("storage.path %q, want %q", f.Storage.Path, want)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml"), kinds()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestCF2InsecureOptionsAreWarnedOf(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "{server: https://badge.example}", "{server: x, insecure_doors: true}", 1)+"insecure_trust_all_proxies: true\n")
	var got []string
	for _, w := range f.Warnings {
		got = append(got, w.Path)
	}
	if diff := cmp.Diff([]string{"methods[0].badge.insecure_doors", "insecure_trust_all_proxies"}, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if len(f.TrustedProxies) != 2 || f.TrustedProxies[0].Bits() != 0 || f.TrustedProxies[1].Bits() != 0 {
		t.Errorf("trusted_proxies %v, want everything", f.TrustedProxies)
	}
}

func TestMethodWarnsOfWhatNoOneKeyShows(t *testing.T) {
	f := mustParse(t, strings.Replace(least, "badge: {server: https://badge.example}", "door: {open: false}", 1))
	if len(f.Warnings) != 1 || f.Warnings[0].Path != "methods[0].door.open" || f.Warnings[0].Problem != "nobody gets in" || f.Warnings[0].Line != 3 {
		t.Errorf("warnings %v, want the door's", f.Warnings)
	}
}

func write(t *testing.T, dir, name, content string, mode os.FileMode) string {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := os.WriteFile(full, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(full, mode); err != nil {
		t.Fatal(err)
	}
	return full
}

func TestGroupsThatOpenSomethingAreFound(t *testing.T) {
	f := &File{
		Methods: []Method{{Admit: accounts.Policy{Groups: []string{"Users"}}}},
		Apps: []App{
			{Roles: accounts.Roles{FromGroups: map[string][]string{"admin": {"Admins", "Users"}}}, Rules: []Rule{{Groups: []string{"Wards"}}, {}}},
		},
	}
	if diff := cmp.Diff([]string{"Admins", "Users", "Wards"}, f.DecidingGroups()); diff != "" {
		t.Error(diff)
	}
}
