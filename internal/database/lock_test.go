package database

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFileIsServedByOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "foregate.db")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), "storage.path") {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	_ = again.Close()
}
