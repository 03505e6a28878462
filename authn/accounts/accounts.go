// Package accounts is the store of the people whom Foregate knows, and the decision
// who of those that a method vouches for may come in.
//
// A method answers with an identity. Admit looks at the policy of the method: is the
// person in an approved group (policy.go)? Is their identity, issuer and subject,
// linked to an account already? Does it match one, or may one be made (admit.go)? What
// matches for the first time is proved by a code to the address on the account, and
// Confirm then makes the link for good (confirm.go). The answer is an identity with
// what the account says of the person, or a refusal with a reason (refusal.go).
//
// Everything else is what operators do with accounts: find.go reads, change.go,
// links.go, csv.go and groups.go write, password.go and totp.go keep what a local
// sign-in needs, and login.go what an application asks people for. Each change and each decision is one transaction together with its
// line in the audit trail (audit.go).
//
// The tables are the same in SQLite and in PostgreSQL, and so are all queries. What
// two browsers or two replicas do at the same moment is decided by unique keys: who
// comes second sees what the first has written.
package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"foregate/authn"
)

var (
	// ErrNotFound means that there is no such account, link or group, or that it belongs
	// to an organisation other than the one that the caller is limited to.
	ErrNotFound = errors.New("accounts: not found")
	// ErrTaken means that a user name, external ID, identity or group name is somebody
	// else's already, or that an account has an identity of the same method.
	ErrTaken = errors.New("accounts: taken")
)

// DB is an open database with the tables of internal/database. Reader may be Writer.
type DB struct {
	Writer *sql.DB
	Reader *sql.DB

	// Ready is closed when queries can be made; until then they fail. Nil: at once.
	Ready <-chan struct{}
}

func (db DB) ready() bool {
	if db.Ready == nil {
		return true
	}
	select {
	case <-db.Ready:
		return true
	default:
		return false
	}
}

// Env is what Accounts needs of the world.
type Env struct {
	// Keys seal the secrets of authenticator apps and people's names and passwords for
	// applications: 32 bytes each. The first seals, all open. Without one neither can be
	// kept.
	Keys [][]byte
	// Passwords makes and checks hashes; nil: no account can have a password.
	Passwords Hasher
	// OnEnd is called after the commit of a change that sessions must hear of: those of
	// the account are to end, or to be looked at again. Its error is returned to who
	// made the change, which stands. May be nil.
	OnEnd func(ctx context.Context, e Ended) error
	Log   *slog.Logger     // nil: none
	Now   func() time.Time // nil: time.Now
}

// Ended says whose sessions a change concerns.
type Ended struct {
	Account Account // as it is after the change
	// Links are the identities whose sessions are meant: one that was unlinked, or all.
	Links []Link
	// Why is the action in the audit trail: "disable", "delete", "unlink", "change",
	// "set_roles", "set_password", "login_set", "login_remove".
	Why string
	// Refresh is set where the person may stay, with other roles: the sessions need
	// not end if they are refreshed.
	Refresh bool
	// Reread is set where nothing is taken away: what was kept of the account beside a
	// session is not true any more, and is to be read anew.
	Reread bool
	// Only the sessions of Links are meant, and not those of the account's own password.
	Only bool
}

// Context is on whose behalf and for which app something is done. It goes to the
// audit trail.
type Context struct {
	Actor     string     // who makes a change: an administrator, "scim:st-elsewhere"; not used by Admit
	App       string     // configured name, may be empty
	Client    netip.Addr // from where, may be zero
	RequestID string     // the support code, may be empty
	// Organisation limits a change to the accounts of one organisation; for a sign-in it
	// is the one that the app, the method or the network belongs to. Empty: no limit for
	// a change; people without organisation for a sign-in.
	Organisation string

	// These are for a sign-in.

	// Try says that nobody signs in: what would be decided is found out, and nothing is
	// written.
	Try bool

	// Guessed says that Organisation is where the person is and not who they are: accounts
	// without one fit too.
	Guessed bool
	// Away are the organisations whose people must use methods of their own, of which
	// this is none. Accounts that are exempt may come in all the same.
	Away []string
	// Kinds are the kinds of accounts that the app is for; empty: all.
	Kinds []string
}

// Accounts is the store. Its methods may be called concurrently.
type Accounts struct {
	Audit *Audit
	Usage *Usage

	db      DB
	env     Env
	sealing atomic.Pointer[box]
	hashes  chan struct{} // bounds how many passwords are hashed at a time
	decoy   string        // a hash that no account has
}

// callTimeout bounds each call, beside its context.
const callTimeout = 5 * time.Second

// Open returns the store in db, which stays the caller's to close. Where Keys has several,
// what was sealed with a later one is sealed with the first; the caller does that by Reseal
// where the database is not ready yet.
func Open(ctx context.Context, db DB, env Env) (*Accounts, error) {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	a := &Accounts{db: db, env: env}
	if err := a.UseKeys(env.Keys); err != nil {
		return nil, err
	}
	if err := a.openPasswords(); err != nil {
		return nil, err
	}
	a.Audit = &Audit{a}
	a.Usage = &Usage{a}
	if !db.ready() {
		return a, nil
	}
	var n int
	if err := db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 1) AS any_account`).Scan(&n); err != nil {
		return nil, fmt.Errorf("accounts: look at the tables: %w", err)
	}
	a.Reseal(ctx)
	return a, nil
}

// stamp is now as it is stored: milliseconds since 1970.
func (a *Accounts) stamp() int64 { return a.env.Now().UnixMilli() }

// moment is a stored time; 0 is the zero time.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// conn is what a transaction and a database have in common.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// prepared is a transaction that reads each text once, for many thousand statements.
type prepared struct {
	tx         *sql.Tx
	statements map[string]*sql.Stmt
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return p.tx.QueryRowContext(ctx, query, args...) // which has the same error
	}
	return s.QueryRowContext(ctx, args...)
}

// prepare keeps statements until the end of the transaction, which closes them.
func (p *prepared) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, found := p.statements[query]; found {
		return s, nil
	}
	s, err := p.tx.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("accounts: prepare: %w", err)
	}
	p.statements[query] = s
	return s, nil
}

// write runs do in a transaction that is committed if do returns nil. do may run
// several times: a rival that was first is seen the second time.
func (a *Accounts) write(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return a.writeUntil(ctx, do)
}

func (a *Accounts) writeUntil(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	var err error
	for range 3 {
		if err = a.transaction(ctx, do); !rivalled(err) {
			return err
		}
	}
	if unique(err) {
		return errors.Join(ErrTaken, err)
	}
	return err
}

func (a *Accounts) transaction(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := a.db.Writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("accounts: begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := do(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("accounts: commit: %w", err)
	}
	return nil
}

// rivalled reports whether a transaction failed because of another one. Both drivers
// tell it by a code: SQLSTATE, and SQLite's extended result codes.
func rivalled(err error) bool {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		switch pg.SQLState() {
		case "40001", "40P01": // serialization_failure, deadlock_detected
			return true
		}
	}
	return errors.Is(err, errOvertaken) || unique(err)
}

func unique(err error) bool {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		return pg.SQLState() == "23505" // unique_violation
	}
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		return lite.Code() == 2067 || lite.Code() == 1555 // SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY
	}
	return false
}

// unavailable gives an error of the database its words for a person.
func unavailable(err error) error {
	var said *authn.Error
	if errors.As(err, &said) {
		return err
	}
	return authn.Unavailable("We cannot look up accounts right now. Try again in a minute.", err)
}
