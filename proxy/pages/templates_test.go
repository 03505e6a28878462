package pages_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foregate/proxy/pages"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplateOfAnOperatorTakesThePlaceOfTheBuiltIn(t *testing.T) {
	own, err := pages.Load(folder(t, map[string]string{
		"problem.html": `{{define "content"}}<p class="mine">{{say "What to do:"}} {{.Page.Message}}</p>{{end}}`,
		".hidden":      "{{",
	}))
	if err != nil {
		t.Fatal(err)
	}
	look := *careplan
	look.Own = own
	rec := httptest.NewRecorder()
	if err := newPages(t).Write(rec, http.StatusForbidden, pages.Reader{Language: "de"}, &look, pages.Problem{Message: "<script>alert(1)</script>"}); err != nil {
		t.Fatal(err)
	}
	if got := rec.Body.String(); !strings.Contains(got, `<p class="mine">`) || strings.Contains(got, "What to do:") || !strings.Contains(got, `&lt;script&gt;alert(1)`) || rec.Code != http.StatusForbidden {
		t.Errorf("got %d %s", rec.Code, got)
	}
	if got := rec.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") || strings.Contains(got, "script-src") {
		t.Errorf("policy %q", got)
	}
	_, body, _ := write(t, careplan, pages.Problem{Message: "x"})
	if strings.Contains(body, "mine") {
		t.Error("it is in the pages of another application")
	}
}

func TestBuiltInTemplatesAreABeginning(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, pages.Templates()); err != nil {
		t.Fatal(err)
	}
	if _, err := pages.Load(dir); err != nil {
		t.Fatal(err)
	}
	files, err := fs.ReadDir(pages.Templates(), ".")
	if err != nil || len(files) < 16 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestFaultOfATemplateIsNamedWithItsPlace(t *testing.T) {
	const begin, end = `{{define "content"}}` + "\n", "{{end}}"
	form, err := fs.ReadFile(pages.Templates(), "form.html")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ file, text, want, known string }{
		"variable":          {"problem.html", begin + "<p>{{.Page.Mesage}}</p>" + end, `problem.html:2:11: pages.Problem has no variable Mesage`, "Message"},
		"of an item":        {"chooser.html", begin + "{{range .Page.Choices}}{{.Titel}}{{end}}" + end, `chooser.html:2:26: pages.Choice has no variable Titel`, "Title"},
		"of the layout":     {"layout.html", "{{.Brnd}}", `layout.html:1:3: pages.view has no variable Brnd`, "Brand"},
		"function":          {"problem.html", begin + "{{sya .Page.Message}}" + end, `problem.html:2: there is no function sya`, "say"},
		"not closed":        {"problem.html", begin + "{{if .Page.Message}}" + end, `problem.html:2: unexpected EOF`, ""},
		"no content":        {"problem.html", "<p>Sorry</p>", `problem.html: does not say {{define "content"}} … {{end}}`, ""},
		"name of file":      {"problems.html", "", `problems.html: is no template of a page`, "problem.html"},
		"context":           {"problem.html", begin + `<p title="{{if .Page.Code}}">{{end}}</p>` + end, `problem.html:2:`, ""},
		"script":            {"problem.html", begin + "\n<script>alert(1)</script>" + end, `problem.html:3: <script> is blocked`, ""},
		"script of layout":  {"layout.html", `<script src="x.js" nonce="{{.Nonce}}"></script>`, `layout.html:1: <script> is blocked`, ""},
		"style":             {"problem.html", begin + `<p style="color: red">x</p>` + end, `problem.html:2: the attribute style is blocked`, ""},
		"handler":           {"problem.html", begin + `<p onclick="x()">x</p>` + end, `problem.html:2: the attribute onclick is blocked`, ""},
		"font from outside": {"problem.html", begin + `<link rel="stylesheet" href="https://fonts.example/x.css">` + end, `problem.html:2: the attribute href is blocked`, ""},
		"field left out":    {"form.html", strings.Replace(string(form), `name="attempt"`, `name="try"`, 1), `formpage.html: leaves out the field "attempt"`, ""},
		"no form":           {"signout.html", begin + "<p>{{.Page.User}}</p>" + end, `signout.html: leaves out the form that is sent to /sample by post`, ""},
		"large":             {"style.css", strings.Repeat(" ", 257<<10), "style.css: is larger than 256 KiB", ""},
	}
	for name, test := range tests {
		_, err := pages.Load(folder(t, map[string]string{test.file: test.text}))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
			continue
		}
		var fault *pages.Fault
		if !errors.As(err, &fault) || test.known != "" && !strings.Contains(strings.Join(fault.Known, " "), test.known) {
			t.Errorf("%s: known %v", name, fault)
		}
	}
	if _, err := pages.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// What the trial does not meet still gives people a page: the built-in one.
