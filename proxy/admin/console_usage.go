package admin

import (
	"net/http"
	"net/url"
	"time"

	"foregate/authn/accounts"
)

const (
	mostReportDays = 3 * 366
	mostBars       = 92 // days in a chart; of more there is a bar for each month
)

// usageView is a report of visits.
type usageView struct {
	From, To             string // days, as the fields have them
	Organisation, Method string
	Bound                bool // the organisation is not the reader's to choose
	Rows                 []accounts.Row
	Visits               int
	Chart                chart
	ByMonth              bool
	Problem              string
	Exports              []deedLink
}

func (c *Console) usage(v *visit) (shown, error) {
	view := usageView{
		From: v.asked("from"), To: v.asked("to"), Organisation: v.asked("organisation"), Method: v.asked("method"), Bound: v.who.Organisation != "",
	}
	if view.Bound {
		view.Organisation = v.who.Organisation
	}
	page := shown{page: "usage", title: "Usage"}
	from, to, problem := view.days(time.Now().UTC())
	if problem != "" {
		view.Problem = problem
		page.status, page.data = http.StatusUnprocessableEntity, view
		return page, nil
	}
	q := accounts.ReportQuery{From: from, To: to, Organisation: view.Organisation, Method: view.Method, By: accounts.ByOrganisation}
	var err error
	if view.Rows, err = c.Accounts.Usage.Report(v.r.Context(), q); err != nil {
		return shown{}, err
	}
	q.By = accounts.ByDay
	days, err := c.Accounts.Usage.Report(v.r.Context(), q)
	if err != nil {
		return shown{}, err
	}
	for _, row := range view.Rows {
		view.Visits += row.Visits
	}
	view.ByMonth = to.Sub(from) > mostBars*24*time.Hour
	view.Chart = chartOf(days, from, to, view.ByMonth)
	view.export()
	page.data = view
	return page, nil
}

// days reads the first and the last day; the last thirty unless they are given.
func (u *usageView) days(now time.Time) (from, to time.Time, problem string) {
	to, err := dayOf(u.To)
	if err != nil {
		u.To = ""
		return from, to, "The last day is not a date. Write it as 2026-11-25."
	}
	if to.IsZero() {
		to = now.Truncate(24 * time.Hour)
	}
	from, err = dayOf(u.From)
	switch {
	case err != nil:
		u.From = ""
		return from, to, "The first day is not a date. Write it as 2026-11-25."
	case from.IsZero():
		from = to.AddDate(0, 0, 1-usageDays)
	case from.After(to):
		return from, to, "The first day is after the last one. Exchange them."
	case to.Sub(from) > mostReportDays*24*time.Hour:
		return from, to, "That is more than three years. Choose fewer days."
	}
	u.From, u.To = from.Format(time.DateOnly), to.Format(time.DateOnly)
	return from, to, ""
}

// export adds the addresses of the API that give the same report as files.
func (u *usageView) export() {
	for _, file := range []struct{ label, by, format string }{
		{"by organisation, CSV", "organisation", "csv"}, {"by day, CSV", "day", "csv"}, {"by person, CSV", "user", "csv"}, {"by person, JSON", "user", "json"},
	} {
		q := url.Values{"from": {u.From}, "to": {u.To}, "by": {file.by}, "format": {file.format}}
		for name, value := range map[string]string{"organisation": u.Organisation, "method": u.Method} {
			if value != "" {
				q.Set(name, value)
			}
		}
		u.Exports = append(u.Exports, deedLink{Label: file.label, URL: base + "/usage?" + q.Encode()})
	}
}
