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
	postgresConns = 10 // of one replica
	postgresIdle  = 5 * time.Minute
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
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The library's error has the password masked, or no text of the address at all.
		return nil, fmt.Errorf("database: read storage.postgres: %w", err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "foregate"
	}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // DialFunc does it
	config.DialFunc = resolve.DialContext
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(postgresIdle)
	if err := migratePostgres(ctx, pool); err != nil {
		return nil, errors.Join(fmt.Errorf("database: postgres at %s: %w", config.Host, err), pool.Close())
	}
	return &DB{Writer: pool, Reader: pool}, nil
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
