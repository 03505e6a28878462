// Package sqlstore is a cookies.Store in the database file.
//
// Reads go to the reading connections and are not held up by writes. A write has
// returned when it is on the disk: what was acknowledged survives a power cut.
// Expired rows are invisible at once and swept away later.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"foregate/cookies"
	"foregate/internal/database"
)

const timeout = 3 * time.Second // of each call, beside its context

const (
	// An expired record that is not swept yet makes way for a new one.
	createSQL = `INSERT INTO records (key, data, expires, version, note) VALUES (?1, ?2, ?3, 1, ?5)
		ON CONFLICT (key) DO UPDATE SET data = ?2, expires = ?3, version = 1, note = ?5 WHERE expires <= ?4`
	noteSQL   = `SELECT note, expires, version FROM records WHERE key = ?1 AND expires > ?2`
	loadSQL   = `SELECT data, expires, version FROM records WHERE key = ?1 AND expires > ?2`
	updateSQL = `UPDATE records SET data = ?2, expires = ?3, version = version + 1
		WHERE key = ?1 AND version = ?4 AND expires > ?5`
	existsSQL = `SELECT EXISTS (SELECT 1 FROM records WHERE key = ?1 AND expires > ?2)`
	deleteSQL = `DELETE FROM records WHERE key = ?1`
	untagSQL  = `DELETE FROM record_tags WHERE key = ?1`
	tagSQL    = `INSERT OR IGNORE INTO record_tags (tag, key) VALUES (?1, ?2)`
	taggedSQL = `SELECT t.key FROM record_tags t JOIN records r ON r.key = t.key
		WHERE t.tag = ?1 AND r.expires > ?2 LIMIT ?3`
	countSQL = `INSERT INTO counts (key, n, until) VALUES (?1, 1, ?2)
		ON CONFLICT (key) DO UPDATE SET
			n     = CASE WHEN until <= ?3 THEN 1 ELSE n + 1 END,
			until = CASE WHEN until <= ?3 THEN ?2 ELSE until END
		RETURNING n`
	forgetSQL = `DELETE FROM counts WHERE key = ?1`
)

// Store keeps records with their tags, and counts, in tables.
type Store struct {
	db  *database.DB
	log *slog.Logger

	create, load, note, update, exists, remove, count, forget *sql.Stmt
	untag, tag, tagged, walk, tags                            *sql.Stmt

	calls   sync.RWMutex // held for reading during a call
	closed  bool
	stop    context.CancelFunc
	sweeper sync.WaitGroup
}

var errClosed = errors.New("sqlstore: closed")

// Open returns a store in db and begins to sweep. Close ends that; db stays open.
func Open(ctx context.Context, db *database.DB, log *slog.Logger) (*Store, error) {
	s := &Store{db: db, log: log}
	for _, p := range []struct {
		stmt **sql.Stmt
		db   *sql.DB
		text string
	}{
		{&s.create, db.Writer, createSQL},
		{&s.load, db.Reader, loadSQL},
		{&s.note, db.Reader, noteSQL},
		{&s.update, db.Writer, updateSQL},
		{&s.exists, db.Writer, existsSQL},
		{&s.remove, db.Writer, deleteSQL},
		{&s.count, db.Writer, countSQL},
		{&s.forget, db.Writer, forgetSQL},
		{&s.untag, db.Writer, untagSQL},
		{&s.tag, db.Writer, tagSQL},
		{&s.tagged, db.Reader, taggedSQL},
		{&s.walk, db.Reader, walkSQL},
		{&s.tags, db.Reader, tagsSQL},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sqlstore: prepare: %w", err), s.closeStatements())
		}
		*p.stmt = stmt
	}
	ctx, s.stop = context.WithCancel(context.Background())
	s.sweeper.Go(func() { s.sweep(ctx) })
	return s, nil
}

// Create stores a new record.
func (s *Store) Create(ctx context.Context, key string, r cookies.Record) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	tx, err := s.db.Writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: create: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	res, err := tx.StmtContext(ctx, s.create).ExecContext(ctx, []byte(key), whole(r.Data), r.Expires.UnixMilli(), now(), whole(r.Note))
	n, err := affected(res, err)
	if err == nil && n == 0 {
		return cookies.ErrExists
	}
	if err == nil {
		err = s.setTags(ctx, tx, key, r.Tags)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("sqlstore: create: %w", err)
	}
	return nil
}

// setTags gives a new record its tags, in place of those of an expired one that it
// may have replaced.
func (s *Store) setTags(ctx context.Context, tx *sql.Tx, key string, tags []string) error {
	if _, err := tx.StmtContext(ctx, s.untag).ExecContext(ctx, []byte(key)); err != nil {
		return err
	}
	for _, tag := range tags {
		if _, err := tx.StmtContext(ctx, s.tag).ExecContext(ctx, []byte(tag), []byte(key)); err != nil {
			return err
		}
	}
	return nil
}

