// Package docs_test proves what the guides in docs/idp say: each snippet of
// configuration is read and checked as "foregate validate" would, and each word of
// the log is looked for in the code that writes it.
package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"foregate/authn"
	"foregate/authn/oidc"
	"foregate/authn/saml"
	"foregate/internal/config"
)

const root = "../.."

var kinds = []config.Kind{
	{Name: "oidc", New: func() authn.MethodConfig { return new(oidc.Config) }},
	{Name: "saml", New: func() authn.MethodConfig { return new(saml.Config) }},
}

// rest completes a snippet, which has only its methods.
const rest = `
listen: {http: "127.0.0.1:8080", admin: "off"}
storage: {path: data}
apps:
  - name: careplan
    hosts: [careplan.hospital.example]
    upstream: {url: "http://127.0.0.1:9000"}
    methods: [%s]
`

func TestSnippetsAreValid(t *testing.T) {
	n := 0
	for _, guide := range guides(t) {
		for i, snippet := range snippets(read(t, guide)) {
			n++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(guide), i+1), func(t *testing.T) {
				file, err := validated(t, snippet)
				if err != nil {
					t.Fatalf("%v\n%s", err, snippet)
				}
				if len(file.Warnings) > 0 {
					t.Errorf("warns: %v\n%s", file.Warnings, snippet)
				}
			})
		}
	}
	if n < 14 {
		t.Errorf("found only %d snippets; the test looks in the wrong place", n)
	}
}

