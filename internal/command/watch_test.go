package command

import (
	"os"
	"path/filepath"
	"testing"

	"foregate/internal/config"
)

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dues is what the next looks answer.
func dues(w *watcher, n int) (answers []bool) {
	for range n {
		answers = append(answers, w.due())
	}
	return answers
}

func TestFM14AChangeIsToldOfOnceItIsQuiet(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "foregate.yaml"), filepath.Join(dir, "secret")
	put(t, path, "one")
	put(t, secret, "one")
	w := watch(path)
	w.use(&config.File{Files: []string{secret, dir, filepath.Join(dir, "later")}})
	if w.due() || w.due() {
		t.Fatal("due although nothing changed")
	}
	for _, name := range []string{path, secret} {
		put(t, name, "half of it")
		if w.due() {
			t.Fatal("due while the file may still be written")
		}
		put(t, name, "all of the text")
		if w.due() {
			t.Fatal("due while the file is still being written")
		}
		if got := dues(w, 3); !got[0] || got[1] || got[2] {
			t.Fatalf("%s: due %v, want once", filepath.Base(name), got)
		}
	}
}

func TestFM14AFileThatIsExchangedOrGoneIsAChange(t *testing.T) {
	dir := t.TempDir()
	// Kubernetes: the folder behind a link is exchanged, sizes and times may be the same.
	for _, version := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, version, "secret"), "text "+version)
	}
	link := filepath.Join(dir, "data")
	if err := os.Symlink("1", link); err != nil {
		t.Fatal(err)
	}
	w := watch(filepath.Join(dir, "foregate.yaml"))
	w.use(&config.File{Files: []string{filepath.Join(link, "secret")}})
	next := filepath.Join(dir, "next")
	if err := os.Symlink("2", next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
	if got := dues(w, 3); got[0] || !got[1] || got[2] {
		t.Fatalf("exchanged: due %v, want at the second look", got)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if got := dues(w, 3); got[0] || !got[1] || got[2] {
		t.Fatalf("gone: due %v, want at the second look", got)
	}
}
