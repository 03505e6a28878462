package pages_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"foregate/proxy/pages"
)

// Where what people read on the pages is said. In all of them a sentence begins with a
// capital and ends with a full stop, as no error for the log does.
var speakers = []string{"..", "../../authn", "../../upstream", "../../internal/mail", "../../internal/lockout", "../../internal/onetime"}

// silent are folders below whose words never reach these pages.
var silent = []string{"testdata", "admin", "scim", "authntest"}

// notSaid look like words for people and are none.
var notSaid = []string{"Authorization header that cannot be read, or more than one"}

var (
	sentenceShape = regexp.MustCompile(`^[A-Z][^\n]* [^\n]*[.?!]$`)
	phraseShape   = regexp.MustCompile(`^[A-Z][a-z-]*( [a-z\x00“-][^=\n]*)?\??$`)
	partShape     = regexp.MustCompile(`\{\{\.\w+\}\}|%[sdv]`)
	inTemplate    = regexp.MustCompile(`\b(?:say|phrase|counted) "([^"]+)"`)
)

// shown are fields that hold words for people, be they a single word.
var shown = []string{"Label", "Title", "Heading", "heading", "Button", "Action", "Lead", "More", "Note", "Words"}

// wholly are declarations of which each text is said.
var wholly = []string{"proofs", "months", "timeLeft"}

// told are calls whose first argument is said.
var told = []string{"say", "with", "counted"}

// outline is a message without the names of its parts.
func outline(id string) string { return partShape.ReplaceAllString(id, "\x00") }

// said finds all that is said on pages, with the place where it is.
func said(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	templates, err := filepath.Glob("html/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range templates {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inTemplate.FindAllStringSubmatch(string(text), -1) {
			found[outline(m[1])] = path
		}
	}
	for _, root := range speakers {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains(silent, d.Name()):
				return fs.SkipDir
			case d.Name() == "tryout.go": // for administrators, in the words of the configuration
				return nil
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			return saidIn(path, found)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range notSaid {
		if _, there := found[s]; !there {
			t.Errorf("%q is not in the code any more: take it off the list", s)
		}
		delete(found, s)
	}
	return found
}

// saidIn adds what one file says.
func saidIn(path string, found map[string]string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	here, near := strings.HasPrefix(path, "../pages/"), !strings.HasPrefix(path, "../../")
	add := func(e ast.Expr, fits func(string) bool) {
		if text, ok := literal(e); ok {
			if text = outline(text); fits(text) {
				found[text] = set.Position(e.Pos()).String()
			}
		}
	}
	anything := func(s string) bool { return s != "" }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if n.Names[0].Name == "elsewhere" {
				return false // repeats what is said elsewhere
			}
			if slices.Contains(wholly, n.Names[0].Name) {
				every(n, func(e ast.Expr) { add(e, anything) })
				return false
			}
		case *ast.FuncDecl:
			if path == "../methods.go" && n.Name.Name == "note" {
				every(n.Body, func(e ast.Expr) { add(e, anything) })
				return false
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(shown, key.Name) && !strings.HasPrefix(path, "../../internal") && !strings.HasPrefix(path, "../../upstream") {
				add(n.Value, func(s string) bool { return phraseShape.MatchString(s) || sentenceShape.MatchString(s) })
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(told, s.Sel.Name) && len(n.Args) > 0 && here {
				add(n.Args[0], anything)
			}
		case ast.Expr:
			if _, ok := literal(n); ok {
				add(n, func(s string) bool {
					return sentenceShape.MatchString(s) || near && strings.Contains(s, " ") && phraseShape.MatchString(s)
				})
				return false
			}
		}
		return true
	})
	return nil
}

// every calls f with each text below n.
func every(n ast.Node, f func(ast.Expr)) {
	ast.Inspect(n, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			every(kv.Value, f)
			return false
		}
		if e, ok := n.(ast.Expr); ok {
			if _, ok := literal(e); ok {
				f(e)
				return false
			}
		}
		return true
	})
}

// literal is a text in the code; what is put into it by + is a part.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, ok1 := literal(e.X)
		right, ok2 := literal(e.Y)
		if !ok1 {
			left = "\x00"
		}
		if !ok2 {
			right = "\x00"
		}
		return left + right, ok1 || ok2
	}
	return "", false
}

// catalogue reads one language: a text or its plural forms for each message.
func catalogue(t testing.TB, tag string) map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile("languages/" + tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]string)
	for id, v := range raw {
		switch v := v.(type) {
		case string:
			all[id] = map[string]string{"other": v}
		case map[string]any:
			all[id] = make(map[string]string)
			for form, text := range v {
				all[id][form], _ = text.(string)
			}
		default:
			t.Fatalf("%s: %q is neither a text nor plural forms", tag, id)
		}
	}
	return all
}

// What is said on a page is in the catalogue of every language, and nothing else is.
// English has what must be put together.
func TestEveryLanguageIsComplete(t *testing.T) {
	wanted := said(t)
	if len(wanted) < 200 {
		t.Fatalf("only %d messages are found in the code", len(wanted))
	}
	all, err := pages.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range pages.Languages() {
		if got := all.Speaks(l.Tag); got != l.Tag {
			t.Errorf("who reads %s is answered in %s", l.Tag, got)
		}
		have := make(map[string]bool)
		for id := range catalogue(t, l.Tag) {
			have[outline(id)] = true
			if _, ok := wanted[outline(id)]; !ok {
				t.Errorf("%s: nobody says %q", l.Tag, id)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(wanted)) {
			if !have[id] && (l.Tag != "en" || strings.Contains(id, "\x00")) {
				t.Errorf("%s: no words for %q, said in %s", l.Tag, id, wanted[id])
			}
		}
	}
}

// Translations keep the parts of their message; only a form for one, two or no things
// may do without the number.
func TestTranslationsKeepTheirParts(t *testing.T) {
	for _, l := range pages.Languages() {
		for id, forms := range catalogue(t, l.Tag) {
			want := parts(id)
			for form, text := range forms {
				got := parts(text)
				if form == "zero" || form == "one" || form == "two" {
					got = withCount(got)
				}
				if !slices.Equal(got, want) || strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
					t.Errorf("%s: %q, %s: parts %q, want %q, in %q", l.Tag, id, form, got, want, text)
				}
			}
			if l.Tag == "en" && forms["other"] != id {
				t.Errorf("English says %q for %q", forms["other"], id)
			}
			if strings.Contains(id, "{{.count}}") != (len(forms) > 1) {
				t.Errorf("%s: %q is counted, or has forms, and not both", l.Tag, id)
			}
		}
	}
}

func parts(text string) []string {
	found := partShape.FindAllString(text, -1)
	slices.Sort(found)
	return found
}

func withCount(parts []string) []string {
	if !slices.Contains(parts, "{{.count}}") {
		parts = append(parts, "{{.count}}")
	}
	slices.Sort(parts)
	return parts
}

// Sentences keep how they end, so that none is cut off and no label becomes a sentence.
func TestTranslationsEndAsTheirMessage(t *testing.T) {
	ends := func(s string) string {
		if i := strings.LastIndexAny(s, ".?!:"); i == len(s)-1 {
			return s[i:]
		}
		return ""
	}
	for _, l := range pages.Languages() {
		for id, forms := range catalogue(t, l.Tag) {
			for _, text := range forms {
				if got, want := ends(strings.TrimSuffix(text, "}}")), ends(strings.TrimSuffix(id, "}}")); got != want {
					t.Errorf("%s: %q ends with %q, want %q", l.Tag, text, got, want)
				}
			}
		}
	}
}
