// Package architecture keeps the rooms of the house apart.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// may says which rooms a room may import; a room that is not named may import
// none. Standard library and third parties are not the subject, except where
// alone says so.
var may = []struct {
	room string
	of   []string
}{
	{"authn", nil},
	{"authn/authntest", []string{"authn"}},
	{"authn/accounts", []string{"authn", "internal/address", "internal/onetime"}},
	{"authn/mailcode", []string{"authn", "internal/address", "internal/onetime"}},
	{"authn/local", []string{"authn", "internal/lockout", "internal/queue", "internal/resolve"}},
	{"authn/ldap", []string{"authn", "internal/lockout", "internal/queue", "internal/resolve"}},
	{"authn/oidc", []string{"authn", "internal/resolve"}},
	{"authn/saml", []string{"authn", "internal/lockout", "internal/resolve"}},
	{"authn/*", []string{"authn"}},
	{"cookies", []string{"authn"}},
	{"cookies/storetest", []string{"cookies"}},
	{"cookies/*", []string{"cookies", "internal/database", "internal/resolve"}},
	{"upstream", []string{"authn", "internal/resolve"}},
	{"proxy/pages", []string{"authn"}},
	{"proxy/admin", []string{"authn", "authn/accounts", "cookies"}},
	{"proxy/scim", []string{"authn", "authn/accounts"}},
	{"proxy", []string{"authn", "authn/accounts", "cookies", "upstream", "proxy/pages", "proxy/admin", "proxy/scim", "internal/onetime"}},
	{"internal/config", []string{"authn", "authn/accounts", "internal/mail", "proxy/pages"}},
	{"internal/address", nil},
	{"internal/certificates", []string{"cookies"}},
	{"internal/onetime", []string{"authn"}},
	{"internal/lockout", []string{"authn"}},
	{"internal/queue", nil},
	{"internal/mail", []string{"authn", "internal/address", "internal/resolve"}},
	{"internal/database", []string{"internal/resolve"}},
	{"internal/resolve", nil},
	{"internal/foreign", nil},
	{"internal/traces", nil},
	{"internal/demo", nil},
	{"internal/command", []string{"*"}},
	{".", []string{"*"}},
}

// harness are rooms made for tests; product code must not import them.
var harness = []string{"authn/authntest", "cookies/storetest", "internal/optest", "internal/pgtest", "internal/ssptest", "internal/redistest", "internal/mailtest", "internal/ldaptest", "internal/acmetest", "internal/certtest", "internal/dnstest", "internal/samltest", "internal/fronttest", "internal/chromium", "test", "bench"}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	packages := readImports(t, false)
	if len(packages) < 12 {
		t.Fatalf("read only %d packages; the test looks in the wrong place", len(packages))
	}
	for room, imports := range packages {
		if inHarness(room) {
			continue
		}
		allowed := allowedOf(room)
		for _, imp := range imports {
			rel, ours := strings.CutPrefix(imp, "foregate")
			if !ours {
				continue
			}
			rel = strings.TrimPrefix(rel, "/")
			switch {
			case inHarness(rel):
				t.Errorf("%s imports %s, which is made for tests", room, rel)
			case !slices.Contains(allowed, rel) && !slices.Contains(allowed, "*"):
				t.Errorf("%s imports %s; it may import %v", room, rel, allowed)
			}
		}
	}
}

func TestContractOfMethodsNeedsOnlyTheStandardLibrary(t *testing.T) {
	for _, imp := range readImports(t, false)["authn"] {
		if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
			t.Errorf("authn imports %s", imp)
		}
	}
}

func TestNothingUsesDirector(t *testing.T) {
	walkGo(t, func(file string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range f.Unresolved {
			if id.Name == "Director" {
				t.Errorf("%s mentions Director: a client's Connection header could delete identity headers", file)
			}
		}
	})
}

func allowedOf(room string) []string {
	for _, rule := range may {
		if ok, _ := path.Match(rule.room, room); ok {
			return rule.of
		}
	}
	return nil
}

func inHarness(room string) bool {
	return slices.ContainsFunc(harness, func(h string) bool { return room == h || strings.HasPrefix(room, h+"/") })
}

// readImports returns the imports of each package by its folder.
func readImports(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	walkGo(t, func(file string) {
		if strings.HasSuffix(file, "_test.go") != tests {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		room, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		room = filepath.ToSlash(room)
		if _, known := found[room]; !known {
			found[room] = nil
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			found[room] = append(found[room], imp)
		}
	})
	return found
}

func walkGo(t *testing.T, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && p != root) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(p, ".go") {
			visit(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
