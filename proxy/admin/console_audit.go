package admin

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"foregate/authn/accounts"
)

const auditPage = 50 // lines on a page

// auditView is a page of the audit trail.
type auditView struct {
	accounts.Filter
	From, To    string // days, as the fields have them
	Bound       bool   // the organisation is not the reader's to choose
	Events      []eventRow
	First, Next string // addresses of pages; empty: there is none, or it is this one
	CSV, JSON   string // addresses of the same lines as files
	Problem     string
}

// eventRow is a line as pages show it.
type eventRow struct {
	accounts.Event
	Link string // address of the account; empty: there is none, or it is this page
}

// fields are what lines are searched by, with the keys of the API.
func (a *auditView) fields() map[string]*string {
	fields := map[string]*string{
		"account": &a.Account, "actor": &a.Actor, "action": &a.Action, "method": &a.Method, "app": &a.App, "result": &a.Result,
		"request_id": &a.RequestID, "from": &a.From, "to": &a.To,
	}
	if !a.Bound {
		fields["organisation"] = &a.Organisation
	}
	return fields
}

func (c *Console) audit(v *visit) (shown, error) {
	view := auditView{Bound: v.who.Organisation != "", Filter: accounts.Filter{Organisation: v.who.Organisation, Limit: auditPage + 1}}
	for name, field := range view.fields() {
		*field = v.asked(name)
	}
	page := shown{page: "audit", title: "Audit trail"}
	if view.Problem = view.days(); view.Problem != "" {
		page.status, page.data = http.StatusUnprocessableEntity, view
		return page, nil
	}
	view.Before, _ = strconv.ParseInt(v.asked("before"), 10, 64) // 0: the first page
	events, err := c.Accounts.Audit.List(v.r.Context(), view.Filter)
	if err != nil {
		return shown{}, err
	}
	query := view.query()
	if view.Before > 0 {
		view.First = "/audit?" + query.Encode()
	}
	if len(events) > auditPage {
		events = events[:auditPage]
		query.Set("before", strconv.FormatInt(events[auditPage-1].ID, 10))
		view.Next = "/audit?" + query.Encode()
	}
	for _, e := range events {
		row := eventRow{Event: e}
		if e.Account != "" {
			row.Link = "/people/" + url.PathEscape(e.Account)
		}
		view.Events = append(view.Events, row)
	}
	view.CSV, view.JSON = view.export("csv"), view.export("json")
	page.data = view
	return page, nil
}

// Further reports whether lines are searched by what the page shows only when asked.
func (a auditView) Further() bool {
	return a.Method+a.App+a.Account+a.RequestID != "" || !a.Bound && a.Organisation != ""
}

// days reads the first and the last day.
func (a *auditView) days() (problem string) {
	var err error
	if a.Since, err = dayOf(a.From); err != nil {
		a.From = ""
		return "The first day is not a date. Write it as 2026-11-25."
	}
	if a.Until, err = dayOf(a.To); err != nil {
		a.To = ""
		return "The last day is not a date. Write it as 2026-11-25."
	}
	if a.To != "" {
		a.Until = a.Until.AddDate(0, 0, 1) // the last day is in it
	}
	return ""
}

// dayOf is the beginning of a day in UTC; zero for none.
func dayOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, text)
}

func (a *auditView) query() url.Values {
	q := url.Values{}
	for name, field := range a.fields() {
		if *field != "" {
			q.Set(name, *field)
		}
	}
	return q
}

// export is the address of the API that gives the same lines as a file.
func (a *auditView) export(format string) string {
	q := a.query()
	q.Del("from")
	q.Del("to")
	if !a.Since.IsZero() {
		q.Set("since", a.Since.Format(time.DateOnly))
	}
	if !a.Until.IsZero() {
		q.Set("until", a.Until.Format(time.DateOnly))
	}
	q.Set("format", format)
	return base + "/export/audit?" + q.Encode()
}
