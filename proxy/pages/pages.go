// Package pages is what Foregate itself shows to people.
//
// A Page says what to tell somebody, a Reader in which language, and a Look how one
// application presents itself. Write puts them into a template, renders the whole page
// into memory, sets every header and sends it at once. A page is one request: style,
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
	"sync"

	"golang.org/x/text/language"

	"foregate/authn"
)

//go:embed html
var files embed.FS

// Pages renders every Page. It is safe for concurrent use.
type Pages struct {
	english *tongue
	tongues map[string]func() (*tongue, error) // by their tags, each made when somebody reads it
	matcher language.Matcher                   // of languages, in their order
	texts   map[string]string                  // of the templates, by the name of the file
}

// kinds are the files in html/ that are pages.
var kinds = []string{"chooser", "formpage", "postform", "problem", "signout", "signedout", "loopstop", "handshake", "keptform", "account", "trystart", "tryout"}

// New reads the embedded templates and catalogues.
func New() (*Pages, error) { return open(nil) }

// open reads the embedded catalogues, and the templates with own over the embedded ones.
func open(own map[string]string) (*Pages, error) {
	all, err := texts(own)
	if err != nil {
		return nil, fmt.Errorf("pages: templates: %w", err)
	}
	p := &Pages{tongues: make(map[string]func() (*tongue, error)), texts: all}
	var tags []language.Tag
	for _, l := range languages {
		catalogue, err := catalogues.ReadFile("languages/" + l.Tag + ".json")
		if err != nil {
			return nil, fmt.Errorf("pages: catalogue of %s: %w", l.Tag, err)
		}
		p.tongues[l.Tag] = sync.OnceValues(func() (*tongue, error) { return newTongue(l, catalogue, all) })
		tags = append(tags, language.Make(l.Tag))
	}
	p.matcher = language.NewMatcher(tags)
	p.english, err = p.tongues[languages[0].Tag]()
	return p, err
}

// Write answers with one page: all headers, one write. A nil look is the plain
// one, the zero Reader reads English. The answer to HEAD has the same headers, as net/http drops the body.
//
// Should a template of the look's own not render, the built-in one does; should that
// not, a plain sentence goes out with status 500. The error says so.
func (p *Pages) Write(w http.ResponseWriter, status int, reader Reader, look *Look, page Page) error {
	if look == nil {
		look = &Look{}
	}
	nonce := rand.Text()
	switch page.(type) {
	case TryStart, TryOut: // they are in English, for those who set up Foregate
		reader = Reader{}
	}
	t := p.tongue(reader)
	own := p
	if look.Own != nil {
		own = look.Own
	}
	body, s, fault := own.tongue(reader).page(nonce, reader, look, page)
	err := fault
	if err != nil && own != p {
		body, s, err = t.page(nonce, reader, look, page)
	}
	h := w.Header()
	if _, set := h["Vary"]; !set {
		h["Vary"] = spoken[:1:1]
	}
	SecurityHeaders(h)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("Something went wrong on our side. Please try again in a minute.\n")
		h.Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		h.Set("Content-Security-Policy", s.policy(nonce))
		h.Set("Content-Language", t.Tag)
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser may be gone: nothing is left to do for it
	return fault
}

// view is what the layout is given.
type view struct {
	Lang    string       // BCP 47
	Dir     string       // "ltr" or "rtl"
	Nonce   string       // of the style sheet; other for each page
	Title   string       // of the window
	Heading string       // the h1
	Wide    bool         // many details
	Script  bool         // the page continues by itself where scripts run
	Next    string       // where the browser goes on to at once, without a script
	Brand   string       // the application's name for people; may be empty
	Logo    template.URL // a data URI; may be empty
	Initial string       // stands in for the logo
	Palette palette      // made from the application's colour
	Help    string       // whom to ask; may be empty
	Footer  string       // the small print; may be empty
	Tongues []tongueLink // the page in other languages; may be empty
	Page    Page         // the page itself
}

func (t *tongue) page(nonce string, reader Reader, look *Look, page Page) ([]byte, sheet, error) {
	if page == nil {
		return nil, sheet{}, fmt.Errorf("pages: render: no page")
	}
	s := page.sheet(t, look)
	s.heading, s.problem = t.say(s.heading), t.say(s.problem)
	v := view{
		Lang:    t.Tag,
		Dir:     t.Dir,
		Nonce:   nonce,
		Title:   windowTitle(s, look.brand()),
		Heading: s.heading,
		Wide:    s.wide,
		Script:  s.script,
		Next:    s.next,
		Brand:   look.brand(),
		Logo:    look.logo(),
		Initial: look.initial(),
		Palette: paletteOf(look.Colour, look.Background),
		Help:    look.Help,
		Footer:  look.Footer,
		Tongues: t.links(s, reader, look),
		Page:    page,
	}
	var b bytes.Buffer
	if err := t.templates[s.file].ExecuteTemplate(&b, "layout.html", v); err != nil {
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
