package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy/pages"
)

// Organisation is a customer whose people have ways in of their own. A method belongs
// to one organisation at most, and can sign in its people only.
type Organisation struct {
	Name     string
	Title    string         // for people
	Domains  []string       // of its people's addresses, in lower case; ".example.org" is all below
	Networks []netip.Prefix // where its people are
	Methods  []string       // its own, in the order of their buttons
	Only     bool           // its people must use these
}

// has reports whether a domain is one of the organisation's.
func (o *Organisation) has(domain string) bool {
	return slices.ContainsFunc(o.Domains, func(d string) bool {
		return d == domain || d[0] == '.' && strings.HasSuffix(domain, d)
	})
}

// owner is the organisation that a method belongs to, or nil.
func (set *Set) owner(method string) *Organisation { return set.owners[method] }

// at is the organisation whose people are at an address of the network, or nil.
func (set *Set) at(client netip.Addr) *Organisation {
	for _, o := range set.organisations {
		if within(o.Networks, client) {
			return o
		}
	}
	return nil
}

// ofAddress is the organisation of an e-mail address by its domain, or nil.
func (set *Set) ofAddress(address string) *Organisation {
	domain := domainOf(address)
	if domain == "" {
		return nil
	}
	for _, o := range set.organisations {
		if o.has(domain) {
			return o
		}
	}
	return nil
}

// domainOf is the domain of an address in its canonical form, "" if it is none.
func domainOf(address string) string {
	if address == "" {
		return ""
	}
	canonical, err := accounts.CanonicalEmail(address)
	if err != nil {
		return ""
	}
	return canonical[strings.LastIndexByte(canonical, '@')+1:]
}

// belongs fills in which organisation a person is of whom a method vouches for: that
// of the method, for certain; else that of the verified address; else, as a guess, the
// one at whose place they are.
func (set *Set) belongs(c *accounts.Context, m *Method, id *authn.Identity) {
	for _, o := range set.organisations {
		if o.Only && set.owner(m.Name) != o {
			c.Away = append(c.Away, o.Name)
		}
	}
	if o := set.owner(m.Name); o != nil {
		c.Organisation = o.Name
		return
	}
	if id.Checked {
		if o := set.ofAddress(id.Email); o != nil {
			c.Organisation = o.Name
			return
		}
	}
	if o := set.at(c.Client); o != nil {
		c.Organisation, c.Guessed = o.Name, true
	}
}

// foreign says why an organisation's own method may not vouch for this: an address
// that is not the organisation's, or a name that is an address of another one. "" if
// it may.
func (set *Set) foreign(m *Method, id *authn.Identity) string {
	own := set.owner(m.Name)
	if own == nil {
		return ""
	}
	if domain := domainOf(id.Email); id.Email != "" && len(own.Domains) > 0 && !own.has(domain) {
		return fmt.Sprintf("the address %q is in none of the domains of %s", authn.CutControl(id.Email, 256), own.Name)
	}
	for _, name := range []string{id.Email, id.User, id.PreferredUsername} {
		if other := set.ofAddress("x@" + behindAt(name)); other != nil && other != own {
			return fmt.Sprintf("%q is an address of %s", authn.CutControl(name, 256), other.Name)
		}
	}
	return ""
}

// behindAt is what an application could take for the domain of a name, however odd the
// rest of it is.
func behindAt(name string) string {
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return ""
	}
	return strings.Trim(name[at+1:], " .>)\"'")
}

// strays is the organisation whose methods a person without an account must use and
// has not, or nil.
func (set *Set) strays(m *Method, id *authn.Identity) *Organisation {
	if set.owner(m.Name) != nil || !id.Checked {
		return nil
	}
	if o := set.ofAddress(id.Email); o != nil && o.Only {
		return o
	}
	return nil
}

// scoped refuses what a method may not vouch for, whatever its provider claims.
func (s *Server) scoped(ctx context.Context, set *Set, m *Method, id *authn.Identity, c accounts.Context) error {
	why := set.foreign(m, id)
	if why == "" {
		return nil
	}
	return s.refuse(ctx, id, c, accounts.WrongOrg, why,
		"Your organisation's sign-in sent an address that is not one of its own, so we cannot let you in. Tell your service desk, please.")
}

