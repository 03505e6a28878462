package sqlstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foregate/cookies"
	"foregate/cookies/storetest"
	"foregate/internal/database"
)

// ownStore is a store that closes its database too.
type ownStore struct {
	*Store
	db *database.DB
}

func (s ownStore) Close() error { return errors.Join(s.Store.Close(), s.db.Close()) }

func openIn(t *testing.T, folder string) cookies.Store { return openOwn(t, folder) }

func openOwn(t *testing.T, folder string) ownStore {
	t.Helper()
	db, err := database.Open(t.Context(), filepath.Join(folder, "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(errors.Join(err, db.Close()))
	}
	return ownStore{s, db}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) cookies.Store { return openIn(t, t.TempDir()) })
	storetest.RunDurable(t, openIn)
}

func TestFileShrinksAfterSweeping(t *testing.T) {
	folder := t.TempDir()
	s := openOwn(t, folder)
	defer s.Close()
	expired := cookies.Record{Data: make([]byte, 3000), Expires: time.Now().Add(-time.Minute), Tags: []string{"alice"}}
	for i := range 1200 { // more than two batches
		if err := s.Create(t.Context(), fmt.Sprint("old", i), expired); err != nil {
			t.Fatal(err)
		}
	}
	live := cookies.Record{Data: []byte("v"), Expires: time.Now().Add(time.Hour)}
	if err := s.Create(t.Context(), "live", live); err != nil {
		t.Fatal(err)
	}
	for i := range 1200 {
		if _, err := s.Count(t.Context(), fmt.Sprint("old", i), -time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	before := fileSize(t, s)
	if err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"records", "record_tags", "counts"} {
		var rows int
		if err := s.db.Reader.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"records": 1, "counts": 0}[table]; rows != want {
			t.Errorf("%s: %d rows are left, want %d", table, rows, want)
		}
	}
	if after := fileSize(t, s); after > before/3 {
		t.Errorf("the file has %d pages after sweeping, %d before", after, before)
	}
}

func fileSize(t *testing.T, s ownStore) (pages int) {
	t.Helper()
	if err := s.db.Writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestFM12FullDatabaseAnswersWithErrorsAndRecovers(t *testing.T) {
	s := openOwn(t, t.TempDir())
	defer s.Close()
	kept := cookies.Record{Data: make([]byte, 2000), Expires: time.Now().Add(time.Hour)}
	if err := s.Create(t.Context(), "kept", kept); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf("PRAGMA max_page_count = %d", fileSize(t, s)+20)
	if _, err := s.db.Writer.ExecContext(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	var failed error
	for i := 0; failed == nil && i < 100; i++ {
		failed = s.Create(t.Context(), fmt.Sprint(i), kept)
	}
	if failed == nil || errors.Is(failed, cookies.ErrExists) {
		t.Fatalf("create in a full file: got %v, want an error", failed)
	}
	if _, err := s.Load(t.Context(), "kept"); err != nil {
		t.Errorf("load from a full file: %v", err)
	}
	if _, err := s.db.Writer.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "after", kept); err != nil {
		t.Errorf("create after space was made: %v", err)
	}
}

func TestFM12LockedDatabaseAnswersInTime(t *testing.T) {
	folder := t.TempDir()
	s := openOwn(t, folder)
	defer s.Close()
	other, err := database.Open(t.Context(), filepath.Join(folder, "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Writer.BeginTx(t.Context(), nil) // takes the write lock
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := cookies.Record{Data: []byte("v"), Expires: time.Now().Add(time.Hour)}
	err = s.Create(t.Context(), "k", r)
	if err == nil || errors.Is(err, cookies.ErrExists) {
		t.Errorf("create while another process writes: got %v, want an error", err)
	}
	if took := time.Since(began); took > timeout+2*time.Second {
		t.Errorf("create took %v", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "k", r); err != nil {
		t.Errorf("create after the lock was released: %v", err)
	}
}

func TestClosedDatabaseAnswersWithErrors(t *testing.T) {
	s := openOwn(t, t.TempDir())
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "k"); err == nil || errors.Is(err, cookies.ErrNotFound) {
		t.Errorf("load: got %v, want an error that says nothing about the record", err)
	}
	if err := s.Delete(t.Context(), "k"); err == nil {
		t.Error("delete: got no error")
	}
	_ = s.Store.Close()
}

func TestFileBelongsToItsOwnerAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	s := openOwn(t, folder)
	defer s.Close()
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	want := map[string]os.FileMode{
		"": 0o700, "foregate.db": 0o600, "foregate.db-wal": 0o600, "foregate.db-shm": 0o600,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("%q has mode %o, want %o", name, got, mode)
		}
	}
}