// TestSnippetsAreReallyRead spoils each snippet: if that is not seen, the test above sees
// nothing.
func TestSnippetsAreReallyRead(t *testing.T) {
	n := 0
	for _, guide := range guides(t) {
		for i, snippet := range snippets(read(t, guide)) {
			for _, change := range [][2]string{
				{"    title:", "    titel:"}, {"client_id:", "client_di:"},
				{": https://", ": http://"}, {`url: "https://`, `url: "http://`},
				{"{file: secrets/", "{file: gone/"}, {"certificate: ", "certificate: gone/"}, {"{file: openathens.xml", "{file: gone.xml"},
			} {
				if !strings.Contains(snippet, change[0]) {
					continue
				}
				// What is written is made beforehand from the right snippet.
				dir := t.TempDir()
				prepare(t, dir, snippet)
				spoilt := strings.Replace(snippet, change[0], change[1], 1)
				if strings.Contains(spoilt, "entity_id: http://") || strings.Contains(spoilt, "federation.pem") && strings.Contains(change[1], "http:") {
					continue // a name, not an address; or signed metadata, which may come by any road
				}
				n++
				if _, err := parse(dir, snippet, spoilt); err == nil {
					t.Errorf("%s, snippet %d: accepted with %q", filepath.Base(guide), i+1, change[1])
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("spoilt only %d snippets", n)
	}
}

// TestLogWordsAreReal looks for what stands in the first column of "What goes
// wrong": words in backquotes are the log's, with … where a value is.
func TestLogWordsAreReal(t *testing.T) {
	var code strings.Builder
	for _, room := range []string{"authn/oidc", "authn/saml", "proxy"} {
		files, err := filepath.Glob(filepath.Join(root, room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				code.WriteString(read(t, f))
			}
		}
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, guide := range guides(t) {
		_, table, found := strings.Cut(read(t, guide), "\n## What goes wrong\n")
		if !found {
			if filepath.Base(guide) != "README.md" {
				t.Errorf("%s does not say what goes wrong", guide)
			}
			continue
		}
		n := 0
		for row := range strings.Lines(table) {
			cells := strings.Split(row, " | ")
			if len(cells) != 3 {
				if strings.HasPrefix(row, "| ") {
					t.Errorf("%s: a row of %d cells: %s", guide, len(cells), row)
				}
				continue
			}
			for _, words := range quoted.FindAllStringSubmatch(cells[0], -1) {
				n++
				for _, part := range strings.Split(words[1], "…") {
					if part = strings.TrimSpace(part); !strings.Contains(code.String(), part) {
						t.Errorf("%s: nothing logs %q", guide, part)
					}
				}
			}
		}
		if n < 5 {
			t.Errorf("%s has only %d messages of the log", guide, n)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, guide := range append(guides(t), filepath.Join(root, "README.md"), filepath.Join(root, "docs/methods/saml.md")) {
		for _, m := range link.FindAllStringSubmatch(read(t, guide), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(guide), m[1])); err != nil {
				t.Errorf("%s: %v", guide, err)
			}
		}
	}
	index := read(t, filepath.Join(root, "docs/idp/README.md"))
	for _, guide := range guides(t) {
		if name := filepath.Base(guide); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/idp/README.md does not lead to %s", name)
		}
	}
}

func TestAddressesAreServed(t *testing.T) {
	served := read(t, filepath.Join(root, "proxy/own.go"))
	address := regexp.MustCompile(`careplan\.hospital\.example/sso/([a-z-]+)`)
	n := 0
	for _, guide := range guides(t) {
		for _, m := range address.FindAllStringSubmatch(read(t, guide), -1) {
			n++
			if !strings.Contains(served, `verb == "`+m[1]+`"`) {
				t.Errorf("%s: nothing is served at /sso/%s", guide, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("found only %d addresses; the test looks in the wrong place", n)
	}
}

func guides(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "docs/idp/*.md"))
	if err != nil || len(all) < 8 {
		t.Fatalf("found %d guides: %v", len(all), err)
	}
	return all
}

var block = regexp.MustCompile("(?ms)^```yaml\n(methods:\n.*?)^```$")

func snippets(text string) []string {
	var all []string
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func validated(t *testing.T, snippet string) (*config.File, error) {
	t.Helper()
	dir := t.TempDir()
	prepare(t, dir, snippet)
	return parse(dir, snippet, snippet)
}

// parse checks a snippet together with an app that uses the methods of names.
func parse(dir, names, snippet string) (*config.File, error) {
	var used []string
	for _, m := range regexp.MustCompile(`(?m)^  - name: (\S+)$`).FindAllStringSubmatch(names, -1) {
		used = append(used, m[1])
	}
	return config.Parse("foregate.yaml", []byte(snippet+fmt.Sprintf(rest, strings.Join(used, ", "))), dir, kinds)
}

// prepare makes the files that a snippet names.
func prepare(t *testing.T, dir, snippet string) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Load([]byte(snippet), &tree); err != nil {
		t.Fatalf("%v\n%s", err, snippet)
	}
	cert := providersCert(t)
	each(tree, func(path []string, value string) {
		switch {
		case path[len(path)-1] == "certificate":
			write(t, dir, value, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
		case len(path) > 1 && slices.Equal(path[len(path)-2:], []string{"metadata", "file"}):
			write(t, dir, value, metadata(entityOf(snippet), cert))
		case path[len(path)-1] == "file":
			write(t, dir, value, []byte("a secret of the provider and ours\n"))
		}
	})
}

// each calls f with every text in a tree and the keys that lead to it.
func each(node any, f func(path []string, value string), path ...string) {
	switch n := node.(type) {
	case map[string]any:
		for key, v := range n {
			each(v, f, append(slices.Clone(path), key)...)
		}
	case []any:
		for _, v := range n {
			each(v, f, path...)
		}
	case string:
		f(path, n)
	}
}

func entityOf(snippet string) string {
	if m := regexp.MustCompile(`\bentity_id: "?([^"\s}]+)`).FindStringSubmatch(snippet); m != nil {
		return m[1]
	}
	return "https://idp.hospital.example/saml"
}

func metadata(entity string, cert []byte) []byte {
	return fmt.Appendf(nil, `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s">
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.hospital.example/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>`, entity, base64.StdEncoding.EncodeToString(cert))
}

func providersCert(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp.hospital.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
