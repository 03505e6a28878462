package command

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

type slowWriter struct {
	mu   sync.Mutex
	gate chan struct{}
	buf  bytes.Buffer
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.gate
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

// TestAccessLinesNeverWaitForTheirReader: a pipe that nobody reads costs lines,
// which are counted, and no request its time.
func TestAccessLinesNeverWaitForTheirReader(t *testing.T) {
	w := &slowWriter{gate: make(chan struct{})}
	l := newLines(w)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 3 * accessBuffer / len(line) {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	close(w.gate)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	out := w.buf.String()
	if n := strings.Count(out, "xxx\n"); n < accessBuffer/len(line)-1 || n >= 3*accessBuffer/len(line) {
		t.Errorf("%d lines were written", n)
	}
	if !strings.Contains(out, "access lines dropped") {
		t.Error("nothing says that lines were dropped")
	}
}

func TestAccessLinesAreWholeAndInOrder(t *testing.T) {
	var out bytes.Buffer
	l := newLines(&out)
	var want strings.Builder
	for i := range 1000 {
		line := strings.Repeat("y", i%80) + "\n"
		want.WriteString(line)
		_, _ = io.WriteString(l, line)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Error("lines are lost or mixed")
	}
}

func BenchmarkAccessLine(b *testing.B) {
	l := newLines(io.Discard)
	defer l.Close()
	log := slog.New(slog.NewJSONHandler(l, nil))
	b.ReportAllocs()
	for b.Loop() {
		attrs := [...]slog.Attr{
			slog.String("request_id", "8N5M58T5BH26G"), slog.String("client", "192.0.2.7"), slog.String("method", "GET"), slog.String("host", "app.test"),
			slog.String("path", "/patients/4711/notes.html"), slog.Int("status", 200), slog.Int64("bytes", 1024), slog.Int64("took_us", 300), slog.String("app", "careplan"), slog.String("user", "nora"),
		}
		log.LogAttrs(b.Context(), slog.LevelInfo, "request", attrs[:]...)
	}
}
