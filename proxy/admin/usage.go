package admin

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"time"

	"foregate/authn/accounts"
)

// UsageReport is visits, added up.
type UsageReport struct {
	From string         `json:"from"` // first day, 2006-01-02
	To   string         `json:"to"`   // last day
	By   accounts.By    `json:"by"`
	Rows []accounts.Row `json:"rows"`
}

const usageDays = 30

func reportUsage(a *API, c *call) (any, error) {
	v := c.URL.Query()
	organisation, err := c.only(v.Get("organisation"))
	if err != nil {
		return nil, err
	}
	q := accounts.ReportQuery{Organisation: organisation, Method: v.Get("method"), By: accounts.By(v.Get("by"))}
	switch q.By {
	case "":
		q.By = accounts.ByOrganisation
	case accounts.ByOrganisation, accounts.ByDay, accounts.ByUser:
	default:
		return nil, badOrder{errors.New("by is organisation, day or user")}
	}
	if q.To, err = c.when("to"); err != nil {
		return nil, err
	}
	if q.To.IsZero() {
		q.To = time.Now().UTC()
	}
	if q.From, err = c.when("from"); err != nil {
		return nil, err
	}
	if q.From.IsZero() {
		q.From = q.To.AddDate(0, 0, -usageDays)
	}
	format, err := c.format("json", "csv")
	if err != nil {
		return nil, err
	}
	rows, err := a.Accounts.Usage.Report(c.Context(), q)
	if err != nil {
		return nil, err
	}
	if format == "json" {
		return UsageReport{From: q.From.UTC().Format(time.DateOnly), To: q.To.UTC().Format(time.DateOnly), By: q.By, Rows: rows}, nil
	}
	return download{kind: "text/csv; charset=utf-8", name: "usage.csv", write: func(w io.Writer) error { return writeUsage(w, rows) }}, nil
}

func writeUsage(w io.Writer, rows []accounts.Row) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"day", "organisation", "method", "user", "users", "visits", "first", "last"}); err != nil {
		return err
	}
	for _, r := range rows {
		cells := []string{
			r.Day, r.Organisation, r.Method, r.User, strconv.Itoa(r.Users), strconv.Itoa(r.Visits), r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339),
		}
		for i := range cells {
			cells[i] = accounts.Cover(cells[i]) // a partner chose the identifiers
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
