package admin

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"foregate/authn/accounts"
)

const (
	personSessions = 100 // of one person on their page
	personEvents   = 25
)

// shownName is what a person is called on pages.
func shownName(a *accounts.Account) string {
	return plainText(cmp.Or(strings.TrimSpace(a.Name), a.Username, a.Email, a.ID))
}

// personView is everything about one account.
type personView struct {
	Account    accounts.Account
	Attributes []attribute
	Links      []linkRow
	Factors    accounts.Factors
	Sessions   []sessionRow
	More       bool // sessions than are shown
	History    []eventRow
	Deeds      []deedLink // about the account as a whole
	Edit       bool
	Link       string // address of linking by hand; empty: the reader may not
	Roles      string
	Reset      string // address of removing the authenticator app
	Logins     []loginRow
	Enter      string // address of entering name and password for an application
	EndAll     string
	Audit      string
}

type attribute struct{ Name, Value string }

type linkRow struct {
	accounts.Link
	Unlink string // address; empty: the reader may not
}

type loginRow struct {
	accounts.LoginInfo
	Remove string // address; empty: the reader may not
}

type deedLink struct {
	Label, URL string
	Danger     bool
}

func (c *Console) person(v *visit) (shown, error) {
	account, err := c.mine(v)
	if err != nil {
		return shown{}, err
	}
	view := personView{Account: account, Attributes: attributesOf(&account), Edit: v.who.May(Owner)}
	if err := c.fillPerson(v, &view); err != nil {
		return shown{}, err
	}
	return shown{page: "person", title: shownName(&account), data: view}, nil
}

func (c *Console) fillPerson(v *visit, view *personView) error {
	ctx, id := v.r.Context(), view.Account.ID
	links, err := c.Accounts.Links(ctx, id)
	if err != nil {
		return err
	}
	if view.Factors, err = c.Accounts.Factors(ctx, id); err != nil {
		return err
	}
	logins, err := c.Accounts.Logins(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range logins {
		view.Logins = append(view.Logins, loginRow{LoginInfo: l})
	}
	events := accounts.Filter{Account: id, Organisation: v.who.Organisation, Limit: personEvents}
	history, err := c.Accounts.Audit.List(ctx, events)
	if err != nil {
		return err
	}
	for _, e := range history {
		view.History = append(view.History, eventRow{Event: e})
	}
	found, err := c.sessionsOf(ctx, id, links)
	if err != nil {
		return err
	}
	view.More = len(found) > personSessions
	view.Sessions = sessionRows(found[:min(len(found), personSessions)])
	view.Audit = "/audit?" + url.Values{"account": {id}}.Encode()
	for i := range links {
		view.Links = append(view.Links, linkRow{Link: links[i]})
	}
	view.offer(v.who, len(c.loginChoices()) > 0)
	return nil
}

// offer adds the addresses of what the reader may do here.
func (p *personView) offer(w Who, logins bool) {
	base := "/people/" + p.Account.ID + "/"
	for _, d := range deeds() {
		if !w.May(d.least) {
			continue
		}
		switch d.name {
		case "link":
			p.Link = base + d.name
		case "roles":
			p.Roles = base + d.name
		case "reset-totp":
			if p.Factors.TOTP {
				p.Reset = base + d.name
			}
		case "login":
			if logins {
				p.Enter = base + d.name
			}
		case "remove-login":
			for i := range p.Logins {
				p.Logins[i].Remove = base + d.name + "?" + url.Values{"app": {p.Logins[i].App}}.Encode()
			}
		case "end-sessions":
			p.EndAll = base + d.name
		case "end-session":
			for i := range p.Sessions {
				p.Sessions[i].End = base + d.name + "?" + url.Values{"session": {p.Sessions[i].Handle}}.Encode()
			}
		case "unlink":
			for i := range p.Links {
				p.Links[i].Unlink = base + d.name + "?" + url.Values{"issuer": {p.Links[i].Issuer}, "subject": {p.Links[i].Subject}}.Encode()
			}
		default:
			if d.fits(&p.Account) {
				p.Deeds = append(p.Deeds, deedLink{Label: d.label, URL: base + d.name, Danger: d.danger})
			}
		}
	}
}

func attributesOf(a *accounts.Account) []attribute {
	var all []attribute
	for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
		text, ok := a.Attributes[name].(string)
		if !ok {
			data, err := json.Marshal(a.Attributes[name])
			if err != nil {
				continue
			}
			text = string(data)
		}
		all = append(all, attribute{name, text})
	}
	return all
}
