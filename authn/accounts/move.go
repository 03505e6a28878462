package accounts

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// kind of a column, which the two engines hand over in different Go types.
type kind int

const (
	text kind = iota // may be NULL
	number
	truth
	octets // may be NULL
)

// table is a table to be moved. Tables stand after those that they refer to.
type table struct {
	name    string
	columns []string
	kinds   map[string]kind // of those that are not text
	order   string
}

var tables = []table{
	{
		name: "accounts",
		columns: []string{
			"id", "username", "username_key", "email", "email_key", "name", "status", "exempt", "organisation", "kind", "roles", "attributes",
			"source", "external_id", "created", "changed", "last_sign_in", "last_method", "sort", "search",
		},
		kinds: map[string]kind{"exempt": truth, "created": number, "changed": number, "last_sign_in": number},
		order: "id",
	},
	{name: "attribute_values", columns: []string{"name", "value", "account"}, order: "account, name"},
	{
		name: "links", columns: []string{"issuer", "subject", "account", "method", "email", "made", "made_by", "used"},
		kinds: map[string]kind{"made": number, "used": number}, order: "account, method",
	},
	{
		name: "credentials", columns: []string{"account", "password_hash", "totp", "totp_pending", "totp_step"},
		kinds: map[string]kind{"totp": octets, "totp_pending": octets, "totp_step": number}, order: "account",
	},
	{name: "recovery_codes", columns: []string{"account", "hash"}, kinds: map[string]kind{"hash": octets}, order: "account, hash"},
	{name: "app_logins", columns: []string{"account", "app", "sealed", "changed"}, kinds: map[string]kind{"sealed": octets, "changed": number}, order: "account, app"},
	{
		name: "scim_groups", columns: []string{"id", "organisation", "name", "name_key", "external_id", "created", "changed"},
		kinds: map[string]kind{"created": number, "changed": number}, order: "id",
	},
	{name: "scim_members", columns: []string{"group_id", "account"}, order: "group_id, account"},
	// Lines get new numbers, in the order of the old ones.
	{
		name: "audit", columns: []string{"time", "actor", "action", "account", "method", "app", "organisation", "client", "result", "detail", "request"},
		kinds: map[string]kind{"time": number}, order: "id",
	},
	{
		name: "usage", columns: []string{"day", "organisation", "method", "user_key", "visits", "first_visit", "last_visit"},
		kinds: map[string]kind{"visits": number, "first_visit": number, "last_visit": number}, order: "day, organisation, method, user_key",
	},
}

const (
	dumpFormat  = "foregate accounts 1"
	moveTimeout = time.Hour
	maxDumped   = 4 << 20 // bytes of one line
)

// dumped is a line of a dump: the first has Format, the last Rows of all between them.
type dumped struct {
	Format string `json:"format,omitempty"`
	Table  string `json:"t,omitempty"`
	Row    []any  `json:"r,omitempty"`
	Rows   *int   `json:"rows,omitempty"`
}

// Dump writes everything: accounts, links, password hashes, secrets and logins (sealed as
// they are: who restores them needs the same Keys), groups, audit and usage, one JSON value
// a line. All of it is of one moment. The file is as secret as the database.
func (a *Accounts) Dump(ctx context.Context, file io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	tx, err := a.db.Reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("accounts: dump: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	buffered := bufio.NewWriter(file)
	out := json.NewEncoder(buffered)
	out.SetEscapeHTML(false)
	if err := out.Encode(dumped{Format: dumpFormat}); err != nil {
		return fmt.Errorf("accounts: dump: %w", err)
	}
	total := 0
	for _, t := range tables {
		n, err := t.dump(ctx, tx, out)
		if err != nil {
			return fmt.Errorf("accounts: dump %s: %w", t.name, err)
		}
		total += n
	}
	if err := errors.Join(out.Encode(dumped{Rows: &total}), buffered.Flush()); err != nil {
		return fmt.Errorf("accounts: dump: %w", err)
	}
	return nil
}

func (t *table) dump(ctx context.Context, tx *sql.Tx, out *json.Encoder) (int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name+` ORDER BY `+t.order)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		into := make([]any, len(t.columns))
		for i, column := range t.columns {
			switch t.kinds[column] {
			case text:
				into[i] = new(*string)
			case number:
				into[i] = new(int64)
			case truth:
				into[i] = new(bool)
			case octets:
				into[i] = new([]byte)
			}
		}
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		if err := out.Encode(dumped{Table: t.name, Row: into}); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}

