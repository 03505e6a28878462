package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"foregate/authn"
)

// Hasher makes and checks password hashes: those of authn/local.
type Hasher interface {
	// Hash returns the hash of a new password; its error says what is wrong with the
	// password.
	Hash(password string) (string, error)
	// Verify reports whether hash is of password. The error is about the hash alone.
	Verify(hash, password string) (bool, error)
}

// Credential is what a method that checks passwords itself needs to know of a name
// that somebody typed. Nobody must be able to tell by the answer or its time which
// names exist: for those that do not, Hash is that of a password which nobody has.
type Credential struct {
	// Key is what tries are counted under: one for an account, whichever of its names
	// was typed; the canonical name for one that nobody has.
	Key     string
	Account Account // zero: nobody has this name
	Hash    string  // never empty if Accounts has a Hasher
	Open    bool    // exists, is active and has a password
	TOTP    bool    // a code of an authenticator app is asked for too
}

// nobodys is a password of which a hash costs what others cost. That it may match is no
// matter: who has none never gets in.
const nobodys = "nobody has this password, as nobody has an account"

func (a *Accounts) openPasswords() error {
	a.hashes = make(chan struct{}, runtime.GOMAXPROCS(0))
	if a.env.Passwords == nil {
		return nil
	}
	var err error
	if a.decoy, err = a.env.Passwords.Hash(nobodys); err != nil {
		return fmt.Errorf("accounts: make a decoy: %w", err)
	}
	return nil
}

// Credential looks up a user name, or an e-mail address that one account has.
func (a *Accounts) Credential(ctx context.Context, name string) (Credential, error) {
	key, err := Canonical(name)
	if err != nil {
		return Credential{Key: line(name), Hash: a.decoy}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	account, err := a.named(ctx, name, key)
	if errors.Is(err, ErrNotFound) {
		return Credential{Key: key, Hash: a.decoy}, nil
	}
	if err != nil {
		return Credential{}, unavailable(err)
	}
	c := Credential{Key: account.ID, Account: account, Hash: a.decoy}
	hash, totp, err := factors(ctx, a.db.Reader, account.ID)
	if err != nil {
		return Credential{}, unavailable(err)
	}
	c.TOTP = totp
	if hash != "" {
		c.Hash, c.Open = hash, account.Open()
	}
	return c, nil
}

func (a *Accounts) named(ctx context.Context, name, key string) (Account, error) {
	account, err := one(ctx, a.db.Reader, `username_key = $1`, key)
	if !errors.Is(err, ErrNotFound) {
		return account, err
	}
	address, err := CanonicalEmail(name)
	if err != nil {
		return Account{}, ErrNotFound
	}
	found, err := several(ctx, a.db.Reader, `email_key = $1`, address)
	if err != nil {
		return Account{}, err
	}
	if len(found) != 1 {
		return Account{}, ErrNotFound
	}
	return found[0], nil
}

func factors(ctx context.Context, q conn, account string) (hash string, totp bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT password_hash, totp IS NOT NULL FROM credentials WHERE account = $1`, account).Scan(&hash, &totp)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", false, fmt.Errorf("accounts: look for credentials: %w", err)
	}
	return hash, totp, nil
}

// Factors is what an account can prove itself with here.
type Factors struct {
	Password      bool
	TOTP          bool
	RecoveryCodes int // that are left
}

// Factors tells what has been set up for an account.
func (a *Accounts) Factors(ctx context.Context, account string) (Factors, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	hash, totp, err := factors(ctx, a.db.Reader, account)
	if err != nil {
		return Factors{}, err
	}
	f := Factors{Password: hash != "", TOTP: totp}
	if err := a.db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM recovery_codes WHERE account = $1`, account).Scan(&f.RecoveryCodes); err != nil {
		return Factors{}, fmt.Errorf("accounts: count recovery codes: %w", err)
	}
	return f, nil
}

// CheckPassword compares a password with that of an account. One that has none, or is
// disabled, costs the same time and never matches. The caller counts tries before it
// asks. As many passwords are hashed at a time as there are processors.
func (a *Accounts) CheckPassword(ctx context.Context, account, password string) (bool, error) {
	if a.env.Passwords == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	who, err := one(ctx, a.db.Reader, `id = $1`, account)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, unavailable(err)
	}
	hash, _, err := factors(ctx, a.db.Reader, account)
	if err != nil {
		return false, unavailable(err)
	}
	stored := hash != "" && who.Open()
	if !stored {
		hash = a.decoy
	}
	leave, err := a.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	matches, err := a.env.Passwords.Verify(hash, password)
	if err != nil {
		return false, unavailable(fmt.Errorf("accounts: password hash of %s: %w", account, err))
	}
	return matches && stored, nil
}

// enter waits for a turn at hashing.
func (a *Accounts) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.hashes <- struct{}{}:
		return func() { <-a.hashes }, nil
	case <-ctx.Done():
		return nil, authn.Unavailable("Many people are signing in right now. Try again in a moment.", fmt.Errorf("accounts: wait for hashing: %w", ctx.Err()))
	}
}

// SetPassword gives an account a password in place of the one it has; an empty one
// takes it away. The account's sessions end.
func (a *Accounts) SetPassword(ctx context.Context, c Context, account, password string) error {
	ended, err := a.storePassword(ctx, c, "set_password", account, password)
	if err != nil {
		return err
	}
	return a.end(ctx, ended)
}

// ChangePassword is SetPassword by the person, who has proved that they have the old
// one. No session ends: the caller knows which of them is the person's own.
func (a *Accounts) ChangePassword(ctx context.Context, c Context, account, password string) error {
	if password == "" {
		return &authn.Fault{Path: "password", Problem: "is empty", Remedy: "choose another one"}
	}
	_, err := a.storePassword(ctx, c, "change_password", account, password)
	return err
}

func (a *Accounts) storePassword(ctx context.Context, c Context, action, account, password string) (Ended, error) {
	hash := ""
	if password != "" {
		if a.env.Passwords == nil {
			return Ended{}, errors.New("accounts: passwords are not kept here")
		}
		leave, err := a.enter(ctx)
		if err != nil {
			return Ended{}, err
		}
		hash, err = a.env.Passwords.Hash(password)
		leave()
		if err != nil {
			return Ended{}, &authn.Fault{Path: "password", Problem: err.Error(), Remedy: "choose another one"}
		}
	}
	var ended Ended
	err := a.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		who, err := c.mine(lock(ctx, tx, account))
		if err != nil {
			return err
		}
		const setSQL = `INSERT INTO credentials (account, password_hash) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET password_hash = excluded.password_hash`
		if _, err := tx.ExecContext(ctx, setSQL, account, hash); err != nil {
			return fmt.Errorf("accounts: store password of %s: %w", account, err)
		}
		found, err := linksOf(ctx, tx, account)
		if err != nil {
			return err
		}
		ended = Ended{Account: who, Links: found, Why: action}
		return a.noteChange(ctx, tx, c, action, &who, map[string]any{"removed": password == ""})
	})
	return ended, err
}
