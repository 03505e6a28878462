package admin

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"foregate/authn/accounts"
)

// EventList is a page of the audit trail.
type EventList struct {
	Events []accounts.Event `json:"events"`
	Next   int64            `json:"next,omitempty"` // for before; 0: there are no more
}

// filter is which lines are meant.
func (c *call) filter() (accounts.Filter, error) {
	v := c.URL.Query()
	organisation, err := c.only(v.Get("organisation"))
	if err != nil {
		return accounts.Filter{}, err
	}
	f := accounts.Filter{
		Account: v.Get("account"), Actor: v.Get("actor"), Action: v.Get("action"), Method: v.Get("method"), App: v.Get("app"),
		Organisation: organisation, Result: v.Get("result"), RequestID: v.Get("request_id"),
	}
	if f.Since, err = c.when("since"); err != nil {
		return accounts.Filter{}, err
	}
	if f.Until, err = c.when("until"); err != nil {
		return accounts.Filter{}, err
	}
	return f, nil
}

func listAudit(a *API, c *call) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	if text := c.URL.Query().Get("before"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before < 1 {
			return nil, badOrder{fmt.Errorf("before is the next of a page")}
		}
	}
	if f.Limit, err = c.number("limit", 50, maxLimit); err != nil {
		return nil, err
	}
	events, err := a.Accounts.Audit.List(c.Context(), f)
	if err != nil {
		return nil, err
	}
	list := EventList{Events: events}
	if len(events) == f.Limit {
		list.Next = events[len(events)-1].ID
	}
	return list, nil
}

func exportAudit(a *API, c *call) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	format, err := c.format("csv", "json")
	if err != nil {
		return nil, err
	}
	if format == "csv" {
		return download{kind: "text/csv; charset=utf-8", name: "audit.csv", write: func(w io.Writer) error {
			out := csv.NewWriter(w)
			if err := out.Write(eventColumns); err != nil {
				return err
			}
			err := a.eachEvent(c, f, func(e *accounts.Event) error { return out.Write(eventCells(e)) })
			out.Flush()
			if err == nil {
				err = out.Error()
			}
			return err
		}}, nil
	}
	return download{kind: "application/x-ndjson", name: "audit.jsonl", write: func(w io.Writer) error {
		lines := json.NewEncoder(w)
		return a.eachEvent(c, f, func(e *accounts.Event) error { return lines.Encode(e) })
	}}, nil
}

// eachEvent goes through all pages, newest first, and keeps one of them in memory.
func (a *API) eachEvent(c *call, f accounts.Filter, visit func(*accounts.Event) error) error {
	f.Limit = maxLimit
	for {
		events, err := a.Accounts.Audit.List(c.Context(), f)
		if err != nil {
			return err
		}
		for i := range events {
			if err := visit(&events[i]); err != nil {
				return err
			}
		}
		if len(events) < f.Limit {
			return nil
		}
		f.Before = events[len(events)-1].ID
	}
}

var eventColumns = []string{"id", "time", "actor", "action", "account", "method", "app", "organisation", "client", "result", "request_id", "detail"}

func eventCells(e *accounts.Event) []string {
	client, detail := "", ""
	if e.Client.IsValid() {
		client = e.Client.String()
	}
	if len(e.Detail) > 0 {
		detail = showable(e.Detail)
	}
	cells := []string{
		strconv.FormatInt(e.ID, 10), e.Time.UTC().Format(time.RFC3339), e.Actor, e.Action, e.Account, e.Method, e.App, e.Organisation,
		client, e.Result, e.RequestID, detail,
	}
	for i := range cells {
		cells[i] = accounts.Cover(cells[i]) // what strangers typed is in it
	}
	return cells
}
