package database

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestOpenTwiceKeepsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "100%25 ours?#.db")
	db := open(t, path)
	if _, err := db.Writer.ExecContext(t.Context(), "INSERT INTO counts VALUES (x'6b', 1, 2)"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is elsewhere: %v", err)
	}
	var n int
	if err := open(t, path).Reader.QueryRowContext(t.Context(), "SELECT n FROM counts").Scan(&n); err != nil || n != 1 {
		t.Errorf("got %d, %v, want 1", n, err)
	}
}

func TestConnectionsAreSafeAndSmall(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  "2", // FULL
		"auto_vacuum":  "2", // incremental
		"foreign_keys": "1",
		"mmap_size":    "0",
		"cache_size":   "-2048",
		"busy_timeout": "2500",
	} {
		var got string
		if err := db.Writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", pragma, got, err, want)
		}
	}
}

func TestReaderCannotWrite(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	if _, err := db.Reader.ExecContext(t.Context(), "INSERT INTO counts VALUES (x'6b', 1, 2)"); err == nil {
		t.Error("a reading connection wrote")
	}
}

func TestOpenSaysWhatToChange(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ path, want string }{
		"the folder is a file":  {filepath.Join(file, "x.db"), "storage.path"},
		"the file is a folder":  {folder, "storage.path"},
		"it is something else":  {file, "not a database"},
		"the folder is foreign": {"/proc/foregate/x.db", "storage.path"},
	} {
		_, err := Open(t.Context(), test.path)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&0o700 != 0o700 {
		t.Errorf("the folder was changed: %v, %v", info.Mode(), err)
	}
	left, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(left), "this is not a database") {
		t.Errorf("somebody's file was changed: %v", err)
	}
}

func TestOpenKeepsTheFileToItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := open(t, path).Reader.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
}
