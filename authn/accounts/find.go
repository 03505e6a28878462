package accounts

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// several reads the accounts of a condition, at most maxMatches.
func several(ctx context.Context, q conn, condition string, args ...any) ([]Account, error) {
	return list(ctx, q, condition+` ORDER BY sort, id LIMIT `+strconv.Itoa(maxMatches), args...)
}

func list(ctx context.Context, q conn, condition string, args ...any) ([]Account, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("accounts: look for accounts: %w", err)
	}
	defer rows.Close()
	found := []Account{}
	for rows.Next() {
		a, err := scanAccount(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: look for accounts: %w", err)
	}
	return found, nil
}

func one(ctx context.Context, q conn, condition string, args ...any) (Account, error) {
	return scanAccount(q.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE `+condition, args...))
}

// lock reads an account and holds off other writers of it until the end of the
// transaction: PostgreSQL locks a row that is written, SQLite has one writer anyway.
func lock(ctx context.Context, tx conn, id string) (Account, error) {
	return scanAccount(tx.QueryRowContext(ctx, `UPDATE accounts SET changed = changed WHERE id = $1 RETURNING `+accountColumns, id))
}

// Get returns the account with this ID, or ErrNotFound.
func (a *Accounts) Get(ctx context.Context, id string) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return one(ctx, a.db.Reader, `id = $1`, id)
}

// ByUsername returns the account with this user name in any spelling, or ErrNotFound.
func (a *Accounts) ByUsername(ctx context.Context, name string) (Account, error) {
	key, err := Canonical(name)
	if err != nil {
		return Account{}, ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return one(ctx, a.db.Reader, `username_key = $1`, key)
}

// ByEmail returns all accounts with this address, of all organisations: none, one or
// several.
func (a *Accounts) ByEmail(ctx context.Context, address string) ([]Account, error) {
	key, err := CanonicalEmail(address)
	if err != nil {
		return []Account{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return several(ctx, a.db.Reader, `email_key = $1`, key)
}

// ByExternalID returns the account that the source of an organisation calls id.
func (a *Accounts) ByExternalID(ctx context.Context, organisation, id string) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return one(ctx, a.db.Reader, `organisation = $1 AND external_id = $2`, organisation, id)
}

// ByLink returns the account that an identity is linked to, or ErrNotFound.
func (a *Accounts) ByLink(ctx context.Context, issuer, subject string) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return linkedAccount(ctx, a.db.Reader, issuer, subject)
}

func linkedAccount(ctx context.Context, q conn, issuer, subject string) (Account, error) {
	return one(ctx, q, `id = (SELECT account FROM links WHERE issuer = $1 AND subject = $2)`, issuer, subject)
}

// Query says which accounts are listed: those for which everything that is given holds.
type Query struct {
	Text         string // words; each is part of the user name, the e-mail address or the name
	Username     string // exactly, in any spelling
	Email        string // exactly, in any spelling
	ExternalID   string
	Organisation string // "-": without one
	Kind         string
	Status       string // Active or Disabled
	Source       string
	Group        string // ID of a group whose members are meant

	After  string // Next of the page before
	Offset int    // instead of After: so many are skipped (SCIM, RFC 7644, section 3.4.2.4)
	Limit  int    // 1 to 1000; 0: 50
}

// Page is a part of a list, in the order of names.
type Page struct {
	Accounts []Account
	Next     string // for Query.After; empty: there are no more
}

const (
	pageSize = 50
	maxPage  = 1000
	maxWords = 8 // of a search
)

// Search lists accounts.
func (a *Accounts) Search(ctx context.Context, query Query) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	limit := min(query.Limit, maxPage)
	if limit <= 0 {
		limit = pageSize
	}
	w, possible := query.where()
	if !possible {
		return Page{Accounts: []Account{}}, nil
	}
	if query.After != "" {
		sort, id, err := readCursor(query.After)
		if err != nil {
			return Page{}, err
		}
		w.add(`(sort, id) > (?, ?)`, sort, id)
	}
	// One more than asked for tells whether there is another page.
	rest := ` ORDER BY sort, id LIMIT ` + strconv.Itoa(limit+1)
	if query.Offset > 0 {
		rest += ` OFFSET ` + strconv.Itoa(query.Offset)
	}
	found, err := list(ctx, a.db.Reader, w.String()+rest, w.args...)
	if err != nil {
		return Page{}, err
	}
	if len(found) <= limit {
		return Page{Accounts: found}, nil
	}
	found = found[:limit]
	last := found[limit-1]
	r, err := last.stored()
	if err != nil {
		return Page{}, fmt.Errorf("accounts: page after %s: %w", last.ID, err)
	}
	return Page{Accounts: found, Next: cursor(r.sort, last.ID)}, nil
}

// Count tells how many accounts a query lists on all its pages.
func (a *Accounts) Count(ctx context.Context, query Query) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w, possible := query.where()
	if !possible {
		return 0, nil
	}
	var n int
	if err := a.db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE `+w.String(), w.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("accounts: count accounts: %w", err)
	}
	return n, nil
}

// where makes the condition of a query; possible is false for what no account can have.
func (q *Query) where() (w where, possible bool) {
	if q.Username != "" {
		key, err := Canonical(q.Username)
		if err != nil {
			return w, false
		}
		w.add(`username_key = ?`, key)
	}
	if q.Email != "" {
		key, err := CanonicalEmail(q.Email)
		if err != nil {
			return w, false
		}
		w.add(`email_key = ?`, key)
	}
	switch q.Organisation {
	case "":
	case "-":
		w.add(`organisation = ?`, "")
	default:
		w.add(`organisation = ?`, q.Organisation)
	}
	for column, value := range map[string]string{"external_id": q.ExternalID, "kind": q.Kind, "status": q.Status, "source": q.Source} {
		if value != "" {
			w.add(column+` = ?`, value)
		}
	}
	if q.Group != "" {
		w.add(`id IN (SELECT account FROM scim_members WHERE group_id = ?)`, q.Group)
	}
	words := strings.Fields(fold(strings.ToValidUTF8(q.Text, "")))
	for _, word := range words[:min(len(words), maxWords)] {
		w.add(`search LIKE ? ESCAPE '\'`, "%"+likeable(strings.ReplaceAll(word, "\x00", ""))+"%")
	}
	return w, true
}

// likeable takes the meaning from the characters that mean something to LIKE.
func likeable(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// where is conditions that must all hold.
type where struct {
	conditions []string
	args       []any
}

// add adds a condition; each ? in it is the next of args.
func (w *where) add(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return `1 = 1`
	}
	return strings.Join(w.conditions, ` AND `)
}

// ErrCursor is for a Query.After that is no Next of a page.
var ErrCursor = errors.New("accounts: this is no place in the list")

func cursor(sort, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(id + " " + sort))
}

func readCursor(text string) (sort, id string, err error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	id, sort, found := strings.Cut(string(data), " ")
	if err != nil || !found || strings.ContainsRune(string(data), 0) {
		return "", "", ErrCursor
	}
	return sort, id, nil
}
