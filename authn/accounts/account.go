package accounts

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"foregate/authn"
)

// Status of an account.
const (
	Active   = "active"
	Disabled = "disabled" // by an administrator, or by who keeps the account (SCIM)
	Left     = "left"     // the directory that it follows does not vouch for the person now; it is open again when that does
)

// Where an account comes from.
const (
	FromCreate    = "create"    // an administrator made it
	FromImport    = "import"    // a CSV file
	FromSCIM      = "scim"      // an organisation's identity provider keeps it
	FromAdmit     = "admit"     // made at the first sign-in
	FromDirectory = "directory" // made by the refresh of a directory
)

// Account is a person whom Foregate knows.
type Account struct {
	ID           string         `json:"id"`
	Username     string         `json:"username,omitempty"` // as the application is given it; unique in any spelling; may be empty
	Email        string         `json:"email,omitempty"`    // may be empty, and that of several accounts
	Name         string         `json:"name,omitempty"`     // for people
	Status       string         `json:"status"`             // Active, Disabled or Left
	Exempt       bool           `json:"exempt"`             // may use a local way in where others must use single sign-on
	Organisation string         `json:"organisation,omitempty"`
	Kind         string         `json:"kind,omitempty"` // "staff", "patient"; the operator's own words
	Roles        []string       `json:"roles,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"` // JSON values
	Source       string         `json:"source"`
	ExternalID   string         `json:"external_id,omitempty"` // what the source calls it; unique in its organisation
	Created      time.Time      `json:"created"`
	Changed      time.Time      `json:"changed"`
	LastSignIn   time.Time      `json:"last_sign_in,omitzero"`
	LastMethod   string         `json:"last_method,omitempty"`
}

// Open reports whether somebody may sign in to the account.
func (a *Account) Open() bool { return a.ID != "" && a.Status == Active }

const (
	maxText       = 256 // bytes of a name, a role, an attribute's name and each such text
	maxIdentifier = 1024
	maxRoles      = 64
	maxAttributes = 32 << 10 // bytes of all attributes as JSON
)

const accountColumns = `id, username, email, name, status, exempt, organisation, kind, roles, attributes,
	source, external_id, created, changed, last_sign_in, last_method`

type scanner interface{ Scan(into ...any) error }

func scanAccount(row scanner, more ...any) (Account, error) {
	var (
		a                      Account
		roles, attributes      string
		external               sql.NullString
		created, changed, last int64
	)
	err := row.Scan(append([]any{&a.ID, &a.Username, &a.Email, &a.Name, &a.Status, &a.Exempt, &a.Organisation, &a.Kind, &roles,
		&attributes, &a.Source, &external, &created, &changed, &last, &a.LastMethod}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("accounts: read account: %w", err)
	}
	err = errors.Join(json.Unmarshal([]byte(roles), &a.Roles), json.Unmarshal([]byte(attributes), &a.Attributes))
	if err != nil {
		return Account{}, fmt.Errorf("accounts: read account %s: %w", a.ID, err)
	}
	if len(a.Roles) == 0 {
		a.Roles = nil
	}
	if len(a.Attributes) == 0 {
		a.Attributes = nil
	}
	a.ExternalID = external.String
	a.Created, a.Changed, a.LastSignIn = moment(created), moment(changed), moment(last)
	return a, nil
}

// row is an account as it is stored.
type row struct {
	account           Account
	username, email   sql.NullString // canonical
	external          sql.NullString
	roles, attributes string
	sort, search      string
	values            map[string]string // attributes that an identity can be matched with
}

// stored checks an account and makes what the tables have of it. Its errors are
// *authn.Fault, all of them joined.
func (a *Account) stored() (row, error) {
	r := row{account: *a}
	var faults []error
	fault := func(path, problem, remedy string) {
		faults = append(faults, &authn.Fault{Path: path, Problem: problem, Remedy: remedy})
	}
	if a.Username != "" {
		key, err := Canonical(a.Username)
		if err != nil || strings.TrimSpace(a.Username) != a.Username {
			fault("username", fmt.Sprintf("%q cannot be a user name", authn.CutControl(a.Username, maxText)),
				"write at most 256 bytes without invisible characters and outer spaces")
		}
		r.username = sql.NullString{String: key, Valid: true}
	}
	if a.Email != "" {
		key, err := CanonicalEmail(a.Email)
		if err != nil {
			fault("email", fmt.Sprintf("%q is not an e-mail address", authn.CutControl(a.Email, maxText)), "write a bare address, as alice@hospital.example")
		}
		r.email = sql.NullString{String: key, Valid: true}
	}
	if a.Status != Active && a.Status != Disabled && a.Status != Left {
		fault("status", fmt.Sprintf("%q is no status", authn.CutControl(a.Status, maxText)), "write active or disabled")
	}
	for path, text := range map[string]string{"name": a.Name, "organisation": a.Organisation, "kind": a.Kind, "source": a.Source, "external_id": a.ExternalID} {
		if !plain(text) {
			fault(path, "longer than 256 bytes, or with characters that cannot be seen", "")
		}
	}
	if len(a.Roles) > maxRoles || slices.ContainsFunc(a.Roles, func(role string) bool { return role == "" || !plain(role) }) {
		fault("roles", "more than 64, an empty one, or one that is longer than 256 bytes or cannot be seen", "")
	}
	r.roles, r.attributes = "[]", "{}"
	if len(a.Roles) > 0 {
		data, err := json.Marshal(a.Roles)
		faults = append(faults, err)
		r.roles = string(data)
	}
	if len(a.Attributes) > 0 {
		data, err := json.Marshal(a.Attributes)
		faults = append(faults, err)
		r.attributes = string(data)
	}
	if len(r.attributes) > maxAttributes || strings.Contains(r.attributes, `\u0000`) {
		fault("attributes", "larger than 32 KiB, or with a NUL", "")
	}
	r.external = sql.NullString{String: a.ExternalID, Valid: a.ExternalID != ""}
	r.values = matchable(a.Attributes)
	name := a.Name
	if name == "" {
		name = a.Username + a.Email
	}
	r.sort = fold(name)
	r.search = fold(a.Username + "\n" + a.Email + "\n" + a.Name)
	return r, errors.Join(faults...)
}

// matchable is the attributes that are text and can be looked up.
func matchable(attributes map[string]any) map[string]string {
	values := make(map[string]string)
	for name, value := range attributes {
		text, ok := value.(string)
		if ok && name != "" && text != "" && plain(name) && plain(text) {
			values[name] = text
		}
	}
	return values
}

// plain reports whether text can be stored and shown: short, UTF-8, nothing that
// cannot be seen.
func plain(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsFunc(text, invisible)
}

// invisible tells what two texts can differ in and look the same.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}

// newID is 130 bits of chance, in lower case.
func newID() string { return strings.ToLower(rand.Text()) }
