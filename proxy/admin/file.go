package admin

import (
	"encoding/json"
	"errors"
	"io"

	"foregate/authn/accounts"
)

// ImportInfo is what came of a file.
type ImportInfo struct {
	Created int `json:"created"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
}

func importAccounts(a *API, c *call) (any, error) {
	done, err := a.Accounts.Import(c.Context(), c.context(), c.Body)
	if err != nil {
		return nil, err
	}
	return ImportInfo(done), nil
}

// exportAccounts answers with a file that can be imported, or with JSON. CSV knows of no
// other condition than the organisation: a part of an organisation would be taken for
// all of it.
func exportAccounts(a *API, c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	format, err := c.format("csv", "json")
	if err != nil {
		return nil, err
	}
	on := c.context()
	on.Organisation = q.Organisation
	if format == "csv" {
		if q != (accounts.Query{Organisation: q.Organisation}) || q.Organisation == "-" {
			return nil, badOrder{errors.New("as CSV all accounts are exported, or those of one organisation; leave the other conditions out, or ask for json")}
		}
		return download{kind: "text/csv; charset=utf-8", name: "accounts.csv", write: func(w io.Writer) error {
			return a.Accounts.Export(c.Context(), on, w)
		}}, nil
	}
	return download{kind: "application/json; charset=utf-8", name: "accounts.json", write: func(w io.Writer) error {
		if err := a.allAccounts(c, q, w); err != nil {
			return err
		}
		return a.trail(c, accounts.Event{Action: "export", Organisation: q.Organisation, Result: "ok"})
	}}, nil
}

// allAccounts writes a JSON array, page by page.
func (a *API) allAccounts(c *call, q accounts.Query, w io.Writer) error {
	q.Limit = maxLimit
	before := "[\n"
	for {
		page, err := a.Accounts.Search(c.Context(), q)
		if err != nil {
			return err
		}
		for i := range page.Accounts {
			line, err := json.Marshal(&page.Accounts[i])
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, before+string(line)); err != nil {
				return err
			}
			before = ",\n"
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if before == "[\n" {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	_, err := io.WriteString(w, "\n]\n")
	return err
}

// format is one of those that there are; the first unless said.
func (c *call) format(known ...string) (string, error) {
	text := c.URL.Query().Get("format")
	if text == "" {
		return known[0], nil
	}
	for _, name := range known {
		if text == name {
			return name, nil
		}
	}
	return "", badOrder{errors.New("format is " + known[0] + " or " + known[1])}
}
