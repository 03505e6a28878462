package proxy

import (
	"net/http"
	"slices"

	"foregate/authn"
	"foregate/proxy/pages"
)

// What a person may choose in the query of the sign-in page: choose=1 only asks for
// the page.
const (
	chooseOwn     = "own"  // the app's own ways, wherever the person is
	chooseAddress = "mail" // by the address
)

// ways are what the sign-in page offers to one person.
type ways struct {
	methods []*Method
	address bool          // ask for the e-mail address, which leads to the methods
	others  *pages.Choice // a link to further ways, or nil
	guessed bool          // the methods may be another organisation's: nobody is led there unasked
}

// ways are the app's own, and those of the organisation at whose place the person is or
// by whose methods the browser signed in before: beside the app's own, or instead. Where
// that is not known, an app may ask for the address.
func (s *Server) ways(x *exchange, r *http.Request, set *Set, d Decision) ways {
	own := s.offered(x, set, d)
	rd := returnTo(r.URL.Query().Get("rd"), s.Prefix, x.host, x.app.ReturnHosts)
	byAddress := &pages.Choice{Title: "Sign in with your organisation", URL: s.chooseURL(rd, chooseAddress)}
	byOwn := &pages.Choice{Title: "Sign in another way", URL: s.chooseURL(rd, chooseOwn)}
	choice := r.URL.Query().Get("choose")
	o, guessed := s.organisationOf(x, r, set, choice)
	var theirs []*Method
	if o != nil {
		theirs = s.usable(x, set, o.Methods, d)
	}
	leads := set.leads(x.app)
	switch {
	case choice == chooseOwn && leads:
		return ways{methods: own, others: byAddress}
	case choice == chooseOwn:
		return ways{methods: own}
	case len(theirs) > 0 && o.Only:
		w := ways{methods: theirs, guessed: guessed}
		if leads || len(joined(theirs, own)) > len(theirs) {
			w.others = byOwn
		}
		return w
	case len(theirs) > 0:
		own = joined(theirs, own)
	case leads && (x.app.Discover || choice == chooseAddress || len(own) == 0):
		w := ways{address: true}
		if len(own) > 0 {
			w.others = byOwn
		}
		return w
	}
	w := ways{methods: own, guessed: guessed && len(theirs) > 0}
	if leads {
		w.others = byAddress
	}
	return w
}

// leads reports whether an address can lead to methods in app.
func (set *Set) leads(app *App) bool {
	return slices.ContainsFunc(set.organisations, func(o *Organisation) bool {
		return len(o.Domains) > 0 && slices.ContainsFunc(o.Methods, app.offers) && (app.Discover || slices.ContainsFunc(o.Methods, app.invites))
	})
}

// organisationOf is the organisation whose people are here, or the one by whose methods
// this browser signed in before, which is a guess.
func (s *Server) organisationOf(x *exchange, r *http.Request, set *Set, choice string) (o *Organisation, guessed bool) {
	if choice == chooseAddress || len(set.organisations) == 0 {
		return nil, false
	}
	if o := set.at(x.client); o != nil {
		return o, false
	}
	if choice != "" {
		return nil, false
	}
	return set.owner(s.Attempts.Remembered(r, x.secure)), true
}

// joined are the methods of both, each once.
func joined(first, then []*Method) []*Method {
	all := slices.Clone(first)
	for _, m := range then {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// offered returns the app's own methods, in its order, that satisfy the decision and
// can be used from where the person is.
func (s *Server) offered(x *exchange, set *Set, d Decision) []*Method {
	return s.usable(x, set, x.app.Methods, d)
}

// usable returns those of the named methods that people may sign in with here and now.
func (s *Server) usable(x *exchange, set *Set, names []string, d Decision) []*Method {
	var out []*Method
	for _, name := range names {
		m := set.methods[name]
		if m == nil || !x.app.offers(name) || len(d.Methods) > 0 && !slices.Contains(d.Methods, name) {
			continue
		}
		if p := set.placed(name); p != nil && !p.Here(x.client) {
			continue
		}
		if m.certified() && s.shared(x) {
			continue
		}
		if n := set.near(name); n == nil || n.Near(x.client) && !s.shared(x) {
			out = append(out, m)
		}
	}
	return out
}

const (
	fieldEmail   = "email"
	stepDiscover = "discover"
)

// addressForm asks which organisation somebody belongs to. It is nobody's attempt yet.
func (s *Server) addressForm(rd, typed, problem string) *pages.FormPage {
	return &pages.FormPage{Action: s.Prefix + "/discover", Return: rd, Form: authn.Form{
		Step: stepDiscover, Problem: problem,
		Fields: []authn.Field{{Name: fieldEmail, Kind: "email", Label: "E-mail address", Autocomplete: "username", Value: typed}},
	}}
}

// askForAddress shows the form again with what is wrong.
func (s *Server) askForAddress(x *exchange, rd, typed, problem string) error {
	s.show(x, http.StatusUnprocessableEntity, pages.Chooser{
		Form:   s.addressForm(rd, typed, problem),
		Others: &pages.Choice{Title: "Sign in another way", URL: s.chooseURL(rd, chooseOwn)},
	})
	return nil
}
