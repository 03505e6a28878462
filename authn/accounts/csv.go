package accounts

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// columns of a file of accounts. Columns named attribute:NAME come after them.
var columns = []string{"id", "username", "email", "name", "organisation", "kind", "roles", "status", "exempt", "external_id"}

const (
	maxImport = 100_000
	maxFile   = 64 << 20
)

// RowError is what is wrong with one line of a file.
type RowError struct {
	Line int // of the file, the first is 1
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *RowError) Unwrap() error { return e.Err }

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

// Cover keeps a spreadsheet from taking a cell for a formula; uncover undoes it. A cell
// that looks covered already is covered once more.
func Cover(cell string) string {
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
		row[i] = Cover(row[i])
	}
	return row
}
