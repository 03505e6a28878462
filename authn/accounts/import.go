package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"foregate/authn"
)

// importTimeout bounds an import. SQLite has one writer: while a large file is
// imported, other writes wait.
const importTimeout = 5 * time.Minute

// Imported is what came of a file.
type Imported struct{ Created, Changed, Same int }

// record is a line of a file as an account, and which of its columns the file has.
type record struct {
	line    int
	account Account
	has     map[string]bool
}

// Import makes and changes accounts from a CSV file (RFC 4180, UTF-8) with a line of
// column names: id, username, email, name, organisation, kind, roles (separated by
// ";"), status, exempt (true or false), external_id and attribute:NAME. A column that
// is missing changes nothing of accounts that are there. A line is about the account
// with its id, or else its user name, or else its external ID or the e-mail address in
// its organisation; if there is none it makes one. Either all of a file is imported or,
// if anything is wrong with it, nothing: the error then joins a *RowError for each
// line at fault.
func (a *Accounts) Import(ctx context.Context, c Context, file io.Reader) (Imported, error) {
	records, err := readCSV(file)
	if err != nil {
		return Imported{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	var (
		done  Imported
		ended []Ended
	)
	err = a.writeUntil(ctx, func(ctx context.Context, unprepared *sql.Tx) error {
		tx := &prepared{tx: unprepared, statements: make(map[string]*sql.Stmt)}
		done, ended = Imported{}, nil
		var faults []error
		seen := make(map[string]int)
		for _, r := range records {
			e, err := a.importRow(ctx, tx, c, r, seen, &done)
			var row *RowError
			switch {
			case errors.As(err, &row):
				faults = append(faults, err)
			case err != nil:
				return err
			}
			ended = append(ended, e...)
		}
		if len(faults) > 0 {
			return errors.Join(faults...)
		}
		return a.append(ctx, tx, Event{
			Actor: c.Actor, Action: "import", App: c.App, Organisation: c.Organisation, Client: c.Client, Result: "ok", RequestID: c.RequestID,
			Detail: map[string]any{"created": done.Created, "changed": done.Changed, "same": done.Same},
		})
	})
	if err != nil {
		return Imported{}, err
	}
	return done, a.end(ctx, ended...)
}

// importRow finds out about conflicts by reading: a statement that fails would end the
// transaction, and with it the search for further faults.
func (a *Accounts) importRow(ctx context.Context, tx conn, c Context, r record, seen map[string]int, done *Imported) ([]Ended, error) {
	bad := func(err error) ([]Ended, error) { return nil, &RowError{Line: r.line, Err: err} }
	if c.Organisation != "" && r.account.Organisation != c.Organisation {
		return bad(fmt.Errorf("only accounts of organisation %q may be imported here", c.Organisation))
	}
	target, err := importTarget(ctx, tx, r)
	switch {
	case errors.Is(err, ErrNotFound) && r.account.ID == "":
		return nil, a.importNew(ctx, tx, c, r, seen, done)
	case errors.Is(err, ErrNotFound):
		return bad(fmt.Errorf("there is no account with id %q", line(r.account.ID)))
	case errors.Is(err, errAmbiguous):
		return bad(err)
	case err != nil:
		return nil, err
	}
	if _, err := c.mine(target, nil); err != nil {
		return bad(errors.New("the user name or the id is that of an account of another organisation"))
	}
	if earlier := seen["id "+target.ID]; earlier > 0 {
		return bad(fmt.Errorf("the same account as in line %d", earlier))
	}
	seen["id "+target.ID] = r.line
	next := r.over(target)
	if err := free(ctx, tx, &next); err != nil {
		return rowOr(err, r.line)
	}
	_, ended, err := a.changeIn(ctx, tx, c, "import_change", target.ID, func(x *Account) error { *x = next; return nil })
	if err != nil {
		return rowOr(err, r.line)
	}
	if len(changedFields(&target, &next)) > 0 {
		done.Changed++
	} else {
		done.Same++
	}
	return ended, nil
}

func (a *Accounts) importNew(ctx context.Context, tx conn, c Context, r record, seen map[string]int, done *Imported) error {
	account := r.over(Account{ID: newID(), Status: Active, Source: FromImport, Created: moment(a.stamp()), Changed: moment(a.stamp())})
	if account.Username == "" && account.Email == "" && account.ExternalID == "" {
		return &RowError{Line: r.line, Err: errors.New("neither a user name, nor an e-mail address, nor an external ID")}
	}
	if err := free(ctx, tx, &account); err != nil {
		_, err = rowOr(err, r.line)
		return err
	}
	if err := c.ownAddress(ctx, tx, account.Email); err != nil {
		_, err = rowOr(err, r.line)
		return err
	}
	if err := a.insert(ctx, tx, account); err != nil {
		_, err = rowOr(err, r.line)
		return err
	}
	seen["id "+account.ID] = r.line
	done.Created++
	return a.noteChange(ctx, tx, c, "import_create", &account, nil)
}

// rowOr gives what is wrong with an account its line.
func rowOr(err error, line int) ([]Ended, error) {
	var fault *authn.Fault
	if errors.As(err, &fault) || errors.Is(err, ErrTaken) || errors.Is(err, ErrNotFound) {
		err = &RowError{Line: line, Err: err}
	}
	return nil, err
}

// free checks an account, and that nobody else has its unique names.
func free(ctx context.Context, tx conn, account *Account) error {
	r, err := account.stored()
	if err != nil {
		return err
	}
	if r.username.Valid {
		switch other, err := one(ctx, tx, `username_key = $1`, r.username.String); {
		case err == nil && other.ID != account.ID:
			return fmt.Errorf("user name %q: %w", account.Username, ErrTaken)
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		}
	}
	if account.ExternalID == "" {
		return nil
	}
	switch other, err := one(ctx, tx, `organisation = $1 AND external_id = $2`, account.Organisation, account.ExternalID); {
	case err == nil && other.ID != account.ID:
		return fmt.Errorf("external ID %q: %w", account.ExternalID, ErrTaken)
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	return nil
}

var errAmbiguous = errors.New("several accounts of the organisation have this e-mail address; give the id")

// importTarget finds the account that a line is about.
func importTarget(ctx context.Context, tx conn, r record) (Account, error) {
	x := &r.account
	if x.ID != "" {
		return one(ctx, tx, `id = $1`, x.ID)
	}
	if x.Username != "" {
		key, err := Canonical(x.Username)
		if err != nil {
			return Account{}, ErrNotFound // and insert says what is wrong
		}
		return one(ctx, tx, `username_key = $1`, key)
	}
	if x.ExternalID != "" {
		return one(ctx, tx, `organisation = $1 AND external_id = $2`, x.Organisation, x.ExternalID)
	}
	key, err := CanonicalEmail(x.Email)
	if err != nil {
		return Account{}, ErrNotFound
	}
	found, err := several(ctx, tx, `email_key = $1 AND organisation = $2`, key, x.Organisation)
	switch {
	case err != nil:
		return Account{}, err
	case len(found) > 1:
		return Account{}, errAmbiguous
	case len(found) == 0:
		return Account{}, ErrNotFound
	}
	return found[0], nil
}

// over lays what the file says over an account.
func (r record) over(account Account) Account {
	set := func(column string, field *string, value string) {
		if r.has[column] {
			*field = value
		}
	}
	set("username", &account.Username, r.account.Username)
	set("email", &account.Email, r.account.Email)
	set("name", &account.Name, r.account.Name)
	set("organisation", &account.Organisation, r.account.Organisation)
	set("kind", &account.Kind, r.account.Kind)
	set("external_id", &account.ExternalID, r.account.ExternalID)
	set("status", &account.Status, r.account.Status)
	if r.has["exempt"] {
		account.Exempt = r.account.Exempt
	}
	if r.has["roles"] {
		account.Roles = r.account.Roles
	}
	account.Attributes = maps.Clone(account.Attributes)
	for column := range r.has {
		name, isAttribute := strings.CutPrefix(column, matchAttribute)
		if !isAttribute {
			continue
		}
		if account.Attributes == nil {
			account.Attributes = make(map[string]any)
		}
		if value, ok := r.account.Attributes[name]; ok {
			account.Attributes[name] = value
		} else {
			delete(account.Attributes, name)
		}
	}
	return account
}
