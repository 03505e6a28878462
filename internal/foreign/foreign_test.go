package foreign

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the golden files anew")

// secretText stands in every original where a secret does.
const secretText = "do-not-tell-anyone-7"

func draftOf(name string, text []byte) (*Draft, error) {
	if strings.HasPrefix(name, "oauth2") {
		return OAuth2Proxy(text)
	}
	return ModAuthOpenIDC(text)
}

func whole(d *Draft) string {
	var b strings.Builder
	b.Write(d.YAML)
	for _, s := range d.Secrets {
		fmt.Fprintf(&b, "secret: %s = %s\n", s.Env, s.Setting)
	}
	for _, n := range d.Missing {
		fmt.Fprintf(&b, "missing: %s\n", n)
	}
	for _, n := range d.Check {
		fmt.Fprintf(&b, "check: %s\n", n)
	}
	return b.String()
}

func TestDrafts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d originals, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := draftOf(name, text)
			if err != nil {
				t.Fatal(err)
			}
			got, golden := whole(d), strings.TrimSuffix(file, ".in")+".golden"
			if strings.Contains(got, secretText) {
				t.Errorf("a secret is told:\n%s", got)
			}
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("draft (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPathsAreNoWiderThanExpressions: what becomes a rule for anyone must not let
// through what the expression did not.
func TestPathsAreNoWiderThanExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"^/health$": "/health", "^/static/": "/static/**", "^/static/.*": "/static/**", "^/static/.*$": "/static/**", "^/api(/.*)?$": "/api/**",
		`^/robots\.txt$`: "/robots.txt", "^/public": "/public/**", "^/": "/**",
		"/health": "", "health$": "", "^/a|^/b": "", "^/v[0-9]/": "", "^/public.*": "", "^/x?$": "", "^/(a|b)/": "", "^/%2e": "", "^/a/../b": "", "": "", "^": "", "^//x": "",
	} {
		got, ok := plainPath(expression)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v, want %q", expression, got, ok, want)
		}
	}
}

func TestWhatIsNoConfigurationIsSaidSo(t *testing.T) {
	for name, text := range map[string]string{
		"oauth2 nothing": "", "oauth2 prose": "hello there", "oauth2 broken": "client_secret = \"" + secretText,
		"oauth2 long": strings.Repeat("a", maxSize+1), "apache nothing": "", "apache other": "ServerName x\n", "apache open": "<Location />\nOIDCClientID x\n",
		"apache closed": "OIDCClientID x\n</Location>\n", "apache empty": "OIDCClientID x\n<>\n", "apache deep": "OIDCClientID x\n" + strings.Repeat("<If x>\n", 30),
	} {
		d, err := draftOf(name, []byte(text))
		if err == nil {
			t.Errorf("%s: a draft:\n%s", name, d.YAML)
		} else if strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: a secret is told: %v", name, err)
		}
	}
}

func FuzzOAuth2Proxy(f *testing.F) { fuzz(f, "oauth2-proxy", "client_secret = \"%s\"\n", OAuth2Proxy) }

func FuzzModAuthOpenIDC(f *testing.F) {
	fuzz(f, "mod_auth_openidc", "OIDCClientSecret %s\n", ModAuthOpenIDC)
}

// fuzz reads anything: what comes out is YAML, and no secret is in it.
func fuzz(f *testing.F, kind, secretLine string, read func([]byte) (*Draft, error)) {
	files, _ := filepath.Glob("testdata/" + kind + "*.in")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.ReplaceAll(text, []byte(secretText), []byte("x")))
	}
	f.Add([]byte("--client-id\n--upstream=[,\"'\\"))
	f.Add([]byte("providers: [&a {provider: *a}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte(secretText)) {
			return
		}
		for _, whatever := range [][]byte{text, append([]byte(fmt.Sprintf(secretLine, secretText)), text...)} {
			d, err := read(whatever)
			if err != nil {
				if strings.Contains(err.Error(), secretText) {
					t.Fatalf("a secret is told: %v", err)
				}
				continue
			}
			if strings.Contains(whole(d), secretText) {
				t.Fatalf("a secret is told:\n%s", whole(d))
			}
			var any yaml.Node
			if err := yaml.Unmarshal(d.YAML, &any); err != nil {
				t.Fatalf("not YAML: %v\n%s", err, d.YAML)
			}
		}
	})
}
