package database

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotReady is the error of every query while the server has not answered yet.
var ErrNotReady = errors.New("database: the server has not answered since the start")

const awaitPause = 2 * time.Second

// AwaitPostgres is OpenPostgres, but a server that does not answer is waited for: until it
// does, queries fail with ErrNotReady, and Ready tells when they will not. Whatever else is
// wrong, such as a password or a certificate, is an error at once.
func AwaitPostgres(ctx context.Context, dsn string, log *slog.Logger) (*DB, error) {
	config, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	db := newPostgres(config)
	err = db.bringUp(ctx, config)
	if err == nil {
		return db, nil
	}
	if !silent(err) {
		return nil, errors.Join(err, db.Close())
	}
	log.Error("PostgreSQL does not answer: nobody comes in whose account must be looked up; it is tried again every two seconds", "err", err)
	ctx, db.stop = context.WithCancel(context.WithoutCancel(ctx))
	db.done = make(chan struct{})
	go db.await(ctx, config, log, err.Error())
	return db, nil
}

// await goes on until the schema is up to date. A reason that was told is not told again.
func (db *DB) await(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger, told string) {
	defer close(db.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(awaitPause):
		}
		err := db.bringUp(ctx, config)
		switch {
		case err == nil:
			log.Info("PostgreSQL answers")
			return
		case ctx.Err() != nil:
			return
		case !silent(err) && err.Error() != told:
			told = err.Error()
			log.Error("PostgreSQL answers, and cannot be used", "err", err)
		}
	}
}

// Ready is closed when the database can be used.
func (db *DB) Ready() <-chan struct{} {
	if db.ready == nil {
		always := make(chan struct{})
		close(always)
		return always
	}
	return db.ready
}

// silent reports whether a server cannot be reached, or says itself that it will answer
// later. A host that does not exist is a mistake, and so is what TLS ends with an alert, which
// crypto/tls calls a remote error.
func silent(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return strings.HasPrefix(said.Code, "57P") || said.Code == "53300" // starting, ending; too many connections
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op != "remote error" || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
