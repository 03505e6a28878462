package accounts

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"foregate/authn"
)

// Audit is the trail of who did what, and of every decision about a person.
type Audit struct{ a *Accounts }

// Event is one line of the trail.
type Event struct {
	ID           int64          `json:"id"` // grows with time
	Time         time.Time      `json:"time"`
	Actor        string         `json:"actor"`  // who did it; at a sign-in the person
	Action       string         `json:"action"` // "sign_in", "link", "disable", …
	Account      string         `json:"account,omitempty"`
	Method       string         `json:"method,omitempty"`
	App          string         `json:"app,omitempty"`
	Organisation string         `json:"organisation,omitempty"`
	Client       netip.Addr     `json:"client,omitzero"`
	Result       string         `json:"result"` // "ok", "admitted", "verify", or a Reason
	Detail       map[string]any `json:"detail,omitempty"`
	RequestID    string         `json:"request_id,omitempty"`
}

// Filter says which lines are listed, newest first, or oldest first behind After.
type Filter struct {
	Account, Actor, Action, Method, App, Organisation, Result, RequestID string

	Since, Until time.Time // from Since on, before Until
	Before       int64     // ID of the last line of the page before
	After        int64     // only lines with a greater ID, oldest first, to follow the trail; -1: all, oldest first; 0: newest first
	Limit        int       // 1 to 1000; 0: 50
}

// Append adds a line. Time is now if it is zero.
func (l *Audit) Append(ctx context.Context, e Event) error {
	return l.a.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return l.a.append(ctx, tx, e) })
}

func (a *Accounts) append(ctx context.Context, q conn, e Event) error {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return fmt.Errorf("accounts: audit %s: %w", e.Action, err)
		}
	}
	if e.Time.IsZero() {
		e.Time = a.env.Now()
	}
	client := ""
	if e.Client.IsValid() {
		client = e.Client.Unmap().String()
	}
	const appendSQL = `INSERT INTO audit (time, actor, action, account, method, app, organisation, client, result, detail, request)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	_, err := q.ExecContext(ctx, appendSQL, e.Time.UnixMilli(), line(e.Actor), line(e.Action), line(e.Account), line(e.Method), line(e.App),
		line(e.Organisation), client, line(e.Result), string(detail), line(e.RequestID))
	if err != nil {
		return fmt.Errorf("accounts: audit %s: %w", e.Action, err)
	}
	return nil
}

// line is text of strangers as it can be stored and shown.
func line(text string) string { return authn.CutControl(text, maxText) }

// List returns lines in the order of the filter. Replicas that write at the same moment
// may commit a line after one with a greater ID.
func (l *Audit) List(ctx context.Context, f Filter) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var w where
	for _, c := range []struct{ column, value string }{
		{"account", f.Account}, {"actor", f.Actor}, {"action", f.Action}, {"method", f.Method}, {"app", f.App},
		{"organisation", f.Organisation}, {"result", f.Result}, {"request", f.RequestID},
	} {
		if c.value != "" {
			w.add(c.column+` = ?`, c.value)
		}
	}
	if !f.Since.IsZero() {
		w.add(`time >= ?`, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		w.add(`time < ?`, f.Until.UnixMilli())
	}
	if f.Before > 0 {
		w.add(`id < ?`, f.Before)
	}
	order := `DESC`
	if f.After != 0 {
		w.add(`id > ?`, f.After)
		order = `ASC`
	}
	limit := min(f.Limit, maxPage)
	if limit <= 0 {
		limit = pageSize
	}
	rows, err := l.a.db.Reader.QueryContext(ctx, `SELECT id, time, actor, action, account, method, app, organisation, client, result, detail, request
		FROM audit WHERE `+w.String()+` ORDER BY id `+order+` LIMIT `+strconv.Itoa(limit), w.args...)
	if err != nil {
		return nil, fmt.Errorf("accounts: list audit: %w", err)
	}
	defer rows.Close()
	events := []Event{}
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: list audit: %w", err)
	}
	return events, nil
}

func scanEvent(rows *sql.Rows) (Event, error) {
	var (
		e              Event
		ms             int64
		client, detail string
	)
	if err := rows.Scan(&e.ID, &ms, &e.Actor, &e.Action, &e.Account, &e.Method, &e.App, &e.Organisation, &client, &e.Result, &detail, &e.RequestID); err != nil {
		return Event{}, fmt.Errorf("accounts: read audit: %w", err)
	}
	e.Time = moment(ms)
	if client != "" {
		addr, err := netip.ParseAddr(client)
		if err != nil {
			return Event{}, fmt.Errorf("accounts: read audit line %d: %w", e.ID, err)
		}
		e.Client = addr
	}
	if err := json.Unmarshal([]byte(detail), &e.Detail); err != nil {
		return Event{}, fmt.Errorf("accounts: read audit line %d: %w", e.ID, err)
	}
	return e, nil
}

// Prune forgets lines older than before and returns how many those were.
func (l *Audit) Prune(ctx context.Context, before time.Time) (int64, error) {
	res, err := l.a.db.Writer.ExecContext(ctx, `DELETE FROM audit WHERE time < $1`, before.UnixMilli())
	n, err := affected(res, err)
	if err != nil {
		return 0, fmt.Errorf("accounts: prune audit: %w", err)
	}
	return n, nil
}

func (a *Accounts) noteChange(ctx context.Context, tx conn, c Context, action string, account *Account, detail map[string]any) error {
	return a.append(ctx, tx, Event{
		Actor: c.Actor, Action: action, Account: account.ID, App: c.App, Organisation: account.Organisation,
		Client: c.Client, Result: "ok", Detail: detail, RequestID: c.RequestID,
	})
}

// noteSignIn writes the one line of a decision, and others for what was made with it.
func (a *Accounts) noteSignIn(ctx context.Context, tx conn, id authn.Identity, c Context, admission Admission, refusal *Refusal) error {
	e := Event{
		Actor: id.User, Action: "sign_in", Method: id.Method, App: c.App, Organisation: c.Organisation, Client: c.Client,
		Detail:    map[string]any{"issuer": line(id.Issuer), "subject": line(id.Subject)},
		RequestID: c.RequestID,
	}
	if id.Email != "" {
		e.Detail["email"] = line(id.Email)
	}
	if refusal != nil {
		e.Result = string(refusal.Reason)
		if refusal.Detail != "" {
			e.Detail["why"] = line(refusal.Detail)
		}
		// The line can be read by the organisation that it is of.
		if refusal.account != nil && refusal.Reason != WrongOrg {
			e.Account = refusal.account.ID
		}
		return a.append(ctx, tx, e)
	}
	switch done := admission.(type) {
	case Verify:
		e.Result, e.Account = "verify", done.Account
		e.Detail["address"] = done.Address
	case Admitted:
		e.Result, e.Account = "admitted", done.Account.ID
		if done.Account.ID != "" {
			e.Organisation = done.Account.Organisation
		}
		for action, made := range map[string]bool{"create": done.Created, "link": done.Linked} {
			if made {
				also := e
				also.Action, also.Result = action, "ok"
				if err := a.append(ctx, tx, also); err != nil {
					return err
				}
			}
		}
	}
	return a.append(ctx, tx, e)
}
