package pages

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxTemplate bounds a template of an operator, in bytes.
const maxTemplate = 256 << 10

// shared are the files in html/ that every page is made with; the others are pages.
var shared = []string{"layout.html", "form.html", "code.html", "style.css"}

// Templates are the built-in files that may be replaced, to begin with.
func Templates() fs.FS {
	built, err := fs.Sub(files, "html")
	if err != nil {
		panic(err) // the name is right
	}
	return built
}

// Load makes pages with the templates of a folder in place of the built-in ones of the
// same name. Every page is tried, empty and full. The error joins one *Fault for each thing that
// is wrong.
func Load(folder string) (*Pages, error) {
	own, err := readFolder(folder)
	if err != nil {
		return nil, err
	}
	p, err := open(own)
	if err != nil {
		return nil, faultOf(err, nil)
	}
	return p, p.try()
}

// readFolder returns the files of a folder by name. Hidden ones are left out: a
// Kubernetes ConfigMap has some.
func readFolder(folder string) (map[string]string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("pages: templates: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("pages: templates: %w", err)
	}
	own := make(map[string]string)
	var faults []error
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		if !slices.Contains(names(), name) {
			faults = append(faults, &Fault{File: name, Problem: "is no template of a page", Unknown: name, Known: names()})
			continue
		}
		text, err := readTemplate(root, name)
		if err != nil {
			faults = append(faults, &Fault{File: name, Problem: err.Error()})
			continue
		}
		own[name] = text
		faults = append(faults, blocked(name, text)...)
	}
	return own, errors.Join(faults...)
}

func readTemplate(root *os.Root, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && len(text) > maxTemplate {
		err = fmt.Errorf("is larger than %d KiB", maxTemplate>>10)
	}
	return string(text), err
}

// names are those of all templates.
func names() []string {
	all := slices.Clone(shared)
	for _, kind := range kinds {
		all = append(all, kind+".html")
	}
	slices.Sort(all)
	return all
}

// blocked finds what the Content-Security-Policy of the pages (policy) forbids, which
// browsers would leave out without a word to the operator. The one script is that of
// the built-in layout.
func blocked(name, text string) []error {
	var faults []error
	line := 1
	tokens := html.NewTokenizer(strings.NewReader(text))
	for tokens.Next() != html.ErrorToken {
		at := line
		line += strings.Count(string(tokens.Raw()), "\n")
		token := tokens.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		for _, what := range blockedIn(name, text, token) {
			faults = append(faults, &Fault{File: name, Line: at, Problem: what + " is blocked by the Content-Security-Policy of the pages, which load and run nothing: take it out"})
		}
	}
	return faults
}

const ownScript = `<script nonce="{{.Nonce}}">HTMLFormElement.prototype.submit.call(document.forms[0])</script>`

func blockedIn(name, text string, token html.Token) []string {
	var found []string
	switch token.Data {
	case "script":
		if name != "layout.html" || strings.Count(text, "<script") != strings.Count(text, ownScript) {
			found = append(found, "<script>")
		}
	case "iframe", "frame", "object", "embed", "base", "video", "audio":
		found = append(found, "<"+token.Data+">")
	}
	for _, a := range token.Attr {
		outside := (a.Key == "src" || a.Key == "srcset" || a.Key == "href" && token.Data == "link") && !strings.HasPrefix(a.Val, "data:") && !strings.HasPrefix(a.Val, "{{")
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") || outside {
			found = append(found, "the attribute "+a.Key)
		}
		if token.Data == "style" && a.Key == "nonce" {
			return found
		}
	}
	if token.Data == "style" {
		found = append(found, `<style> without nonce="{{.Nonce}}"`)
	}
	return found
}

// texts are the built-in templates with an operator's own over them.
func texts(own map[string]string) (map[string]string, error) {
	all := make(map[string]string)
	for _, name := range names() {
		text, err := files.ReadFile(path.Join("html", name))
		if err != nil {
			return nil, err
		}
		all[name] = string(text)
	}
	maps.Copy(all, own)
	return all, nil
}

// parse reads the templates, whose fixed words are said once and for all.
func (t *tongue) parse(texts map[string]string) error {
	base := template.New("").Funcs(t.funcs())
	for _, name := range shared {
		if _, err := base.New(name).Parse(texts[name]); err != nil {
			return fmt.Errorf("pages: parse: %w", err)
		}
	}
	t.templates = make(map[string]*template.Template)
	for _, kind := range kinds {
		own, err := base.Clone()
		if err != nil {
			return fmt.Errorf("pages: clone layout: %w", err)
		}
		if _, err := own.New(kind + ".html").Parse(texts[kind+".html"]); err != nil {
			return fmt.Errorf("pages: parse: %w", err)
		}
		if own.Lookup("content") == nil {
			return &Fault{File: kind + ".html", Problem: `does not say {{define "content"}} … {{end}}`}
		}
		t.templates[kind] = own
	}
	return nil
}

func (t *tongue) funcs() template.FuncMap {
	return template.FuncMap{
		"say":         t.say,
		"phrase":      t.with,
		"counted":     t.counted,
		"ago":         t.ago,
		"moment":      t.moment,
		"value":       t.value,
		"link":        link,
		"plain":       plain,
		"formView":    func(f FormPage) formView { return f.view(t) },
		"picture":     picture,
		"short":       short,
		"lines":       lines,
		"groups":      groups,
		"formBelow":   func(c Chooser) formView { return c.formBelow(t) },
		"formHeading": func(c Chooser) string { return c.formHeading(t) },
	}
}