// stray refuses a person without an account who must use their organisation's methods.
func (s *Server) stray(ctx context.Context, set *Set, m *Method, id *authn.Identity, c accounts.Context) error {
	o := set.strays(m, id)
	if o == nil {
		return nil
	}
	return s.refuse(ctx, id, c, accounts.OwnSignIn, "the address is one of "+o.Name, "Your organisation wants you to use its own sign-in. Go back and choose it.")
}

// refuse notes a refusal that no account is the reason for.
func (s *Server) refuse(ctx context.Context, id *authn.Identity, c accounts.Context, reason accounts.Reason, why, public string) error {
	err := error(&accounts.Refusal{Reason: reason, Detail: why})
	if s.Accounts != nil {
		err = s.Accounts.Refuse(ctx, *id, c, reason, why)
	}
	if accounts.ReasonOf(err) == "" {
		return err
	}
	return authn.Refused(public, err)
}

// otherWay is a refusal of somebody who only came by the wrong way.
type otherWay struct {
	error
	title, address string // of the right one
}

func (o *otherWay) Unwrap() error { return o.error }

// wayOf names the way that a person must use, and leads there where the app has it.
func (s *Server) wayOf(x *exchange, m *Method, id *authn.Identity, rd string, err error) error {
	set := s.set.Load()
	var refusal *accounts.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != accounts.OwnSignIn {
		return err
	}
	i := slices.IndexFunc(set.organisations, func(o *Organisation) bool { return o.Name == refusal.Organisation() })
	var o *Organisation
	if i >= 0 {
		o = set.organisations[i]
	} else if o = set.strays(m, id); o == nil {
		return err
	}
	var titles []string
	var first *Method
	for _, name := range o.Methods {
		if own := set.methods[name]; own != nil && x.app.offers(name) {
			titles = append(titles, "“"+own.Title+"”")
			if first == nil {
				first = own
			}
		}
	}
	if first == nil {
		return authn.Refused("Your organisation, "+o.Title+", wants you to use its own sign-in, and this application does not have that. Ask your service desk.", err)
	}
	err = authn.Refused("Your organisation, "+o.Title+", wants you to use "+strings.Join(titles, " / ")+" here.", err)
	return &otherWay{err, first.Title, s.startURL(first, rd)}
}

// discover leads a person to the ways in of the organisation that their address
// belongs to, and everybody else to the app's own. The answer depends on the domain
// alone: it does not tell whether anybody has the address.
func (s *Server) discover(x *exchange, r *http.Request, set *Set) error {
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "address sent by a page of another site: %v", err)
	}
	if err := parseForm(r); err != nil {
		return err
	}
	rd := returnTo(r.PostForm.Get(pages.FieldReturn), s.Prefix, x.host, x.app.ReturnHosts)
	decision, done, err := s.wanted(x, r, rd)
	if err != nil {
		return err
	}
	if done {
		redirect(x, http.StatusSeeOther, rd)
		return nil
	}
	typed := r.PostForm[fieldEmail]
	if len(typed) != 1 {
		return refuse(http.StatusBadRequest, "form with %d addresses", len(typed))
	}
	address, err := accounts.CanonicalEmail(strings.TrimSpace(typed[0]))
	if err != nil {
		return s.askForAddress(x, rd, authn.CutControl(typed[0], 254), "That is not a whole e-mail address. Type it as in alice@hospital.example.")
	}
	methods := s.offered(x, set, decision)
	if o := set.ofAddress(address); o != nil {
		if theirs := s.usable(x, set, o.Methods, decision); len(theirs) > 0 {
			methods = theirs
		}
	}
	switch len(methods) {
	case 0:
		return nowhere(x.app)
	case 1:
		return s.beginFor(x, r, methods[0], rd, false, address)
	}
	return s.showChooser(x, r, methods, rd, address, pages.Chooser{
		Others: &pages.Choice{Title: "Use another address", URL: s.chooseURL(rd, chooseAddress)},
	})
}

func (s *Server) chooseURL(rd, choice string) string {
	return s.Prefix + "/sign-in?" + url.Values{"rd": {rd}, "choose": {choice}}.Encode()
}

// byHandURL is the sign-in page for somebody whose device could not do it.
func (s *Server) byHandURL(rd string) string {
	return s.chooseURL(rd, "1") + "&device=1"
}
