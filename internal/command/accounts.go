package command

import (
	"context"
	"errors"
	"fmt"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/cookies"
	"foregate/internal/config"
	"foregate/internal/onetime"
)

// hasher makes and checks the passwords of accounts as those of local users.
type hasher struct{}

func (hasher) Hash(password string) (string, error)       { return local.Hash(password) }
func (hasher) Verify(hash, password string) (bool, error) { return local.Verify(hash, password) }

// openAccounts opens what Foregate knows of people, beside the store of sessions.
func (fg *running) openAccounts(file *config.File, tables Tables, store Store, secrets [][]byte) error {
	if tables.People == nil {
		return nil
	}
	db, closer, err := tables.People(file.Storage, store, file.NeedsAccounts())
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if db.Writer == nil {
		return nil
	}
	fg.people = closer
	keys, err := deriveKeys(secrets, "foregate accounts 1")
	if err != nil {
		return err
	}
	fg.accounts, err = accounts.Open(context.Background(), db, accounts.Env{
		Keys: keys, Passwords: hasher{}, OnEnd: ending{fg.sessions}.end, Log: fg.log,
	})
	if err != nil {
		return err
	}
	fg.visits = fg.accounts.Usage.Tally()
	return nil
}

// ending ends the sessions of people who may not go on as they were.
type ending struct{ sessions *cookies.Sessions }

func (e ending) end(ctx context.Context, ended accounts.Ended) error {
	_, err := e.sessions.RevokePerson(ctx, accounts.Issuer, ended.Account.ID)
	errs := []error{err}
	for _, l := range ended.Links {
		_, err := e.sessions.RevokePerson(ctx, l.Issuer, l.Subject)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// codes prove at the first sign-in that an account is somebody's.
func (b *builder) codes() (*onetime.Codes, error) {
	keys, err := deriveKeys(b.secrets, "foregate proof 1")
	if err != nil {
		return nil, err
	}
	return onetime.Open(onetime.Config{Keys: keys, Once: b.once, Tries: b.tries})
}

// peopleOf is whom methods may ask about; nil without accounts.
func peopleOf(a *accounts.Accounts) authn.People {
	if a == nil {
		return nil
	}
	return accounts.People{A: a}
}
