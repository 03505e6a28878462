package admin

import (
	"errors"
	"net/http"
	"net/url"

	"foregate/authn"
	"foregate/authn/accounts"
)

const peoplePage = 50 // accounts on a page

// peopleView is a page of the list of people.
type peopleView struct {
	Text, Status, Organisation, Kind, Email string // what was searched for
	Bound                                   bool   // the organisation is not the reader's to choose
	People                                  []accounts.Account
	Total                                   int
	First, Next                             string // addresses of pages; empty: there is none, or it is this one
	MayCreate                               bool
	Searched                                bool
}

// people lists accounts, those of the reader's organisation only.
func (c *Console) people(v *visit) (shown, error) {
	q := accounts.Query{
		Text: v.asked("q"), Status: v.asked("status"), Organisation: v.asked("organisation"), Kind: v.asked("kind"), After: v.asked("after"), Limit: peoplePage,
	}
	if v.who.Organisation != "" {
		q.Organisation = v.who.Organisation
	}
	ctx := v.r.Context()
	total, err := c.Accounts.Count(ctx, q)
	if err != nil {
		return shown{}, err
	}
	found, err := c.Accounts.Search(ctx, q)
	if err != nil {
		return shown{}, err
	}
	view := peopleView{
		Text: q.Text, Status: q.Status, Organisation: q.Organisation, Kind: q.Kind, Bound: v.who.Organisation != "",
		People: found.Accounts, Total: total, MayCreate: v.who.May(Owner),
		Searched: q.Text+q.Status+q.Kind != "" || q.Organisation != v.who.Organisation,
	}
	if found.Next != "" {
		view.Next = view.address(found.Next)
	}
	if q.After != "" {
		view.First = view.address("")
	}
	return shown{page: "people", title: "People", data: view}, nil
}

func (p *peopleView) address(after string) string {
	q := url.Values{}
	fields := map[string]string{"q": p.Text, "status": p.Status, "kind": p.Kind, "after": after}
	if !p.Bound {
		fields["organisation"] = p.Organisation
	}
	for name, value := range fields {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/people?" + q.Encode()
}

// mine returns the account that an address names, if the reader may see it.
func (c *Console) mine(v *visit) (accounts.Account, error) {
	account, err := c.Accounts.Get(v.r.Context(), oneLine(v.r.PathValue("id")))
	if err == nil && !v.who.Sees(account.Organisation) {
		return accounts.Account{}, accounts.ErrNotFound
	}
	return account, err
}

// faultsOf says what is wrong with what somebody typed, one sentence each. It returns
// nil for an error that is not theirs.
func faultsOf(err error) []string {
	var said []string
	for _, one := range leaves(err) {
		var fault *authn.Fault
		switch {
		case errors.As(one, &fault):
			said = append(said, fault.Error())
		case errors.Is(one, accounts.ErrTaken):
			return []string{"Somebody has this already: the user name, the external ID, the identity, or an address that another organisation uses. Choose another, or look for the account that has it."}
		default:
			return nil
		}
	}
	return said
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, leaves(one)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// accountForm is the data of an account to be typed or changed.
type accountForm struct {
	ID      string // empty: a new one
	Account accounts.Account
	Bound   bool // the organisation is not the reader's to choose
	Faults  []string
}

func (c *Console) askNew(v *visit) (shown, error) {
	return newForm(v, accounts.Account{Organisation: v.who.Organisation}, nil), nil
}

func newForm(v *visit, account accounts.Account, faults []string) shown {
	a := shown{page: "account", title: "New account", data: accountForm{Account: account, Bound: v.who.Organisation != "", Faults: faults}}
	if len(faults) > 0 {
		a.status = http.StatusUnprocessableEntity
	}
	return a
}

// typed lays what the form says over an account.
func (v *visit) typed(account *accounts.Account) {
	f := v.r.PostForm
	account.Name, account.Username, account.Email = f.Get("name"), f.Get("username"), f.Get("email")
	account.Kind, account.ExternalID = f.Get("kind"), f.Get("external_id")
	if v.who.Organisation == "" {
		account.Organisation = f.Get("organisation")
	}
}

func (c *Console) create(v *visit) (shown, error) {
	account := accounts.Account{Organisation: v.who.Organisation}
	v.typed(&account)
	if account.Username == "" && account.Email == "" {
		return newForm(v, account, []string{"Give a user name or an e-mail address: a person is found by one of them."}), nil
	}
	made, err := c.Accounts.Create(v.r.Context(), v.context(), account)
	if faults := faultsOf(err); faults != nil {
		return newForm(v, account, faults), nil
	}
	if err != nil {
		return shown{}, err
	}
	return shown{to: "/people/" + made.ID + "?done=created"}, nil
}

func (c *Console) askEdit(v *visit) (shown, error) {
	account, err := c.mine(v)
	if err != nil {
		return shown{}, err
	}
	return editForm(v, account, nil), nil
}

func editForm(v *visit, account accounts.Account, faults []string) shown {
	a := newForm(v, account, faults)
	a.title = "Change data of " + shownName(&account)
	a.data = accountForm{ID: account.ID, Account: account, Bound: v.who.Organisation != "", Faults: faults}
	return a
}

func (c *Console) edit(v *visit) (shown, error) {
	account, err := c.mine(v)
	if err != nil {
		return shown{}, err
	}
	_, err = c.Accounts.Update(v.r.Context(), v.context(), account.ID, func(x *accounts.Account) error { v.typed(x); return nil })
	if faults := faultsOf(err); faults != nil {
		v.typed(&account)
		return editForm(v, account, faults), nil
	}
	if err != nil {
		return shown{}, err
	}
	return shown{to: "/people/" + account.ID + "?done=edited"}, nil
}
