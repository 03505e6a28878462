// Foregate stands in front of a web application, signs people in the way their
// organisation wants, and tells the application who is asking.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/certificate"
	"foregate/authn/handoff"
	"foregate/authn/kerberos"
	"foregate/authn/ldap"
	"foregate/authn/local"
	"foregate/authn/mailcode"
	"foregate/authn/network"
	"foregate/authn/oidc"
	"foregate/authn/saml"
	"foregate/cookies/redisstore"
	"foregate/cookies/sqlstore"
	"foregate/internal/command"
	"foregate/internal/config"
	"foregate/internal/database"
)

func main() {
	os.Exit(command.Run(os.Args[1:], command.Tables{Methods: methods, Store: store, People: people}, os.Stdin, os.Stdout, os.Stderr))
}

// methods are the kinds of sign-in that a configuration may name.
var methods = []config.Kind{
	{Name: "oidc", New: func() authn.MethodConfig { return new(oidc.Config) }},
	{Name: "handoff", New: func() authn.MethodConfig { return new(handoff.Config) }},
	{Name: "local", New: func() authn.MethodConfig { return new(local.Config) }},
	{Name: "ldap", New: func() authn.MethodConfig { return new(ldap.Config) }},
	{Name: "kerberos", New: func() authn.MethodConfig { return new(kerberos.Config) }},
	{Name: "certificate", New: func() authn.MethodConfig { return new(certificate.Config) }},
	{Name: "break_glass", New: func() authn.MethodConfig { return new(local.BreakGlass) }},
	{Name: "mail_code", New: func() authn.MethodConfig { return new(mailcode.Config) }},
	{Name: "network", New: func() authn.MethodConfig { return new(network.Config) }},
	{Name: "saml", New: func() authn.MethodConfig { return new(saml.Config) }},
}

// store opens the store that a configuration names.
func store(c config.Storage, log *slog.Logger) (command.Store, error) {
	if len(c.Redis.Addresses) > 0 {
		return shared(c.Redis, log)
	}
	return embedded(string(c.Path), log)
}

// shared is the store that several replicas have in common.
func shared(c config.Redis, log *slog.Logger) (command.Store, error) {
	cfg, err := command.RedisConfig(c)
	if err != nil {
		return nil, err
	}
	cfg.Log = log
	return redisstore.Open(cfg), nil
}

// embedded is the store that needs nothing else: one file in a folder.
func embedded(folder string, log *slog.Logger) (command.Store, error) {
	path := filepath.Join(folder, "foregate.db")
	lock, err := database.Lock(path)
	if err != nil {
		return nil, err
	}
	db, err := database.Open(context.Background(), path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	store, err := sqlstore.Open(context.Background(), db, log)
	if err != nil {
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	return file{store, db, lock}, nil
}

// people is where accounts are: in PostgreSQL, or in the embedded file, which the store
// of sessions may have open. A PostgreSQL that does not answer is waited for.
func people(c config.Storage, store command.Store, needed bool, log *slog.Logger) (accounts.DB, io.Closer, error) {
	if !c.Postgres.Empty() {
		db, err := database.AwaitPostgres(context.Background(), c.Postgres.Reveal(), log)
		if err != nil {
			return accounts.DB{}, nil, err
		}
		return accounts.DB{Writer: db.Writer, Reader: db.Reader, Ready: db.Ready()}, db, nil
	}
	if f, ok := store.(file); ok {
		return accounts.DB{Writer: f.db.Writer, Reader: f.db.Reader}, nil, nil // the store closes it
	}
	if !needed {
		return accounts.DB{}, nil, nil
	}
	own, err := embedded(string(c.Path), slog.New(slog.DiscardHandler))
	if err != nil {
		return accounts.DB{}, nil, err
	}
	db := own.(file).db
	return accounts.DB{Writer: db.Writer, Reader: db.Reader}, own, nil
}

// file is a store that is alone in its database, in a process that is alone with
// it.
type file struct {
	*sqlstore.Store
	db   *database.DB
	lock io.Closer
}

func (f file) Close() error { return errors.Join(f.Store.Close(), f.db.Close(), f.lock.Close()) }
