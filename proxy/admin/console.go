package admin

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"foregate/authn"
	"foregate/authn/accounts"
)

// Console is the administrators' pages. Who asks is told by the Guard; what they may see
// and do is said by the table of doors and, for what belongs to somebody, by their
// organisation.
type Console struct {
	Parts
	mux       *http.ServeMux
	templates func() (map[string]*template.Template, error) // parsed when somebody first comes
}

const maxAsked = 64 << 10 // bytes of a form that is no file

// door is one address of the console: who may use it, and what it does.
type door struct {
	pattern string
	least   Role
	whole   bool // only for who is not limited to one organisation
	people  bool // is about accounts: there only if there are any
	file    bool // takes a CSV file
	do      func(*Console, *visit) (shown, error)
}

// doors is the one table of who may do what. What a role may not do is neither shown to
// it nor done.
func doors() []door {
	all := []door{
		{pattern: "GET /{$}", least: Viewer, do: (*Console).start},
		{pattern: "GET /people", least: Viewer, people: true, do: (*Console).people},
		{pattern: "GET /people/{id}", least: Viewer, people: true, do: (*Console).person},
		{pattern: "GET /audit", least: Viewer, people: true, do: (*Console).audit},
		{pattern: "GET /usage", least: Viewer, people: true, do: (*Console).usage},
		{pattern: "GET /sessions", least: Viewer, whole: true, do: (*Console).sessions},
		{pattern: "GET /methods", least: Viewer, whole: true, do: (*Console).methods},
		{pattern: "GET /configuration", least: Viewer, whole: true, do: (*Console).settings},

		{pattern: "POST /methods/{method}/try", least: Desk, whole: true, do: (*Console).try},
		{pattern: "GET /sessions/end", least: Desk, whole: true, do: (*Console).askEnd},
		{pattern: "POST /sessions/end", least: Desk, whole: true, do: (*Console).end},

		{pattern: "GET /people/new", least: Owner, people: true, do: (*Console).askNew},
		{pattern: "POST /people/new", least: Owner, people: true, do: (*Console).create},
		{pattern: "GET /people/import", least: Owner, people: true, do: (*Console).askImport},
		{pattern: "POST /people/import", least: Owner, people: true, file: true, do: (*Console).importFile},
		{pattern: "GET /people/{id}/edit", least: Owner, people: true, do: (*Console).askEdit},
		{pattern: "POST /people/{id}/edit", least: Owner, people: true, do: (*Console).edit},
	}
	for _, d := range deeds() {
		all = append(all,
			door{pattern: "GET /people/{id}/" + d.name, least: d.least, people: true, do: d.ask},
			door{pattern: "POST /people/{id}/" + d.name, least: d.least, people: true, do: d.carryOut})
	}
	return all
}

// opens reports whether w may use a door.
func (d *door) opens(w Who) bool { return w.May(d.least) && (!d.whole || w.Organisation == "") }

// NewConsole returns the pages.
func NewConsole(p Parts) (*Console, error) {
	c := &Console{Parts: p, mux: http.NewServeMux()}
	c.templates = sync.OnceValues(parsePages)
	for _, d := range doors() {
		if !d.people || c.Accounts != nil {
			c.mux.HandleFunc(d.pattern, c.guarded(d))
		}
	}
	c.mux.HandleFunc("GET /sign-in", c.unguarded((*Console).askWho))
	c.mux.HandleFunc("POST /sign-in", c.unguarded((*Console).signIn))
	c.mux.HandleFunc("POST /sign-out", c.unguarded((*Console).signOut))
	c.mux.HandleFunc("/", c.guarded(door{least: Viewer, do: (*Console).nothing}))
	return c, nil
}

// ServeHTTP lets no other site's page press a button here (CSRF).
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	r = numbered(r.WithContext(ctx))
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		c.answer(&visit{w: w, r: r}, shown{}, errElsewhere)
		return
	}
	c.mux.ServeHTTP(w, r)
}

// visit is one request: who asks, and where the answer goes.
type visit struct {
	w   http.ResponseWriter
	r   *http.Request
	who Who
}

// context is on whose behalf something is changed.
func (v *visit) context() accounts.Context { return v.who.Context(v.r) }

// unguarded makes a handler of what everybody may use.
func (c *Console) unguarded(do func(*Console, *visit) (shown, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.carryOut(&visit{w: w, r: r}, do, maxAsked)
	}
}

// guarded makes a handler of a door, for those who may use it.
func (c *Console) guarded(d door) http.HandlerFunc {
	most := int64(maxAsked)
	if d.file {
		most = maxFile
	}
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		var err error
		if v.who, err = c.whoAsks(v); err != nil {
			c.answer(v, shown{}, err)
			return
		}
		if !d.opens(v.who) {
			c.answer(v, shown{}, errNotYours)
			return
		}
		c.carryOut(v, d.do, most)
	}
}

// carryOut reads the form, does what was asked for and answers.
func (c *Console) carryOut(v *visit, do func(*Console, *visit) (shown, error), most int64) {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	if err := v.readForm(); err != nil {
		c.answer(v, shown{}, err)
		return
	}
	page, err := do(c, v)
	c.answer(v, page, err)
}

// readForm reads address and form; a file is left for its handler to read.
func (v *visit) readForm() error {
	err := v.r.ParseForm()
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return errForm
	}
	return err
}

// asked is a field of one line of the form, or else of the address, as a database takes
// it.
func (v *visit) asked(name string) string { return oneLine(v.r.Form.Get(name)) }

func oneLine(text string) string {
	return strings.TrimSpace(authn.CutControl(strings.ToValidUTF8(text, ""), maxAsked))
}

// start leads to the first page that there is.
func (c *Console) start(v *visit) (shown, error) {
	for _, item := range c.nav(v) {
		return shown{to: item.URL}, nil
	}
	return shown{}, accounts.ErrNotFound
}

func (c *Console) nothing(*visit) (shown, error) { return shown{}, accounts.ErrNotFound }
