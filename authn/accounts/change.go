package accounts

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// insert stores a new account.
func (a *Accounts) insert(ctx context.Context, tx conn, account Account) error {
	r, err := account.stored()
	if err != nil {
		return err
	}
	const insertSQL = `INSERT INTO accounts (id, username, username_key, email, email_key, name, status, exempt, organisation, kind,
		roles, attributes, source, external_id, created, changed, last_sign_in, last_method, sort, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, '', $17, $18)`
	_, err = tx.ExecContext(ctx, insertSQL, account.ID, account.Username, r.username, account.Email, r.email, account.Name, account.Status,
		account.Exempt, account.Organisation, account.Kind, r.roles, r.attributes, account.Source, r.external,
		account.Created.UnixMilli(), account.Changed.UnixMilli(), r.sort, r.search)
	if err != nil {
		return fmt.Errorf("accounts: store account: %w", err)
	}
	return storeValues(ctx, tx, account.ID, r.values)
}

// update stores an account that was changed.
func (a *Accounts) update(ctx context.Context, tx conn, account Account) error {
	r, err := account.stored()
	if err != nil {
		return err
	}
	const updateSQL = `UPDATE accounts SET username = $2, username_key = $3, email = $4, email_key = $5, name = $6, status = $7, exempt = $8,
		organisation = $9, kind = $10, roles = $11, attributes = $12, external_id = $13, source = $14, changed = $15, sort = $16, search = $17 WHERE id = $1`
	_, err = tx.ExecContext(ctx, updateSQL, account.ID, account.Username, r.username, account.Email, r.email, account.Name, account.Status,
		account.Exempt, account.Organisation, account.Kind, r.roles, r.attributes, r.external, account.Source, account.Changed.UnixMilli(), r.sort, r.search)
	if err != nil {
		return fmt.Errorf("accounts: store account %s: %w", account.ID, err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM attribute_values WHERE account = $1`, account.ID); err != nil {
		return fmt.Errorf("accounts: store attributes of %s: %w", account.ID, err)
	}
	return storeValues(ctx, tx, account.ID, r.values)
}

func storeValues(ctx context.Context, tx conn, id string, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO attribute_values (name, value, account) VALUES ($1, $2, $3)`, name, values[name], id); err != nil {
			return fmt.Errorf("accounts: store attributes of %s: %w", id, err)
		}
	}
	return nil
}

// Create makes an account. ID, times and, where they are empty, Status and Source are
// filled in. What cannot be stored is *authn.Fault, all of them joined; a user name or
// external ID that somebody has is ErrTaken, and so is, for a caller who is limited to
// an organisation, an e-mail address that another one's account has.
func (a *Accounts) Create(ctx context.Context, c Context, account Account) (Account, error) {
	if c.Organisation != "" && account.Organisation != c.Organisation {
		return Account{}, ErrNotFound
	}
	account.ID = newID()
	if account.Status == "" {
		account.Status = Active
	}
	if account.Source == "" {
		account.Source = FromCreate
	}
	account.Created = moment(a.stamp())
	account.Changed = account.Created
	account.LastSignIn, account.LastMethod = moment(0), ""
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := c.ownAddress(ctx, tx, account.Email); err != nil {
			return err
		}
		if err := a.insert(ctx, tx, account); err != nil {
			return err
		}
		return a.noteChange(ctx, tx, c, "create", &account, nil)
	})
	if err != nil {
		return Account{}, err
	}
	return account, nil
}

// Update lets change edit an account and stores what it made of it; ID, Source and the
// times are not its to change. Sessions of the account end if it can no longer be used
// or belongs elsewhere, and are refreshed if roles, kind or exemption have changed.
// change may be called several times, each time with the account as it is then; its
// error ends the update and is returned.
func (a *Accounts) Update(ctx context.Context, c Context, id string, change func(*Account) error) (Account, error) {
	return a.change(ctx, c, "change", id, change)
}

func (a *Accounts) change(ctx context.Context, c Context, action, id string, change func(*Account) error) (Account, error) {
	var (
		next  Account
		ended []Ended
	)
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		next, ended, err = a.changeIn(ctx, tx, c, action, id, change)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return next, a.end(ctx, ended...)
}

func (a *Accounts) changeIn(ctx context.Context, tx conn, c Context, action, id string, change func(*Account) error) (Account, []Ended, error) {
	before, err := c.mine(lock(ctx, tx, id))
	if err != nil {
		return Account{}, nil, err
	}
	next := before
	next.Roles, next.Attributes = slices.Clone(before.Roles), maps.Clone(before.Attributes)
	if err := change(&next); err != nil {
		return Account{}, nil, err
	}
	next.ID, next.Source, next.Created = before.ID, before.Source, before.Created
	next.LastSignIn, next.LastMethod = before.LastSignIn, before.LastMethod
	if c.Organisation != "" && next.Organisation != c.Organisation {
		return Account{}, nil, ErrNotFound
	}
	fields := changedFields(&before, &next)
	if len(fields) == 0 {
		return before, nil, nil
	}
	if next.Email != before.Email {
		if err := c.ownAddress(ctx, tx, next.Email); err != nil {
			return Account{}, nil, err
		}
	}
	next.Changed = moment(a.stamp())
	if err := a.update(ctx, tx, next); err != nil {
		return Account{}, nil, err
	}
	if err := a.noteChange(ctx, tx, c, action, &next, map[string]any{"fields": fields}); err != nil {
		return Account{}, nil, err
	}
	ended, err := whoseEnd(ctx, tx, action, &before, &next)
	return next, ended, err
}

