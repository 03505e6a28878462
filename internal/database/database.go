// Package database opens the one file in which a machine keeps everything.
//
// Open makes the folder and the file, brings the schema up to date, and returns
// two handles: one connection that writes and a few that read. SQLite lets one
// transaction write at a time; with one connection they stand in line in Go,
// where waiting ends with the context.
//
// Replicas share accounts in a PostgreSQL database instead, which OpenPostgres
// connects to; it has tables of the same names and columns.
package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	readers     = 3
	openTimeout = 30 * time.Second // migrations included
)

// DB is an open database.
type DB struct {
	Writer *sql.DB // of a file one connection, whose transactions take the write lock at once
	Reader *sql.DB // of a file a few connections that cannot write

	ready chan struct{}      // closed when it can be used; nil: at once
	stop  context.CancelFunc // ends waiting; nil where nobody waits
	done  chan struct{}      // closed when nobody waits any more
}

// Open opens the file, which is made if it is missing, readable by its owner
// alone. An error says what to change.
func Open(ctx context.Context, path string) (*DB, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database: %q: %w", path, err)
	}
	if err := prepare(path); err != nil {
		return nil, err
	}
	db := new(DB)
	if db.Writer, err = sql.Open("sqlite", address(path, false)); err != nil {
		return nil, fmt.Errorf("database: open %s: %w", path, err)
	}
	db.Writer.SetMaxOpenConns(1)
	if err := migrate(ctx, db.Writer); err != nil {
		return nil, errors.Join(fmt.Errorf("database: %s: %w", path, err), db.Writer.Close())
	}
	if db.Reader, err = sql.Open("sqlite", address(path, true)); err != nil {
		return nil, errors.Join(fmt.Errorf("database: open %s: %w", path, err), db.Writer.Close())
	}
	db.Reader.SetMaxOpenConns(readers)
	db.Reader.SetMaxIdleConns(readers)
	return db, nil
}

// Close closes the database. Calls under way end first.
func (db *DB) Close() error {
	if db.stop != nil {
		db.stop()
		<-db.done
	}
	if db.Reader == db.Writer {
		return db.Writer.Close()
	}
	return errors.Join(db.Reader.Close(), db.Writer.Close())
}

// prepare makes folder and file before SQLite does, which would give both to
// everybody on the machine. SQLite gives its journal the rights of the file. A
// file that is there is not opened: closing it would take SQLite's locks away
// if it were open already (POSIX fcntl).
func prepare(path string) error {
	if err := prepareFile(path); err != nil {
		return fmt.Errorf("database: %w; user %d must be able to write %s and the folder it is in, or change storage.path",
			err, os.Getuid(), path)
	}
	return nil
}

func prepareFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// address is path with what every connection is told first. FULL makes a
// transaction that was acknowledged survive a power cut. Memory stays small:
// two MiB for each connection, nothing mapped.
func address(path string, readOnly bool) string {
	q := url.Values{"_pragma": {
		"busy_timeout(2500)",
		"auto_vacuum(incremental)", // before the first table, or never
		"journal_mode(wal)",
		"synchronous(full)",
		"journal_size_limit(8388608)",
		"foreign_keys(on)",
		"cache_size(-2048)",
		"mmap_size(0)",
		"trusted_schema(off)",
	}}
	if readOnly {
		q["_pragma"] = []string{"busy_timeout(2500)", "query_only(on)", "cache_size(-2048)", "mmap_size(0)", "trusted_schema(off)"}
	} else {
		q.Set("_txlock", "immediate") // a transaction that reads first could not become a writer later
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}
