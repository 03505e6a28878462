package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Usage counts visits per day, organisation, method and person, for the reports of a
// subscription.
type Usage struct{ a *Accounts }

// Visit is one visit of a person: a sign-in, or a session that begins.
type Visit struct {
	Time         time.Time // zero: now
	Organisation string
	Method       string // a partner's method, for one
	User         string // the stable identifier of the person
}

// Count counts a visit, on its day in UTC.
func (u *Usage) Count(ctx context.Context, v Visit) error {
	if v.Time.IsZero() {
		v.Time = u.a.env.Now()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return count(ctx, u.a.db.Writer, rowOf(v), visits{1, v.Time.UnixMilli(), v.Time.UnixMilli()})
}

// usageRow is the key of a row: who came on which day, and by what way.
type usageRow struct{ day, organisation, method, user string }

func rowOf(v Visit) usageRow {
	return usageRow{v.Time.UTC().Format(time.DateOnly), line(v.Organisation), line(v.Method), line(v.User)}
}

// visits are how often, and when first and last, in milliseconds since 1970.
type visits struct{ n, first, last int64 }

// count adds visits to a row. Rivals may commit in any order, so the earlier of two
// first times counts, and the later of two last ones.
func count(ctx context.Context, c conn, row usageRow, v visits) error {
	const countSQL = `INSERT INTO usage (day, organisation, method, user_key, visits, first_visit, last_visit) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (day, organisation, method, user_key) DO UPDATE SET visits = usage.visits + excluded.visits,
			first_visit = CASE WHEN excluded.first_visit < usage.first_visit THEN excluded.first_visit ELSE usage.first_visit END,
			last_visit = CASE WHEN excluded.last_visit > usage.last_visit THEN excluded.last_visit ELSE usage.last_visit END`
	_, err := c.ExecContext(ctx, countSQL, row.day, row.organisation, row.method, row.user, v.n, v.first, v.last)
	if err != nil {
		return fmt.Errorf("accounts: count visits: %w", err)
	}
	return nil
}

// By is what a report has one row for.
type By string

const (
	ByOrganisation By = "organisation" // and method, over the whole time
	ByDay          By = "day"          // and organisation and method
	ByUser         By = "user"         // and organisation and method
)

// ReportQuery is the days of a report, both included (in UTC), and whose they are.
type ReportQuery struct {
	From, To     time.Time
	Organisation string // empty: all
	Method       string // empty: all
	By           By
}

// Row is one row of a report. Day and User are empty where rows are not by them.
type Row struct {
	Day          string    `json:"day,omitempty"` // 2006-01-02
	Organisation string    `json:"organisation"`
	Method       string    `json:"method"`
	User         string    `json:"user,omitempty"`
	Users        int       `json:"users"` // different ones
	Visits       int       `json:"visits"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
}

// maxReport bounds the rows of a report.
const maxReport = 100_000

// Report adds up visits. More than 100,000 rows are an error: ask for fewer days.
func (u *Usage) Report(ctx context.Context, q ReportQuery) ([]Row, error) {
	columns := map[By]string{
		ByOrganisation: `'', organisation, method, ''`,
		ByDay:          `day, organisation, method, ''`,
		ByUser:         `'', organisation, method, user_key`,
	}[q.By]
	order := map[By]string{
		ByOrganisation: `organisation, method`,
		ByDay:          `day, organisation, method`,
		ByUser:         `organisation, method, user_key`,
	}[q.By]
	if columns == "" {
		return nil, fmt.Errorf("accounts: no report by %q", q.By)
	}
	var w where
	w.add(`day >= ?`, q.From.UTC().Format(time.DateOnly))
	w.add(`day <= ?`, q.To.UTC().Format(time.DateOnly))
	if q.Organisation != "" {
		w.add(`organisation = ?`, q.Organisation)
	}
	if q.Method != "" {
		w.add(`method = ?`, q.Method)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := u.a.db.Reader.QueryContext(ctx, `SELECT `+columns+`, count(DISTINCT user_key), CAST(sum(visits) AS BIGINT), min(first_visit), max(last_visit)
		FROM usage WHERE `+w.String()+` GROUP BY `+order+` ORDER BY `+order+fmt.Sprintf(` LIMIT %d`, maxReport+1), w.args...)
	if err != nil {
		return nil, fmt.Errorf("accounts: report usage: %w", err)
	}
	defer rows.Close()
	report := []Row{}
	for rows.Next() {
		var (
			r           Row
			first, last int64
		)
		if err := rows.Scan(&r.Day, &r.Organisation, &r.Method, &r.User, &r.Users, &r.Visits, &first, &last); err != nil {
			return nil, fmt.Errorf("accounts: read usage: %w", err)
		}
		r.First, r.Last = moment(first), moment(last)
		report = append(report, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: report usage: %w", err)
	}
	if len(report) > maxReport {
		return nil, errors.New("accounts: the report is too long; ask for fewer days")
	}
	return report, nil
}

// Prune forgets the days before a day and returns how many rows those were.
func (u *Usage) Prune(ctx context.Context, before time.Time) (int64, error) {
	res, err := u.a.db.Writer.ExecContext(ctx, `DELETE FROM usage WHERE day < $1`, before.UTC().Format(time.DateOnly))
	n, err := affected(res, err)
	if err != nil {
		return 0, fmt.Errorf("accounts: prune usage: %w", err)
	}
	return n, nil
}