// whoseEnd says which sessions a change concerns, if any.
func whoseEnd(ctx context.Context, tx conn, why string, before, next *Account) ([]Ended, error) {
	shut := before.Open() && !next.Open() || before.Organisation != next.Organisation
	other := before.Exempt != next.Exempt || before.Kind != next.Kind || !slices.Equal(before.Roles, next.Roles)
	if !shut && !other {
		return []Ended{}, nil
	}
	links, err := linksOf(ctx, tx, next.ID)
	if err != nil {
		return nil, err
	}
	return []Ended{{Account: *next, Links: links, Why: why, Refresh: !shut}}, nil
}

// end tells who keeps the sessions. That goes on when the caller has gone: the change
// is made.
func (a *Accounts) end(ctx context.Context, ended ...Ended) error {
	if a.env.OnEnd == nil {
		return nil
	}
	var failed []error
	for _, e := range ended {
		failed = append(failed, a.endOne(ctx, e))
	}
	return errors.Join(failed...)
}

func (a *Accounts) endOne(ctx context.Context, e Ended) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := a.env.OnEnd(ctx, e); err != nil {
		return fmt.Errorf("accounts: %s of %s is done, but its sessions may go on: %w", e.Why, e.Account.ID, err)
	}
	return nil
}

// mine hides accounts of organisations other than the one that c is limited to.
func (c *Context) mine(account Account, err error) (Account, error) {
	if err == nil && c.Organisation != "" && account.Organisation != c.Organisation {
		return Account{}, ErrNotFound
	}
	return account, err
}

// ownAddress keeps who is limited to one organisation from giving its people an address
// of another's: the application may know people by their addresses (ASVS 6.8.1).
func (c *Context) ownAddress(ctx context.Context, tx conn, address string) error {
	key, err := CanonicalEmail(address)
	if c.Organisation == "" || err != nil {
		return nil // what is no address is named when it is stored
	}
	elsewhere, err := emailElsewhere(ctx, tx, key, c.Organisation)
	if err != nil {
		return err
	}
	if elsewhere {
		return fmt.Errorf("e-mail address %q: %w", line(address), ErrTaken)
	}
	return nil
}

// changedFields names what differs, by the keys of JSON.
func changedFields(before, next *Account) []string {
	var fields []string
	differs := func(name string, same bool) {
		if !same {
			fields = append(fields, name)
		}
	}
	differs("username", before.Username == next.Username)
	differs("email", before.Email == next.Email)
	differs("name", before.Name == next.Name)
	differs("status", before.Status == next.Status)
	differs("exempt", before.Exempt == next.Exempt)
	differs("organisation", before.Organisation == next.Organisation)
	differs("kind", before.Kind == next.Kind)
	differs("roles", slices.Equal(before.Roles, next.Roles))
	differs("attributes", sameJSON(before.Attributes, next.Attributes))
	differs("external_id", before.ExternalID == next.ExternalID)
	return fields
}

func sameJSON(a, b map[string]any) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Disable shuts an account: nobody signs in to it, and its sessions end.
func (a *Accounts) Disable(ctx context.Context, c Context, id string) error {
	_, err := a.change(ctx, c, "disable", id, func(x *Account) error { x.Status = Disabled; return nil })
	return err
}

// Enable undoes Disable.
func (a *Accounts) Enable(ctx context.Context, c Context, id string) error {
	_, err := a.change(ctx, c, "enable", id, func(x *Account) error { x.Status = Active; return nil })
	return err
}

// Exempt says whether a person may use a way in that is for exempt accounts only.
func (a *Accounts) Exempt(ctx context.Context, c Context, id string, exempt bool) error {
	_, err := a.change(ctx, c, "exempt", id, func(x *Account) error { x.Exempt = exempt; return nil })
	return err
}

// SetRoles gives an account these roles in place of those it had.
func (a *Accounts) SetRoles(ctx context.Context, c Context, id string, roles []string) error {
	_, err := a.change(ctx, c, "set_roles", id, func(x *Account) error { x.Roles = slices.Clone(roles); return nil })
	return err
}

// Delete removes an account with its links, password, codes and memberships. The audit
// trail keeps its ID.
func (a *Accounts) Delete(ctx context.Context, c Context, id string) error {
	var ended Ended
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		account, err := c.mine(lock(ctx, tx, id))
		if err != nil {
			return err
		}
		links, err := linksOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM accounts WHERE id = $1`, id); err != nil {
			return fmt.Errorf("accounts: delete %s: %w", id, err)
		}
		account.Status = Disabled
		ended = Ended{Account: account, Links: links, Why: "delete"}
		return a.noteChange(ctx, tx, c, "delete", &account, map[string]any{"username": account.Username, "email": account.Email})
	})
	if err != nil {
		return err
	}
	return a.end(ctx, ended)
}

// EndSessions ends the sessions of an account again, where an earlier call could not.
func (a *Accounts) EndSessions(ctx context.Context, c Context, id string) error {
	account, err := c.mine(a.Get(ctx, id))
	if err != nil {
		return err
	}
	links, err := a.Links(ctx, id)
	if err != nil {
		return err
	}
	return a.end(ctx, Ended{Account: account, Links: links, Why: "end_sessions"})
}
