package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"foregate/authn"
)

// Login is a person's own name and password for one application, which knows people by
// nothing but HTTP Basic (RFC 7617). It is kept sealed, for this account and application
// alone, and shown to nobody again.
type Login struct {
	User     string // without a colon
	Password authn.Secret
}

// LoginInfo says that a Login is kept.
type LoginInfo struct {
	App     string    `json:"app"`
	Changed time.Time `json:"changed"`
}

// ErrNoLogin means that no Login is kept, or none that can be opened.
var ErrNoLogin = errors.New("accounts: no name and password are kept for the application")

const maxLogin = 1024 // bytes of a name or a password

func (l *Login) check() error {
	unwritable := func(s string) bool {
		return s == "" || len(s) > maxLogin || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f })
	}
	switch {
	case unwritable(l.User) || strings.Contains(l.User, ":"):
		return &authn.Fault{Path: "user", Problem: "cannot be sent by HTTP Basic", Remedy: "give 1 to 1024 bytes without a colon and control characters"}
	case unwritable(l.Password.Reveal()):
		return &authn.Fault{Path: "password", Problem: "cannot be sent by HTTP Basic", Remedy: "give 1 to 1024 bytes without control characters"}
	}
	return nil
}

// SetLogin keeps the name and password with which an account's person uses an app, in
// place of those that are kept. Their sessions go on, and use it from their next request.
// What cannot be sent is *authn.Fault.
func (a *Accounts) SetLogin(ctx context.Context, c Context, account, app string, l Login) error {
	if err := l.check(); err != nil {
		return err
	}
	return a.changeLogin(ctx, c, "login_set", account, app, func(ctx context.Context, tx *sql.Tx) error {
		sealed, err := a.box().seal(l.User+":"+l.Password.Reveal(), forLogin(account, app))
		if err != nil {
			return err
		}
		const setSQL = `INSERT INTO app_logins (account, app, sealed, changed) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, app) DO UPDATE SET sealed = excluded.sealed, changed = excluded.changed`
		if _, err := tx.ExecContext(ctx, setSQL, account, app, sealed, a.stamp()); err != nil {
			return fmt.Errorf("accounts: keep a login of %s: %w", account, err)
		}
		return nil
	})
}

// RemoveLogin forgets what SetLogin kept; ErrNoLogin if that is nothing.
func (a *Accounts) RemoveLogin(ctx context.Context, c Context, account, app string) error {
	return a.changeLogin(ctx, c, "login_remove", account, app, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM app_logins WHERE account = $1 AND app = $2`, account, app)
		n, err := affected(res, err)
		if err != nil {
			return fmt.Errorf("accounts: remove a login of %s: %w", account, err)
		}
		if n == 0 {
			return ErrNoLogin
		}
		return nil
	})
}

func (a *Accounts) changeLogin(ctx context.Context, c Context, action, account, app string, change func(context.Context, *sql.Tx) error) error {
	c.App = app // whose login it is
	var ended Ended
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		if err := change(ctx, tx); err != nil {
			return err
		}
		links, err := linksOf(ctx, tx, account)
		if err != nil {
			return err
		}
		ended = Ended{Account: who, Links: links, Why: action, Reread: true}
		return a.noteChange(ctx, tx, c, action, &who, nil)
	})
	if err != nil {
		return err
	}
	return a.end(ctx, ended)
}

// Login is what is kept for a person and an app. ErrNoLogin if there is nothing, if it
// does not open where it was found, or if the person has no account that is open.
func (a *Accounts) Login(ctx context.Context, id *authn.Identity, app string) (Login, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	account, err := accountOf(ctx, a.db.Reader, id)
	if errors.Is(err, ErrNotFound) || err == nil && !account.Open() {
		return Login{}, ErrNoLogin
	}
	if err != nil {
		return Login{}, unavailable(err)
	}
	var sealed []byte
	err = a.db.Reader.QueryRowContext(ctx, `SELECT sealed FROM app_logins WHERE account = $1 AND app = $2`, account.ID, app).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Login{}, ErrNoLogin
	}
	if err != nil {
		return Login{}, unavailable(fmt.Errorf("accounts: look for a login: %w", err))
	}
	pair, err := a.box().open(sealed, forLogin(account.ID, app))
	if err != nil {
		a.env.Log.Warn("name and password for an application cannot be opened; the person has to enter them again", "account", account.ID, "app", app, "reason", err.Error())
		return Login{}, ErrNoLogin
	}
	user, password, _ := strings.Cut(pair, ":")
	return Login{User: user, Password: authn.NewSecret(password)}, nil
}

// Logins are those that are kept for an account, by app.
func (a *Accounts) Logins(ctx context.Context, account string) ([]LoginInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := a.db.Reader.QueryContext(ctx, `SELECT app, changed FROM app_logins WHERE account = $1 ORDER BY app`, account)
	if err != nil {
		return nil, fmt.Errorf("accounts: list logins of %s: %w", account, err)
	}
	defer rows.Close()
	all := []LoginInfo{}
	for rows.Next() {
		var l LoginInfo
		var changed int64
		if err := rows.Scan(&l.App, &changed); err != nil {
			return nil, fmt.Errorf("accounts: list logins of %s: %w", account, err)
		}
		l.Changed = moment(changed)
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("accounts: list logins of %s: %w", account, err)
	}
	return all, nil
}
