package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"

	"foregate/authn"
)

//go:embed templates
var embedded embed.FS

// layout is what the built-in HTML letters have in common: top, code and bottom. Those of an
// operator may use it too.
//
//go:embed layout.html
var layout string

const (
	defaultLanguage = "en"
	maxTemplate     = 64 << 10 // bytes
	maxValue        = 200      // bytes of a name or a title
	maxDepth        = 3        // folders in one another: apps/careplan/en
	maxFaults       = 20       // that are worth listing
)

// kinds are the letters that there are, and what each has.
var kinds = []string{"code", "verify"}

// Languages are those that the built-in letters are in, sorted (BCP 47).
func Languages() []string {
	entries, err := embedded.ReadDir("templates")
	if err != nil {
		return nil // it is built in
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Values are what a template can say.
type Values struct {
	Code    string // to be typed
	Minutes string // how long it holds
	App     string // the application's title
	Name    string // the person's name; may be empty
}

// letter is a letter that has been put into words.
type letter struct{ Subject, Text, HTML string }

// wording is one letter in one language, perhaps of one app.
type wording struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// which letter. An empty app is every one without a wording of its own.
type which struct{ app, language, kind string }

// texts are all wordings.
type texts struct{ of map[which]wording }

// loadTexts reads the embedded texts and then those of dir, where there is one, over
// them. It puts every template to the test with sample values.
func loadTexts(dir authn.Path) (*texts, error) {
	t := &texts{of: make(map[which]wording)}
	built, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, fmt.Errorf("mail: embedded templates: %w", err)
	}
	if err := t.read(built); err != nil {
		return nil, fmt.Errorf("mail: embedded templates: %w", err)
	}
	if dir != "" {
		root, err := os.OpenRoot(string(dir))
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if err := t.read(root.FS()); err != nil {
			return nil, err
		}
	}
	return t, t.complete()
}

// read adds the templates of a folder: <language>/<file>, and for one app
// apps/<app>/<language>/<file>. What has another name is an error, as it would be
// waited for in vain.
func (t *texts) read(files fs.FS) error {
	var faults []error
	for name, err := range filesIn(files, ".", 0) {
		if err == nil {
			err = t.add(files, name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
		if len(faults) == maxFaults {
			break
		}
	}
	return errors.Join(faults...)
}

// filesIn are the files below dir that are not hidden. It follows links: a Kubernetes
// ConfigMap is a folder of them.
func filesIn(files fs.FS, dir string, depth int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := fs.ReadDir(files, dir)
		if err != nil {
			yield(dir, err)
			return
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			name := path.Join(dir, e.Name())
			info, err := fs.Stat(files, name)
			if err != nil || !info.IsDir() || depth == maxDepth {
				if !yield(name, err) {
					return
				}
				continue
			}
			for name, err := range filesIn(files, name, depth+1) {
				if !yield(name, err) {
					return
				}
			}
		}
	}
}

var templateName = regexp.MustCompile(`^(?:apps/([a-z0-9-]+)/)?([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)/([a-z]+)(\.subject\.txt|\.txt|\.html)$`)

func (t *texts) add(files fs.FS, name string) error {
	m := templateName.FindStringSubmatch(name)
	if m == nil || !slices.Contains(kinds, m[3]) {
		return errors.New("is not the name of a text: write en/code.subject.txt, en/code.txt, en/code.html, the same with verify, or apps/careplan/en/code.txt for one app")
	}
	text, err := readTemplate(files, name)
	if err != nil {
		return err
	}
	key := which{m[1], strings.ToLower(m[2]), m[3]}
	w := t.of[key]
	switch m[4] {
	case ".subject.txt":
		w.subject, err = texttemplate.New(path.Base(name)).Parse(strings.TrimSpace(text))
	case ".txt":
		w.text, err = texttemplate.New(path.Base(name)).Parse(text)
	default:
		w.html, err = parseHTML(path.Base(name), m[2], text)
	}
	if err != nil {
		return err
	}
	t.of[key] = w
	return nil
}

// parseHTML reads a letter that may use the parts of layout.
func parseHTML(name, language, text string) (*htmltemplate.Template, error) {
	parts, err := htmltemplate.New("layout.html").Funcs(htmltemplate.FuncMap{"language": func() string { return language }}).Parse(layout)
	if err != nil {
		return nil, err
	}
	return parts.New(name).Parse(text)
}

func readTemplate(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxTemplate:
		return "", fmt.Errorf("is larger than %d KiB", maxTemplate>>10)
	}
	return string(text), nil
}

// complete fills what an app's wording leaves to the general one, and tries all.
func (t *texts) complete() error {
	sample := Values{Code: "012345", Minutes: "10", App: "Careplan", Name: "Alice Archer"}
	var faults []error
	for _, key := range slices.SortedFunc(maps.Keys(t.of), func(a, b which) int { return strings.Compare(a.String(), b.String()) }) {
		general := t.of[which{"", key.language, key.kind}]
		w := t.of[key].orElse(general)
		if w.subject == nil || w.text == nil || w.html == nil {
			faults = append(faults, fmt.Errorf("%s: has not all of .subject.txt, .txt and .html", key))
			continue
		}
		t.of[key] = w
		l, err := w.fill(sample)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		case l.Subject == "":
			faults = append(faults, fmt.Errorf("%s: the subject is empty", key))
		case !strings.Contains(l.Text, sample.Code) || !strings.Contains(l.HTML, sample.Code):
			faults = append(faults, fmt.Errorf("%s: the text or the html does not say {{.Code}}", key))
		case strings.Contains(l.Subject, sample.Code):
			// Phones show the subject of a letter while they are locked.
			faults = append(faults, fmt.Errorf("%s: the subject says the code, which locked phones show", key))
		}
	}
	return errors.Join(faults...)
}

func (k which) String() string {
	if k.app != "" {
		return "apps/" + k.app + "/" + k.language + "/" + k.kind
	}
	return k.language + "/" + k.kind
}

func (w wording) orElse(general wording) wording {
	if w.subject == nil {
		w.subject = general.subject
	}
	if w.text == nil {
		w.text = general.text
	}
	if w.html == nil {
		w.html = general.html
	}
	return w
}

// find returns the wording in the language, or in the one that it is a variety of,
// or in the default one; each time the app's own before the general one.
func (t *texts) find(app, language, kind string) (wording, bool) {
	language = strings.ToLower(language)
	base, _, _ := strings.Cut(language, "-")
	for _, l := range []string{language, base, defaultLanguage} {
		for _, a := range []string{app, ""} {
			if w, ok := t.of[which{a, l, kind}]; ok {
				return w, true
			}
		}
	}
	return wording{}, false
}

// apps are those with texts of their own.
func (t *texts) apps() []string {
	named := make(map[string]bool)
	for key := range t.of {
		if key.app != "" {
			named[key.app] = true
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// fill puts values into a letter. A name or a title is what somebody else wrote: it
// is bounded and has no line ends.
func (w wording) fill(v Values) (letter, error) {
	v = Values{
		Code: authn.CutControl(v.Code, maxValue), Minutes: authn.CutControl(v.Minutes, maxValue),
		App: authn.CutControl(v.App, maxValue), Name: authn.CutControl(v.Name, maxValue),
	}
	var subject, text, html strings.Builder
	err := errors.Join(w.subject.Execute(&subject, v), w.text.Execute(&text, v), w.html.Execute(&html, v))
	if err != nil {
		return letter{}, err
	}
	return letter{authn.CutControl(subject.String(), 2*maxValue), text.String(), html.String()}, nil
}
