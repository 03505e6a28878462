package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"foregate/authn/accounts"
)

// AccountOrder is the fields of an account that are to be as sent; what is not sent stays.
type AccountOrder struct {
	Username     *string        `json:"username,omitempty"`
	Email        *string        `json:"email,omitempty"`
	Name         *string        `json:"name,omitempty"`
	Status       *string        `json:"status,omitempty"`
	Exempt       *bool          `json:"exempt,omitempty"`
	Organisation *string        `json:"organisation,omitempty"`
	Kind         *string        `json:"kind,omitempty"`
	ExternalID   *string        `json:"external_id,omitempty"`
	Roles        *[]string      `json:"roles,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"`
}

// lay puts the fields that were sent over an account.
func (o *AccountOrder) lay(x *accounts.Account) {
	for _, f := range []struct {
		from *string
		to   *string
	}{
		{o.Username, &x.Username}, {o.Email, &x.Email}, {o.Name, &x.Name}, {o.Status, &x.Status},
		{o.Organisation, &x.Organisation}, {o.Kind, &x.Kind}, {o.ExternalID, &x.ExternalID},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if o.Exempt != nil {
		x.Exempt = *o.Exempt
	}
	if o.Roles != nil {
		x.Roles = slices.Clone(*o.Roles)
	}
	for name, value := range o.Attributes {
		if value == nil {
			delete(x.Attributes, name)
			continue
		}
		if x.Attributes == nil {
			x.Attributes = make(map[string]any)
		}
		x.Attributes[name] = value
	}
}

func createAccount(a *API, c *call) (any, error) {
	var order AccountOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	var account accounts.Account
	order.lay(&account)
	if account.Organisation == "" {
		account.Organisation = c.who.Organisation
	}
	if _, err := c.only(account.Organisation); err != nil {
		return nil, err
	}
	if account.Username == "" && account.Email == "" && account.ExternalID == "" {
		return nil, badOrder{errors.New("an account needs a user name, an e-mail address or an external ID")}
	}
	return a.Accounts.Create(c.Context(), c.context(), account)
}

func changeAccount(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	var order AccountOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	return a.Accounts.Update(c.Context(), c.context(), account.ID, func(x *accounts.Account) error {
		order.lay(x)
		return nil
	})
}

// changed does something to the account of the path and answers with what came of it.
func (a *API) changed(c *call, change func(id string) error) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	if err := change(account.ID); err != nil {
		return nil, err
	}
	return a.Accounts.Get(c.Context(), account.ID)
}

// changer is a route for a change that needs nothing but the account.
func changer(change func(*accounts.Accounts, context.Context, accounts.Context, string) error) func(*API, *call) (any, error) {
	return func(a *API, c *call) (any, error) {
		return a.changed(c, func(id string) error { return change(a.Accounts, c.Context(), c.context(), id) })
	}
}

// ExemptOrder says whether an account is exempt from single sign-on.
type ExemptOrder struct {
	Exempt *bool `json:"exempt"`
}

func exempt(a *API, c *call) (any, error) {
	var order ExemptOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	if order.Exempt == nil {
		return nil, badOrder{errors.New("say exempt: true or false")}
	}
	return a.changed(c, func(id string) error { return a.Accounts.Exempt(c.Context(), c.context(), id, *order.Exempt) })
}

// RolesOrder is the roles that an account is to have.
type RolesOrder struct {
	Roles []string `json:"roles"`
}

func setRoles(a *API, c *call) (any, error) {
	var order RolesOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	if order.Roles == nil {
		return nil, badOrder{errors.New("send roles, a list; an empty one takes all away")}
	}
	return a.changed(c, func(id string) error { return a.Accounts.SetRoles(c.Context(), c.context(), id, order.Roles) })
}

// PasswordOrder is a new password. It is shown in no log and no answer.
type PasswordOrder struct {
	Password string `json:"password"`
}

func setPassword(a *API, c *call) (any, error) {
	var order PasswordOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	if order.Password == "" {
		return nil, badOrder{errors.New("the password is empty; DELETE takes it away")}
	}
	return a.changed(c, func(id string) error {
		return a.Accounts.SetPassword(c.Context(), c.context(), id, order.Password)
	})
}

func removePassword(a *API, c *call) (any, error) {
	return a.changed(c, func(id string) error { return a.Accounts.SetPassword(c.Context(), c.context(), id, "") })
}

func deleteAccount(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	return account, a.Accounts.Delete(c.Context(), c.context(), account.ID)
}

// Identity is who somebody is at an issuer.
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// LinkOrder is an identity that an account is to be linked with.
type LinkOrder struct {
	Method  string `json:"method"`
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Email   string `json:"email,omitempty"`
}

func link(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	var o LinkOrder
	if err := c.read(&o); err != nil {
		return nil, err
	}
	if o.Method == "" || o.Issuer == "" || o.Subject == "" {
		return nil, badOrder{errors.New("an identity has method, issuer and subject")}
	}
	l := accounts.Link{Account: account.ID, Method: o.Method, Issuer: o.Issuer, Subject: o.Subject, Email: o.Email}
	if err := a.Accounts.Link(c.Context(), c.context(), l); err != nil {
		return nil, err
	}
	return a.detail(c, account)
}

func unlink(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	var o Identity
	if err := c.read(&o); err != nil {
		return nil, err
	}
	links, err := a.Accounts.Links(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(links, func(l accounts.Link) bool { return l.Issuer == o.Issuer && l.Subject == o.Subject }) {
		return nil, accounts.ErrNotFound // or an identity of another account
	}
	if err := a.Accounts.Unlink(c.Context(), c.context(), o.Issuer, o.Subject); err != nil {
		return nil, err
	}
	return a.detail(c, account)
}

// showable is JSON as it goes into one cell or line.
func showable(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
