package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"foregate/internal/resolve"
)

//go:embed postgres/*.sql
var postgresMigrations embed.FS

const (
	postgresConns   = 10              // of one replica
	postgresConnect = 5 * time.Second // unless the address has connect_timeout
	postgresIdle    = 5 * time.Minute
	// Replicas that start together stand in line for the migrations, and look
	// again each second.
	lockID      = 0x666f7265 // "fore"
	lockLooks   = 60
	lockTimeout = 90 * time.Second
)

// OpenPostgres connects to the PostgreSQL database that replicas share, and brings
// its schema up to date while other replicas wait. dsn is a URL
// (postgres://user:password@host/database?sslmode=verify-full) or key=value words.
// Writer and Reader are the same handle. The error does not repeat the password.
func OpenPostgres(ctx context.Context, dsn string) (*DB, error) {
	config, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	db := newPostgres(config)
	if err := db.bringUp(ctx, config); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func postgresConfig(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The library's error has the password masked, or no text of the address at all.
		return nil, fmt.Errorf("database: read storage.postgres: %w", err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "foregate"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresConnect
	}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // DialFunc does it
	config.DialFunc = resolve.DialContext
	return config, nil
}

// newPostgres is a handle that connects to nothing before the schema is up to date: what it
// finds then is what its queries were written for.
func newPostgres(config *pgx.ConnConfig) *DB {
	db := &DB{ready: make(chan struct{})}
	pool := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(context.Context, *pgx.ConnConfig) error {
		select {
		case <-db.ready:
			return nil
		default:
			return ErrNotReady
		}
	}))
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(postgresIdle)
	db.Writer, db.Reader = pool, pool
	return db
}

// bringUp brings the schema up to date, over a connection of its own.
func (db *DB) bringUp(ctx context.Context, config *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	own := stdlib.OpenDB(*config)
	err := migratePostgres(ctx, own)
	err = errors.Join(err, own.Close())
	if err != nil {
		return fmt.Errorf("database: postgres at %s: %w", config.Host, err)
	}
	close(db.ready)
	return nil
}

func migratePostgres(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(postgresMigrations, "postgres")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, lockLooks), lock.WithUnlockTimeout(1, lockLooks))
	if err != nil {
		return fmt.Errorf("set up the lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}
