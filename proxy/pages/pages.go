// Package pages is what Foregate itself shows to people.
//
// A Page says what to tell somebody, and a Look how one application presents
// itself. Write puts the two into a template, renders the whole page into
// memory, sets every header and sends it at once. A page is one request: style,
// logo and the one script there is are inside it. Nothing needs JavaScript.
// JSON is the same for machines.
package pages

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"foregate/authn"
)

//go:embed html
var files embed.FS

// Pages renders every Page. It is safe for concurrent use.
type Pages struct {
	templates map[string]*template.Template // by the name of the file in html/
}

// New reads the embedded templates.
func New() (*Pages, error) {
	funcs := template.FuncMap{
		"link":        link,
		"plain":       plain,
		"formView":    FormPage.view,
		"picture":     picture,
		"short":       short,
		"lines":       lines,
		"groups":      groups,
		"formBelow":   Chooser.formBelow,
		"formHeading": Chooser.formHeading,
	}
	base, err := template.New("").Funcs(funcs).ParseFS(files, "html/layout.html", "html/form.html", "html/code.html", "html/style.css")
	if err != nil {
		return nil, fmt.Errorf("pages: parse layout: %w", err)
	}
	p := &Pages{templates: make(map[string]*template.Template)}
	for _, name := range []string{"chooser", "formpage", "postform", "problem", "signout", "signedout", "loopstop", "handshake", "keptform", "account", "trystart", "tryout"} {
		t, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("pages: clone layout: %w", err)
		}
		if _, err := t.ParseFS(files, "html/"+name+".html"); err != nil {
			return nil, fmt.Errorf("pages: parse %s: %w", name, err)
		}
		p.templates[name] = t
	}
	return p, nil
}

// Write answers with one page: all headers, one write. A nil look is the plain
// one. The answer to HEAD has the same headers, as net/http drops the body.
// Should a page not render, a plain sentence goes out with status 500.
func (p *Pages) Write(w http.ResponseWriter, status int, look *Look, page Page) {
	if look == nil {
		look = &Look{}
	}
	nonce := rand.Text()
	body, s, err := p.render(nonce, look, page)
	h := w.Header()
	SecurityHeaders(h)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("Something went wrong on our side. Please try again in a minute.\n")
		h.Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		h.Set("Content-Security-Policy", s.policy(nonce))
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser may be gone: nothing is left to do for it
}

// view is what the layout is given.
type view struct {
	Nonce   string
	Title   string // of the window
	Heading string // the h1
	Wide    bool   // many details
	Script  bool   // the page continues by itself where scripts run
	Next    string // where the browser goes on to at once, without a script
	Brand   string
	Logo    template.URL
	Initial string // stands in for the logo
	Palette palette
	Help    string
	Footer  string
	Page    Page
}

func (p *Pages) render(nonce string, look *Look, page Page) ([]byte, sheet, error) {
	if page == nil {
		return nil, sheet{}, fmt.Errorf("pages: render: no page")
	}
	s := page.sheet(look)
	v := view{
		Nonce:   nonce,
		Title:   windowTitle(s, look.brand()),
		Heading: s.heading,
		Wide:    s.wide,
		Script:  s.script,
		Next:    s.next,
		Brand:   look.brand(),
		Logo:    look.logo(),
		Initial: look.initial(),
		Palette: paletteOf(look.Colour),
		Help:    look.Help,
		Footer:  look.Footer,
		Page:    page,
	}
	var b bytes.Buffer
	if err := p.templates[s.file].ExecuteTemplate(&b, "layout.html", v); err != nil {
		return nil, s, fmt.Errorf("pages: render %s: %w", s.file, err)
	}
	return b.Bytes(), s, nil
}

// windowTitle starts with the problem, since that is what a screen reader says
// first and what is left of it in a narrow tab. The brand is named once.
func windowTitle(s sheet, brand string) string {
	parts := []string{strings.TrimRight(s.problem, ". "), s.heading, brand}
	if strings.Contains(s.heading, brand) {
		parts[2] = ""
	}
	var said []string
	for _, part := range parts {
		if part = plain(part); part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, " – ")
}

// plain bounds a text of strangers and takes from it what could reorder the
// words around it.
func plain(s string) string { return strings.TrimSpace(authn.CutControl(s, 600)) }

// short is plain for what stands in a list.
func short(s string) string { return strings.TrimSpace(authn.CutControl(s, 120)) }

// lines is plain for some lines.
func lines(s string) string {
	all := strings.Split(s, "\n")
	for i, line := range all {
		all[i] = short(line)
	}
	return strings.Join(all[:min(len(all), 20)], "\n")
}