func TestTemplateThatFailsLaterGivesWayToTheBuiltIn(t *testing.T) {
	own, err := pages.Load(folder(t, map[string]string{"problem.html": `{{define "content"}}{{if eq .Page.Code "7"}}{{index .Page.Code 9}}{{end}}{{end}}`}))
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	err = newPages(t).Write(rec, http.StatusForbidden, pages.Reader{}, &pages.Look{Own: own}, pages.Problem{Message: "Ask your ward.", Code: "7"})
	if err == nil || rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "Ask your ward.") {
		t.Errorf("got %d, %v", rec.Code, err)
	}
}

const variablesFrom, variablesTo = "<!-- variables -->\n", "<!-- /variables -->\n"

// TestVariablesOfTheTemplatesAreDocumented: docs/pages.md has each, as the code has it. With
// VARIABLES=1 they are written anew.
func TestVariablesOfTheTemplatesAreDocumented(t *testing.T) {
	const doc = "../../docs/pages.md"
	data, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), variablesFrom)
	for _, name := range pages.Functions() {
		if !strings.Contains(before, "`"+name+"`") {
			t.Errorf("docs/pages.md does not say what %s does", name)
		}
	}
	have, after, ok2 := strings.Cut(rest, variablesTo)
	if !ok || !ok2 {
		t.Fatalf("no %q in %s", variablesFrom, doc)
	}
	want := variables(t)
	if os.Getenv("VARIABLES") != "" {
		if err := os.WriteFile(doc, []byte(before+variablesFrom+want+variablesTo+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Error("the variables in docs/pages.md are not those of the code: write them with VARIABLES=1 go test ./proxy/pages -run Variables")
	}
}

// variables is a table for each type that a template can meet, of the code and its comments.
func variables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	files := []struct {
		name  string
		types string // in this order; the first word is what the docs call it
	}{
		{"pages.go", "view"}, {"choose.go", "tongueLink Language"}, {"language.go", "Language"}, {"colour.go", "palette shades"},
		{"page.go", "Chooser Choice FormPage PostForm Handshake KeptForm Problem SignOut SignedOut LoopStop"},
		{"form.go", "formView input"}, {"../../authn/authn.go", "Form Field Button"},
		{"account.go", "Account Fact Session Identity Factor"}, {"tryout.go", "TryStart TryOut TryRule TryHeader"},
	}
	for _, file := range files {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file.name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		specs := make(map[string]*ast.StructType)
		for _, d := range parsed.Decls {
			if gen, ok := d.(*ast.GenDecl); ok {
				for _, s := range gen.Specs {
					if spec, ok := s.(*ast.TypeSpec); ok {
						if st, ok := spec.Type.(*ast.StructType); ok {
							specs[spec.Name.Name] = st
						}
					}
				}
			}
		}
		for name := range strings.FieldsSeq(file.types) {
			st := specs[name]
			if st == nil {
				continue
			}
			b.WriteString("\n**" + name + "**\n\n| variable | type | |\n|---|---|---|\n")
			for _, f := range st.Fields.List {
				var kind strings.Builder
				if err := printer.Fprint(&kind, set, f.Type); err != nil {
					t.Fatal(err)
				}
				said := strings.Join(strings.Fields(f.Comment.Text()+" "+f.Doc.Text()), " ")
				names := []string{"all of " + kind.String()}
				if len(f.Names) > 0 {
					names = nil
				}
				for _, n := range f.Names {
					names = append(names, "`."+n.Name+"`")
				}
				if kind.String() == "struct{}" {
					continue
				}
				b.WriteString("| " + strings.Join(names, ", ") + " | `" + kind.String() + "` | " + strings.ReplaceAll(said, "|", `\|`) + " |\n")
			}
		}
	}
	return b.String() + "\n"
}