// Restore reads a dump into a database that has no accounts yet, of either engine.
// Either all of it is there afterwards, or nothing.
func (a *Accounts) Restore(ctx context.Context, file io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	return a.transaction(ctx, func(ctx context.Context, unprepared *sql.Tx) error {
		var n int
		if err := unprepared.QueryRowContext(ctx, `SELECT count(*) FROM accounts`).Scan(&n); err != nil {
			return fmt.Errorf("accounts: restore: %w", err)
		}
		if n > 0 {
			return fmt.Errorf("accounts: restore: there are %d accounts here already; only an empty database can be restored into", n)
		}
		return restore(ctx, &prepared{tx: unprepared, statements: make(map[string]*sql.Stmt)}, file)
	})
}

func restore(ctx context.Context, tx conn, file io.Reader) error {
	scan := bufio.NewScanner(file)
	scan.Buffer(nil, maxDumped)
	complete := false
	for line, rows := 1, 0; scan.Scan(); line++ {
		var d dumped
		if complete {
			return fmt.Errorf("accounts: restore: line %d comes after the end", line)
		}
		decoder := json.NewDecoder(strings.NewReader(scan.Text()))
		decoder.UseNumber() // a time does not fit into a float
		if err := decoder.Decode(&d); err != nil {
			return fmt.Errorf("accounts: restore: line %d: %w", line, err)
		}
		switch {
		case line == 1 && d.Format != dumpFormat:
			return errors.New("accounts: restore: this is no dump of accounts")
		case line == 1:
		case d.Rows != nil && *d.Rows != rows:
			return fmt.Errorf("accounts: restore: %d rows instead of %d; the file is damaged", rows, *d.Rows)
		case d.Rows != nil:
			complete = true
		default:
			if err := restoreRow(ctx, tx, d); err != nil {
				return fmt.Errorf("accounts: restore: line %d: %w", line, err)
			}
			rows++
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("accounts: restore: %w", err)
	}
	if !complete {
		return errors.New("accounts: restore: the file has no end")
	}
	return nil
}

func restoreRow(ctx context.Context, tx conn, d dumped) error {
	for _, t := range tables {
		if t.name == d.Table {
			return t.restore(ctx, tx, d.Row)
		}
	}
	return fmt.Errorf("unknown table %q", d.Table)
}

func (t *table) restore(ctx context.Context, tx conn, row []any) error {
	if len(row) != len(t.columns) {
		return fmt.Errorf("%d columns instead of %d", len(row), len(t.columns))
	}
	args := make([]any, len(row))
	places := make([]string, len(row))
	for i, column := range t.columns {
		places[i] = "$" + strconv.Itoa(i+1)
		var err error
		if args[i], err = t.kinds[column].value(row[i]); err != nil {
			return fmt.Errorf("%s.%s: %w", t.name, column, err)
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+t.name+` (`+strings.Join(t.columns, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`, args...)
	return err
}

var errKind = errors.New("not a value of this column")

// value is what JSON has of a column, as both drivers take it.
func (k kind) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		if k == text {
			return sql.NullString{}, nil
		}
		if k == octets {
			return []byte(nil), nil
		}
	case string:
		if k == text {
			return sql.NullString{String: v, Valid: true}, nil
		}
		if k == octets {
			return base64.StdEncoding.DecodeString(v) // as encoding/json writes it
		}
	case bool:
		if k == truth {
			return v, nil
		}
	case json.Number:
		if k == number {
			return v.Int64()
		}
	}
	return nil, errKind
}
