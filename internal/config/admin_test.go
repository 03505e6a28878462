package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const longToken = "0123456789abcdef0123456789abcdef"

func TestAdminFaultsHavePlaceAndWords(t *testing.T) {
	token := func(rest string) string { return "{name: nightly, role: viewer, token: " + longToken + rest + "}" }
	for name, tt := range map[string]struct{ text, want string }{
		"short token":       {"admin: {tokens: [{name: a, role: owner, token: abc}]}\n", "9:48: admin.tokens[0].token: the token is too short (found 3 bytes; allowed 32 bytes or more)"},
		"no token":          {"admin: {tokens: [{name: a, role: owner}]}\n", "9:18: admin.tokens[0].token: is missing"},
		"unknown role":      {"admin: {tokens: [{name: a, role: root, token: " + longToken + "}]}\n", `9:34: admin.tokens[0].role: is none of the allowed words (found "root"; allowed viewer, desk, owner)`},
		"name twice":        {"admin: {tokens: [" + token("") + ", " + token("x") + "]}\n", "admin.tokens[1].name: the name is taken by admin.tokens[0]"},
		"token twice":       {"admin: {tokens: [" + token("") + ", {name: b, role: desk, token: " + longToken + "}]}\n", "admin.tokens[1].token: is the same token as that of [0]"},
		"nobody":            {"admin: {allow: [{role: desk}]}\n", "9:17: admin.allow[0]: does not say whom it is about by one key (found 0 of user, email and group"},
		"two at once":       {"admin: {allow: [{user: a, group: b, role: desk}]}\n", "admin.allow[0]: does not say whom it is about by one key (found 2 of"},
		"from elsewhere":    {"listen: {admin: ':9180'}\n", `listen.admin: could be reached from other machines, in plain text (found ":9180"`},
		"certificate":       {"listen: {admin: ':9180'}\nadmin: {tls: {cert: none.pem, key: none.pem}}\n", "admin.tls.cert: the file cannot be read"},
		"half certificate":  {"admin: {tls: {cert: none.pem}}\n", "admin.tls.key: is missing"},
		"no organisation":   {"organisations: [{name: county}]\nadmin: {allow: [{user: a, role: desk, organisation: conty}]}\n", `admin.allow[0].organisation: there is no such organisation (found "conty"; allowed county)`},
		"token of nowhere":  {"organisations: [{name: county}]\nadmin: {tokens: [" + token(", organisation: st-elsewhere") + "]}\n", "admin.tokens[0].organisation: there is no such organisation"},
		"token as a number": {"admin: {tokens: [{name: a, role: owner, token: {vault: x}}]}\n", "admin.tokens[0].token: is not a secret"},
	} {
		_, err := parse(t, least+tt.text)
		var faults *Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), longToken) {
			t.Errorf("%s: the token is shown: %v", name, err)
		}
	}
}

func TestAdminInPlainTextIsWarnedOf(t *testing.T) {
	f := mustParse(t, least+"listen: {admin: ':9180', insecure_admin_plain: true}\n")
	if len(f.Warnings) != 1 || f.Warnings[0].Path != "listen.insecure_admin_plain" {
		t.Errorf("warnings %v", f.Warnings)
	}
	if f := mustParse(t, least+"listen: {admin: '[::1]:9180', insecure_admin_plain: true}\n"); len(f.Warnings) != 0 {
		t.Errorf("on loopback nothing goes over a network: %v", f.Warnings)
	}
}

func TestAllowedAccountsNeedAccounts(t *testing.T) {
	for text, want := range map[string]bool{
		"admin: {allow: [{group: Desk, role: desk}]}\n":                                     true,
		"admin: {tokens: [{name: a, role: owner, token: " + longToken + longToken + "}]}\n": false,
	} {
		if got := mustParse(t, least+text).NeedsAccounts(); got != want {
			t.Errorf("%s: needs accounts: %v", text, got)
		}
	}
}

func TestDumpShowsWhatIsInForceAndNoSecret(t *testing.T) {
	const secrets = 6
	secret := func(i int) string { return fmt.Sprintf("planted%d%s", i, longToken) }
	t.Setenv("PLANTED", secret(4))
	dir := t.TempDir()
	write(t, dir, "planted", secret(5)+"\n", 0o600)
	text := strings.Replace(least, "badge: {server: https://badge.example}", "badge: {server: https://badge.example, key: "+secret(1)+
		", extra: {b: 'true', a: x}, free: {list: [1, two]}, users: [{name: bob, pin: "+secret(2)+"}], home: 192.0.2.1}", 1) +
		"session: {secrets: [{env: PLANTED}], idle: 90s}\nadmin: {tokens: [{name: nightly, role: viewer, token: {file: planted}}]}\n" +
		"storage: {postgres: 'postgres://foregate:" + secret(3) + "@db.example/foregate', redis: {addresses: ['redis.example:6379'], password: " + secret(0) + "}}\n"
	f, err := Parse("foregate.yaml", []byte(text), dir, kinds())
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Dump()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "planted") && strings.Contains(string(got), longToken) || strings.Count(string(got), "(secret)") != secrets {
		t.Errorf("a secret is shown, or one is not there masked:\n%s", got)
	}
	for _, want := range []string{"idle: 1m30s", "lifetime: 12h", "server: https://badge.example", "timeout: 5s", "b: 'true'", "home: 192.0.2.1", "prefix: /sso", "name: nightly"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	var tree map[string]any
	if err := yaml.Load(got, &tree); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(got), "\n"); first != "listen:" {
		t.Errorf("begins with %q, not in the order of the documentation", first)
	}
}

// TestDumpIsAConfiguration: what is shown is a configuration again, up to secrets.
func TestDumpIsAConfiguration(t *testing.T) {
	before, err := mustParse(t, least).Dump()
	if err != nil {
		t.Fatal(err)
	}
	after, err := mustParse(t, string(before)).Dump()
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("read again it is another:\n%s\n%s", before, after)
	}
}

func TestDumpOfNothing(t *testing.T) {
	got, err := new(File).Dump()
	if err != nil || len(got) == 0 {
		t.Errorf("%q, %v", got, err)
	}
}