// Tagged returns the keys of records with this tag.
func (s *Store) Tagged(ctx context.Context, tag string, limit int) ([]string, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	rows, err := s.tagged.QueryContext(ctx, []byte(tag), now(), limit)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: tagged: %w", err)
	}
	defer rows.Close()
	keys := []string{}
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("sqlstore: tagged: %w", err)
		}
		keys = append(keys, string(key))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlstore: tagged: %w", err)
	}
	return keys, nil
}

// Load returns the record.
func (s *Store) Load(ctx context.Context, key string) (cookies.Record, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return cookies.Record{}, err
	}
	defer end()
	var r cookies.Record
	var expires int64
	err = s.load.QueryRowContext(ctx, []byte(key), now()).Scan(&r.Data, &expires, &r.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return cookies.Record{}, cookies.ErrNotFound
	}
	if err != nil {
		return cookies.Record{}, fmt.Errorf("sqlstore: load: %w", err)
	}
	r.Expires = time.UnixMilli(expires)
	return r, nil
}

// Note returns the record's note.
func (s *Store) Note(ctx context.Context, key string) (cookies.Record, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return cookies.Record{}, err
	}
	defer end()
	var r cookies.Record
	var expires int64
	err = s.note.QueryRowContext(ctx, []byte(key), now()).Scan(&r.Note, &expires, &r.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return cookies.Record{}, cookies.ErrNotFound
	}
	if err != nil {
		return cookies.Record{}, fmt.Errorf("sqlstore: read note: %w", err)
	}
	r.Expires = time.UnixMilli(expires)
	return r, nil
}

// Update replaces the record if it is still the one with r.Version.
func (s *Store) Update(ctx context.Context, key string, r cookies.Record) error {
	updates := []cookies.Update{{Key: key, Record: r}}
	if err := s.UpdateAll(ctx, updates); err != nil {
		return err
	}
	return updates[0].Err
}

// UpdateAll does many updates with one transaction, so that the disk is waited
// for once.
func (s *Store) UpdateAll(ctx context.Context, updates []cookies.Update) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	tx, err := s.db.Writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlstore: update: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	update, exists := tx.StmtContext(ctx, s.update), tx.StmtContext(ctx, s.exists)
	for i := range updates {
		u := &updates[i]
		if u.Err, err = updateOne(ctx, update, exists, u.Key, u.Record); err != nil {
			return fmt.Errorf("sqlstore: update: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstore: update: %w", err)
	}
	return nil
}

// updateOne returns what Update says of the record apart from what went wrong.
func updateOne(ctx context.Context, update, exists *sql.Stmt, key string, r cookies.Record) (verdict, err error) {
	res, err := update.ExecContext(ctx, []byte(key), whole(r.Data), r.Expires.UnixMilli(), r.Version, now())
	n, err := affected(res, err)
	if err != nil || n == 1 {
		return nil, err
	}
	var there bool
	if err := exists.QueryRowContext(ctx, []byte(key), now()).Scan(&there); err != nil {
		return nil, err
	}
	if there {
		return cookies.ErrConflict, nil
	}
	return cookies.ErrNotFound, nil
}

// Delete removes the record.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.exec(ctx, s.remove, "delete", key)
}

// Count adds one to key.
func (s *Store) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	var n int
	at := now()
	if err := s.count.QueryRowContext(ctx, []byte(key), at+window.Milliseconds(), at).Scan(&n); err != nil {
		return 0, fmt.Errorf("sqlstore: count: %w", err)
	}
	return n, nil
}

// Forget removes the count of key.
func (s *Store) Forget(ctx context.Context, key string) error {
	return s.exec(ctx, s.forget, "forget", key)
}

func (s *Store) exec(ctx context.Context, stmt *sql.Stmt, deed, key string) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, err := stmt.ExecContext(ctx, []byte(key)); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", deed, err)
	}
	return nil
}

// Close waits for calls under way, ends sweeping and gives the statements back.
func (s *Store) Close() error {
	s.stop()
	s.sweeper.Wait()
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.closeStatements()
}

func (s *Store) closeStatements() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.create, s.load, s.note, s.update, s.exists, s.remove, s.count, s.forget, s.untag, s.tag, s.tagged, s.walk, s.tags} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// begin starts a call: no longer than timeout, and not after Close.
func (s *Store) begin(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("sqlstore: %w", err)
	}
	s.calls.RLock()
	if s.closed {
		s.calls.RUnlock()
		return nil, nil, errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, func() { cancel(); s.calls.RUnlock() }, nil
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// whole is never nil: that would be NULL.
func whole(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func now() int64 { return time.Now().UnixMilli() }
