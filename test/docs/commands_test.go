package docs_test

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"foregate/internal/command"
)

// documents are all that people read.
func documents(t *testing.T) []string {
	t.Helper()
	all := []string{filepath.Join(root, "README.md"), filepath.Join(root, "SECURITY.md"), filepath.Join(root, "CONTRIBUTING.md")}
	for _, folder := range []string{"docs", "examples", "deploy"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && strings.HasSuffix(path, ".md") {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

var (
	codeSpan  = regexp.MustCompile("`(foregate [^`\n]+)`")
	codeLine  = regexp.MustCompile(`(?m)^ {2,}(?:[A-Z_]+=\S+ )?(?:\./)?(foregate [a-z].*)$`)
	longFlag  = regexp.MustCompile(`--[a-z][a-z-]*`)
	usageWord = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\|[a-z-]+)*$`)
)

// TestCommandsOfDocumentsExist: each command that a document shows is one, with the flags
// that it shows.
func TestCommandsOfDocumentsExist(t *testing.T) {
	n := 0
	for _, doc := range documents(t) {
		text := read(t, doc)
		lines := codeSpan.FindAllStringSubmatch(text, -1)
		for _, m := range append(lines, codeLine.FindAllStringSubmatch(text, -1)...) {
			n++
			checkCommand(t, doc, m[1])
		}
	}
	if n < 60 {
		t.Errorf("found only %d commands; the test looks in the wrong place", n)
	}
}

// TestCommandsOfDocumentsAreRun by a story in test/stories or by a test.
func TestCommandsOfDocumentsAreRun(t *testing.T) {
	var scripts, tests strings.Builder
	for pattern, into := range map[string]*strings.Builder{"test/stories/*.txtar": &scripts, "test/*/*_test.go": &tests, "test/deployments/world/*.go": &tests, "bench/*.go": &tests, "*_test.go": &tests} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if filepath.Base(f) != "commands_test.go" {
				into.WriteString(read(t, f))
			}
		}
	}
	seen := make(map[string]bool)
	for _, doc := range documents(t) {
		text := read(t, doc)
		for _, m := range append(codeSpan.FindAllStringSubmatch(text, -1), codeLine.FindAllStringSubmatch(text, -1)...) {
			for _, way := range waysOf(m[1]) {
				_, depth := helpOf(way)
				seen[strings.Join(way[:depth], " ")] = true
			}
		}
	}
	for path := range seen {
		quoted := `"` + strings.ReplaceAll(path, " ", `", "`) + `"`
		if !strings.Contains(scripts.String(), "foregate "+path) && !strings.Contains(tests.String(), quoted) {
			t.Errorf("no test runs foregate %s", path)
		}
	}
	if len(seen) < 30 {
		t.Errorf("found only %d commands; the test looks in the wrong place", len(seen))
	}
}

// checkCommand looks for a line's commands.
func checkCommand(t *testing.T, doc, line string) {
	t.Helper()
	for _, way := range waysOf(line) {
		help, depth := helpOf(way)
		if depth == 0 {
			t.Errorf("%s: no such command: %s", doc, line)
			continue
		}
		for _, flag := range longFlag.FindAllString(line, -1) {
			if !strings.Contains(help, flag+" ") && !strings.Contains(help, flag+"\n") && flag != "--help" {
				t.Errorf("%s: %s knows no %s: %s", doc, strings.Join(way[:depth], " "), flag, line)
			}
		}
	}
}

// waysOf are the words of a line that may be commands; a|b makes two of it.
func waysOf(line string) [][]string {
	line, _, _ = strings.Cut(line, "  #")
	line, _, _ = strings.Cut(line, "    ") // what follows explains
	ways := [][]string{nil}
	for _, word := range strings.Fields(line)[1:] {
		if !usageWord.MatchString(word) {
			break
		}
		var next [][]string
		for _, way := range ways {
			for one := range strings.SplitSeq(word, "|") {
				next = append(next, append(slices.Clone(way), one))
			}
		}
		ways = next
	}
	return ways
}

// helpOf is the help of the command that most of the words name; depth is how many do.
func helpOf(words []string) (help string, depth int) {
	var own bytes.Buffer
	command.Run([]string{"--help"}, command.Tables{}, strings.NewReader(""), &own, &own)
	help = own.String()
	for depth < len(words) {
		if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(words[depth]) + ` `).MatchString(help) {
			return help, depth
		}
		depth++
		var out bytes.Buffer
		command.Run(append(slices.Clone(words[:depth]), "--help"), command.Tables{}, strings.NewReader(""), &out, &out)
		help = out.String()
	}
	return help, depth
}

// TestMadeTargetsExist: so is each "make …".
func TestMadeTargetsExist(t *testing.T) {
	makefile := read(t, filepath.Join(root, "Makefile"))
	target := regexp.MustCompile("`make ([a-z-]+)|(?m)^ {4,}make ([a-z-]+)")
	n := 0
	for _, doc := range documents(t) {
		for _, m := range target.FindAllStringSubmatch(read(t, doc), -1) {
			n++
			name := m[1] + m[2]
			if !strings.Contains(makefile, "\n"+name+":") && !strings.Contains(makefile, "\nexample-%:") {
				t.Errorf("%s: no make %s", doc, name)
			}
		}
	}
	if n < 5 {
		t.Errorf("found only %d; the test looks in the wrong place", n)
	}
}

var fenced = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestSnippetsOfDocumentsAreInTheSchema: each piece of configuration in a document, though
// it is not a whole one, has the keys and values of the schema. … stands for the rest.
func TestSnippetsOfDocumentsAreInTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, filepath.Join(root, "config.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}
	loosen(doc)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("foregate.json", doc); err != nil {
		t.Fatal(err)
	}
	whole, err := c.Compile("foregate.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts []*jsonschema.Schema
	for _, at := range []string{"apps", "methods"} {
		part, err := c.Compile("foregate.json#/properties/" + at + "/items")
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	n := 0
	for _, name := range documents(t) {
		for i, m := range fenced.FindAllStringSubmatch(read(t, name), -1) {
			n++
			var tree map[string]any
			text := m[1]
			if strings.HasPrefix(strings.TrimSpace(text), "- name:") {
				text = "methods:\n" + text
			}
			if err := yaml.Load([]byte(text), &tree); err != nil {
				t.Errorf("%s, snippet %d: %v", name, i+1, err)
				continue
			}
			ellipsis(tree)
			if err := whole.Validate(tree); err != nil && !slices.ContainsFunc(parts, func(s *jsonschema.Schema) bool { return s.Validate(tree) == nil }) {
				t.Errorf("%s, snippet %d: %v", name, i+1, err)
			}
			tree["titel"] = "x"
			if whole.Validate(tree) == nil {
				t.Errorf("%s, snippet %d: an unknown key is not seen", name, i+1)
			}
		}
	}
	if n < 30 {
		t.Errorf("found only %d snippets; the test looks in the wrong place", n)
	}
}

// loosen takes away what asks for a whole configuration.
func loosen(node any) {
	switch n := node.(type) {
	case map[string]any:
		for _, key := range []string{"required", "minItems", "minProperties"} {
			if _, is := n[key].(map[string]any); !is { // else a property of that name
				delete(n, key)
			}
		}
		if one, is := n["oneOf"].([]any); is {
			n["anyOf"] = one
			delete(n, "oneOf")
		}
		for _, v := range n {
			loosen(v)
		}
	case []any:
		for _, v := range n {
			loosen(v)
		}
	}
}

// ellipsis takes … away.
func ellipsis(node any) {
	switch n := node.(type) {
	case map[string]any:
		delete(n, "…")
		for _, v := range n {
			ellipsis(v)
		}
	case []any:
		for _, v := range n {
			ellipsis(v)
		}
	}
}
