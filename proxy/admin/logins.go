package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"foregate/authn"
	"foregate/authn/accounts"
)

// LoginOrder is a person's own name and password for an application. It is shown in no log
// and no answer.
type LoginOrder struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// forLogins reports why names and passwords cannot be kept for an app.
func (p *Parts) forLogins(app string) error {
	var known []string
	if p.Logins != nil {
		known = p.Logins()
	}
	switch {
	case slices.Contains(known, app):
		return nil
	case len(known) == 0:
		return badOrder{errors.New("no application is sent people's own names and passwords: none has basic: {per_user: true} in its upstream")}
	}
	return badOrder{fmt.Errorf("%q is not sent people's own names and passwords; those that are: %s", authn.CutControl(app, 64), strings.Join(known, ", "))}
}

func setLogin(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	var order LoginOrder
	if err := c.read(&order); err != nil {
		return nil, err
	}
	app := c.PathValue("app")
	if err := a.forLogins(app); err != nil {
		return nil, err
	}
	l := accounts.Login{User: order.User, Password: authn.NewSecret(order.Password)}
	if err := a.Accounts.SetLogin(c.Context(), c.context(), account.ID, app, l); err != nil {
		return nil, err
	}
	return a.Accounts.Get(c.Context(), account.ID)
}

// removeLogin also takes away what was kept for an app that is not there any more.
func removeLogin(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	err = a.Accounts.RemoveLogin(c.Context(), c.context(), account.ID, c.PathValue("app"))
	if errors.Is(err, accounts.ErrNoLogin) {
		return nil, &refused{http.StatusNotFound, "no name and password are kept for this application"}
	}
	if err != nil {
		return nil, err
	}
	return a.Accounts.Get(c.Context(), account.ID)
}
