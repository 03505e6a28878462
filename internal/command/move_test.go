package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/cookies"
)

// failing is a store that has one record and then does not answer.
type failing struct{ Store }

var errDown = errors.New("the store does not answer")

func (failing) Walk(_ context.Context, visit func(string, cookies.Record) error) error {
	return errors.Join(visit("k", cookies.Record{Data: []byte("x"), Expires: time.Now().Add(time.Hour)}), errDown)
}

// TestExportThatFailsLeavesNoFile: half of it would look like a backup.
func TestExportThatFailsLeavesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "moved")
	sh := &shell{err: io.Discard}
	if err := sh.exportTo(t.Context(), failing{}, path); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

// TestImportEndsWhileNothingComes by its pipe.
func TestImportEndsWhileNothingComes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	in, out := io.Pipe()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	sh := &shell{in: in}
	if _, _, err := sh.rewindable(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMoveNamesTheLineThatIsTooLong(t *testing.T) {
	const header = `{"format":"foregate-sessions","version":1,"created":"2026-01-01T00:00:00Z"}` + "\n"
	in := header + `{"key":"k","data":"AA==","expires":"2099-01-01T00:00:00Z"}` + "\n" + strings.Repeat("x", maxLine+1)
	n, err := readMove(strings.NewReader(in), func(moveRecord) error { return nil })
	if n != 1 || err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
		t.Errorf("%d records, %v", n, err)
	}
}

// FuzzMove: whatever the file, what is taken fits into a store, and of a file that is
// accepted no line may be missing at the end.
func FuzzMove(f *testing.F) {
	const header = `{"format":"foregate-sessions","version":1,"created":"2026-01-01T00:00:00Z"}` + "\n"
	f.Add([]byte(header + `{"records":0}`))
	f.Add([]byte(header + `{"key":"k","data":"AA==","expires":"2099-01-01T00:00:00Z","tags":["t"],"note":"AA=="}` + "\n" + `{"records":1}` + "\n"))
	f.Add([]byte(header + `{"key":"k","records":0}`))
	f.Add([]byte(header + `{"records":null}` + "\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		taken := 0
		n, err := readMove(bytes.NewReader(in), func(m moveRecord) error {
			taken++
			if m.Key == "" || len(m.Key) > 128 || len(m.Data) == 0 || len(m.Note) > 512 || len(m.Tags) > 4 {
				t.Errorf("takes %+v", m)
			}
			return nil
		})
		if n != taken {
			t.Errorf("says %d, gave %d", n, taken)
		}
		if err != nil {
			return
		}
		cut := in[:bytes.LastIndexByte(bytes.TrimSuffix(in, []byte("\n")), '\n')+1]
		if _, err := readMove(bytes.NewReader(cut), func(moveRecord) error { return nil }); err == nil {
			t.Errorf("accepted without its last line: %q", in)
		}
	})
}
