package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	db, closer, err := tables.People(file.Storage, store, file.NeedsAccounts(), fg.log)
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
		Keys: keys, Passwords: hasher{}, OnEnd: ending{fg.sessions, fg.renews}.end, Log: fg.log,
	})
	if err != nil {
		return err
	}
	fg.resealWhen(db.Ready)
	fg.visits = fg.accounts.Usage.Tally()
	return nil
}

// renews reports whether a method can say who somebody is now while they are signed in.
func (fg *running) renews(method string) bool {
	return fg.server != nil && fg.server.Set().Renews(method)
}

// ending ends the sessions of people who may not go on as they were. Who may, with other
// rights, keeps them where the method can be asked; who loses nothing keeps them.
type ending struct {
	sessions *cookies.Sessions
	renews   func(method string) bool
}

func (e ending) end(ctx context.Context, ended accounts.Ended) error {
	var errs []error
	if !ended.Only {
		errs = append(errs, e.one(ctx, accounts.Issuer, ended.Account.ID, &ended))
	}
	for _, l := range ended.Links {
		errs = append(errs, e.one(ctx, l.Issuer, l.Subject, &ended))
	}
	return errors.Join(errs...)
}

func (e ending) one(ctx context.Context, issuer, subject string, ended *accounts.Ended) error {
	switch {
	case ended.Reread:
		return e.sessions.RereadPerson(ctx, issuer, subject)
	case ended.Refresh:
		return e.sessions.RenewPerson(ctx, issuer, subject, e.renews)
	}
	_, err := e.sessions.RevokePerson(ctx, issuer, subject)
	return err
}

// appsWithLogins are the apps that are sent people's own names and passwords.
func (fg *running) appsWithLogins() []string {
	var names []string
	for _, app := range fg.server.Set().Apps() {
		if app.Upstream.PerUser() {
			names = append(names, app.Name)
		}
	}
	slices.Sort(names)
	return names
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
