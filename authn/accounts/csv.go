package accounts

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
)

// columns of a file of accounts. Columns named attribute:NAME come after them.
var columns = []string{"id", "username", "email", "name", "organisation", "kind", "roles", "status", "exempt", "external_id"}

const (
	maxImport     = 100_000
	maxFile       = 64 << 20
	importTimeout = 5 * time.Minute
)

// RowError is what is wrong with one line of a file.
type RowError struct {
	Line int // of the file, the first is 1
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *RowError) Unwrap() error { return e.Err }

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
		ended []*Ended
	)
	err = a.writeUntil(ctx, func(ctx context.Context, tx *sql.Tx) error {
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
			case e != nil:
				ended = append(ended, e)
			}
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
	var failed []error
	for _, e := range ended {
		failed = append(failed, a.end(ctx, e))
	}
	return done, errors.Join(failed...)
}

// importRow finds out about conflicts by reading: a statement that fails would end the
// transaction, and with it the search for further faults.
func (a *Accounts) importRow(ctx context.Context, tx *sql.Tx, c Context, r record, seen map[string]int, done *Imported) (*Ended, error) {
	bad := func(err error) (*Ended, error) { return nil, &RowError{Line: r.line, Err: err} }
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
	if err := a.free(ctx, tx, &next); err != nil {
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

func (a *Accounts) importNew(ctx context.Context, tx *sql.Tx, c Context, r record, seen map[string]int, done *Imported) error {
	account := r.over(Account{ID: newID(), Status: Active, Source: FromImport, Created: moment(a.stamp()), Changed: moment(a.stamp())})
	if account.Username == "" && account.Email == "" && account.ExternalID == "" {
		return &RowError{Line: r.line, Err: errors.New("neither a user name, nor an e-mail address, nor an external ID")}
	}
	if err := a.free(ctx, tx, &account); err != nil {
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
func rowOr(err error, line int) (*Ended, error) {
	var fault *authn.Fault
	if errors.As(err, &fault) || errors.Is(err, ErrTaken) || errors.Is(err, ErrNotFound) {
		err = &RowError{Line: line, Err: err}
	}
	return nil, err
}

// free checks an account, and that nobody else has its unique names.
func (a *Accounts) free(ctx context.Context, tx *sql.Tx, account *Account) error {
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
func importTarget(ctx context.Context, tx *sql.Tx, r record) (Account, error) {
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

// readCSV reads a whole file and returns all that is wrong with it.
func readCSV(file io.Reader) ([]record, error) {
	limited := &io.LimitedReader{R: file, N: maxFile + 1}
	reader := csv.NewReader(limited)
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if err != nil {
		return nil, &RowError{Line: 1, Err: fmt.Errorf("no line of column names: %w", err)}
	}
	has, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	var (
		records []record
		faults  []error
	)
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			// What follows a broken quote cannot be told from what is in it.
			return nil, errors.Join(append(faults, &RowError{Line: parse.Line, Err: parse.Err})...)
		}
		if err != nil {
			return nil, fmt.Errorf("accounts: read file: %w", err)
		}
		n, _ := reader.FieldPos(0)
		account, err := readRow(header, fields)
		if err != nil {
			faults = append(faults, &RowError{Line: n, Err: err})
		}
		records = append(records, record{line: n, account: account, has: has})
		if limited.N == 0 || len(records) > maxImport {
			return nil, fmt.Errorf("accounts: the file has more than %d lines or %d MiB; split it", maxImport, maxFile>>20)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return records, nil
}

func readHeader(header []string) (map[string]bool, error) {
	has := make(map[string]bool)
	var faults []error
	for i, name := range header {
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff") // spreadsheets begin a file with it
		}
		name = strings.TrimSpace(name)
		header[i] = name
		attribute, isAttribute := strings.CutPrefix(name, matchAttribute)
		switch {
		case has[name]:
			faults = append(faults, &RowError{Line: 1, Err: fmt.Errorf("column %q is there twice", line(name))})
		case isAttribute && (attribute == "" || !plain(attribute)) || !isAttribute && !slices.Contains(columns, name):
			faults = append(faults, &RowError{Line: 1, Err: fmt.Errorf("unknown column %q; known are %s and attribute:NAME", line(name), strings.Join(columns, ", "))})
		}
		has[name] = true
	}
	return has, errors.Join(faults...)
}

func readRow(header, fields []string) (Account, error) {
	if len(fields) != len(header) {
		return Account{}, fmt.Errorf("%d columns instead of %d", len(fields), len(header))
	}
	var x Account
	var faults []error
	for i, column := range header {
		value := strings.TrimSpace(uncover(fields[i]))
		switch column {
		case "id":
			x.ID = value
		case "username":
			x.Username = value
		case "email":
			x.Email = value
		case "name":
			x.Name = value
		case "organisation":
			x.Organisation = value
		case "kind":
			x.Kind = value
		case "external_id":
			x.ExternalID = value
		case "roles":
			x.Roles = readRoles(value)
		case "status":
			x.Status = value
			if value == "" {
				x.Status = Active
			}
		case "exempt":
			exempt, err := strconv.ParseBool(strings.ToLower(value))
			if err != nil && value != "" {
				faults = append(faults, fmt.Errorf("exempt is %q, not true or false", line(value)))
			}
			x.Exempt = exempt
		default:
			if value != "" {
				if x.Attributes == nil {
					x.Attributes = make(map[string]any)
				}
				x.Attributes[strings.TrimPrefix(column, matchAttribute)] = readAttribute(value)
			}
		}
	}
	return x, errors.Join(faults...)
}

func readRoles(value string) []string {
	var roles []string
	for role := range strings.SplitSeq(value, ";") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}

// readAttribute reads what writeAttribute writes: JSON behind "json:", else text.
func readAttribute(value string) any {
	if data, isJSON := strings.CutPrefix(value, "json:"); isJSON {
		var v any
		if json.Unmarshal([]byte(data), &v) == nil {
			return v
		}
	}
	return value
}

func writeAttribute(value any) string {
	text, isText := value.(string)
	if isText && !strings.HasPrefix(text, "json:") && strings.TrimSpace(text) == text {
		return text
	}
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return "json:" + string(data)
}

// cover keeps a spreadsheet from taking a cell for a formula; uncover undoes it. A cell
// that looks covered already is covered once more.
func cover(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

func uncover(cell string) string {
	if strings.HasPrefix(cell, "'") && formula(cell) {
		return cell[1:]
	}
	return cell
}

func formula(cell string) bool {
	cell = strings.TrimLeft(cell, "'")
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}

// Export writes all accounts, or those of c.Organisation, as a file that Import reads:
// no passwords, no secrets, no links. Cells that a spreadsheet would take for a formula
// begin with an apostrophe, which Import takes off.
func (a *Accounts) Export(ctx context.Context, c Context, file io.Writer) error {
	names, err := texts(ctx, a.db.Reader, `SELECT DISTINCT attributes FROM accounts WHERE $1 = '' OR organisation = $1`, c.Organisation)
	if err != nil {
		return err
	}
	attributes, err := attributeNames(names)
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	header := slices.Clone(columns)
	for _, name := range attributes {
		header = append(header, matchAttribute+name)
	}
	if err := w.Write(header); err != nil {
		return fmt.Errorf("accounts: export: %w", err)
	}
	q := Query{Organisation: c.Organisation, Limit: maxPage}
	for {
		page, err := a.Search(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Accounts {
			if err := w.Write(page.Accounts[i].cells(attributes)); err != nil {
				return fmt.Errorf("accounts: export: %w", err)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("accounts: export: %w", err)
	}
	return a.Audit.Append(ctx, Event{Actor: c.Actor, Action: "export", App: c.App, Organisation: c.Organisation, Client: c.Client, Result: "ok", RequestID: c.RequestID})
}

func attributeNames(all []string) ([]string, error) {
	found := make(map[string]bool)
	for _, text := range all {
		var attributes map[string]any
		if err := json.Unmarshal([]byte(text), &attributes); err != nil {
			return nil, fmt.Errorf("accounts: export: %w", err)
		}
		for name := range attributes {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (a *Account) cells(attributes []string) []string {
	row := []string{a.ID, a.Username, a.Email, a.Name, a.Organisation, a.Kind, strings.Join(a.Roles, ";"), a.Status, strconv.FormatBool(a.Exempt), a.ExternalID}
	for _, name := range attributes {
		cell := ""
		if value, ok := a.Attributes[name]; ok {
			cell = writeAttribute(value)
		}
		row = append(row, cell)
	}
	for i := range row {
		row[i] = cover(row[i])
	}
	return row
}
