package command

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"foregate/internal/config"
)

// newLog writes decisions and faults at once.
func newLog(cfg config.Log, w io.Writer) *slog.Logger {
	return newLogAt(levelOf(cfg), cfg, w)
}

func levelOf(cfg config.Log) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // checked with the file
	return level
}

// newLogAt is newLog with a level that may change.
func newLogAt(level slog.Leveler, cfg config.Log, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

const (
	accessBuffer = 1 << 20
	accessFlush  = 200 * time.Millisecond
)

// lines gathers the lines of the access log and writes them a few times a
// second, so that a request does not wait for a terminal or a pipe. What does not
// fit is dropped and counted, never waited for.
type lines struct {
	w       io.Writer
	mu      sync.Mutex
	buf     []byte
	spare   []byte
	dropped int
	stop    chan struct{}
	done    chan struct{}
}

func newLines(w io.Writer) *lines {
	l := &lines{w: w, stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf)+len(p) > accessBuffer {
		l.dropped++
		return len(p), nil
	}
	l.buf = append(l.buf, p...)
	return len(p), nil
}

func (l *lines) run() {
	defer close(l.done)
	tick := time.NewTicker(accessFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.flush()
		case <-l.stop:
			l.flush()
			return
		}
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	out, dropped := l.buf, l.dropped
	l.buf, l.spare, l.dropped = l.spare[:0], nil, 0
	l.mu.Unlock()
	if len(out) > 0 {
		_, _ = l.w.Write(out)
	}
	if dropped > 0 {
		slog.New(slog.NewJSONHandler(l.w, nil)).Warn("access lines dropped", "count", dropped)
	}
	l.mu.Lock()
	l.spare = out[:0]
	l.mu.Unlock()
}

// Close writes what is left.
func (l *lines) Close() error {
	close(l.stop)
	<-l.done
	return nil
}
