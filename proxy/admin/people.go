package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"foregate/authn/accounts"
)

// AccountList is a page of accounts.
type AccountList struct {
	Accounts []accounts.Account `json:"accounts"`
	Next     string             `json:"next,omitempty"`  // for after; empty: there are no more
	Total    *int               `json:"total,omitempty"` // on all pages, if it was asked for
}

// AccountDetail is everything about an account that operators may see.
type AccountDetail struct {
	Account  accounts.Account     `json:"account"`
	Links    []accounts.Link      `json:"links"`
	Factors  FactorInfo           `json:"factors"`
	Logins   []accounts.LoginInfo `json:"logins"` // applications for which their own name and password are kept
	Sessions []SessionInfo        `json:"sessions"`
	History  []accounts.Event     `json:"history"` // newest first
}

// FactorInfo is what an account can prove itself with here.
type FactorInfo struct {
	Password      bool `json:"password"`
	TOTP          bool `json:"totp"`
	RecoveryCodes int  `json:"recovery_codes"` // that are left
}

const (
	historyLines = 50
	maxLimit     = 1000
)

// number reads a number of the query from 1 to most.
func (c *call) number(name string, unless, most int) (int, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return unless, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badOrder{fmt.Errorf("%s is a number from 1 to %d", name, most)}
	}
	return n, nil
}

// when reads a time of the query, or a day, which begins at midnight in UTC.
func (c *call) when(name string) (time.Time, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, badOrder{fmt.Errorf("%s is a time such as 2026-11-25T08:00:00Z, or a day such as 2026-11-25", name)}
}

// only narrows what is asked for to whom the caller may see.
func (c *call) only(organisation string) (string, error) {
	own := c.who.Organisation
	if own == "" || organisation == own {
		return organisation, nil
	}
	if organisation != "" {
		return "", &refused{http.StatusForbidden, "you look after " + own + " alone"}
	}
	return own, nil
}

// query is which accounts are meant.
func (c *call) query() (accounts.Query, error) {
	v := c.URL.Query()
	organisation, err := c.only(v.Get("organisation"))
	if err != nil {
		return accounts.Query{}, err
	}
	if status := v.Get("status"); status != "" && status != accounts.Active && status != accounts.Disabled {
		return accounts.Query{}, badOrder{errors.New("status is active or disabled")}
	}
	return accounts.Query{
		Text: v.Get("text"), Username: v.Get("username"), Email: v.Get("email"), ExternalID: v.Get("external_id"), Organisation: organisation,
		Kind: v.Get("kind"), Status: v.Get("status"), Source: v.Get("source"), Group: v.Get("group"), After: v.Get("after"),
	}, nil
}

func listAccounts(a *API, c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	if q.Limit, err = c.number("limit", 50, maxLimit); err != nil {
		return nil, err
	}
	page, err := a.Accounts.Search(c.Context(), q)
	if err != nil {
		return nil, err
	}
	list := AccountList{Accounts: page.Accounts, Next: page.Next}
	if c.URL.Query().Get("count") == "true" {
		n, err := a.Accounts.Count(c.Context(), q)
		if err != nil {
			return nil, err
		}
		list.Total = &n
	}
	return list, nil
}

// account is the one in the path: by its ID, its user name, or an e-mail address that it
// alone has. One of another organisation is not found.
func (a *API) account(c *call) (accounts.Account, error) {
	name := c.PathValue("account")
	found, err := a.Accounts.Get(c.Context(), name)
	if errors.Is(err, accounts.ErrNotFound) {
		found, err = a.Accounts.ByUsername(c.Context(), name)
	}
	if err == nil && c.who.Sees(found.Organisation) {
		return found, nil
	}
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return accounts.Account{}, err
	}
	return a.byEmail(c, name)
}

func (a *API) byEmail(c *call, address string) (accounts.Account, error) {
	all, err := a.Accounts.ByEmail(c.Context(), address)
	if err != nil {
		return accounts.Account{}, err
	}
	var seen []accounts.Account
	for _, one := range all {
		if c.who.Sees(one.Organisation) {
			seen = append(seen, one)
		}
	}
	switch len(seen) {
	case 0:
		return accounts.Account{}, accounts.ErrNotFound
	case 1:
		return seen[0], nil
	}
	return accounts.Account{}, &refused{http.StatusConflict, fmt.Sprintf("%d accounts have this address; name the ID of one", len(seen))}
}

func showAccount(a *API, c *call) (any, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	return a.detail(c, account)
}

func (a *API) detail(c *call, account accounts.Account) (any, error) {
	links, err := a.Accounts.Links(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	factors, err := a.Accounts.Factors(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	logins, err := a.Accounts.Logins(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	sessions, err := a.sessionsOf(c.Context(), account.ID)
	if err != nil {
		return nil, err
	}
	history, err := a.Accounts.Audit.List(c.Context(), accounts.Filter{Account: account.ID, Organisation: c.who.Organisation, Limit: historyLines})
	if err != nil {
		return nil, err
	}
	return AccountDetail{
		Account: account, Links: links, Factors: FactorInfo(factors), Logins: logins, Sessions: infosOf(sessions), History: history,
	}, nil
}

// AccountPath is the address of an account by its ID, user name or e-mail address, and of
// what is below it.
func AccountPath(account, below string) string {
	return base + "/accounts/" + url.PathEscape(account) + below
}
