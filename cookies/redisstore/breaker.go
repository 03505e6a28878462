package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	breakAfter = 3                      // calls in a row that got no answer
	probeEvery = 200 * time.Millisecond // whether Redis is back
)

// errOpen is returned at once while Redis does not answer.
var errOpen = errors.New("redisstore: Redis does not answer")

// breaker keeps requests from waiting for a Redis that does not answer. While it
// is open, one goroutine looks whether Redis is back.
type breaker struct {
	probe func(context.Context) error
	log   *slog.Logger

	mu     sync.Mutex
	failed int
	open   bool
	closed bool
	wg     sync.WaitGroup
	stop   chan struct{}
}

func newBreaker(probe func(context.Context) error, log *slog.Logger) *breaker {
	return &breaker{probe: probe, log: log, stop: make(chan struct{})}
}

// allow returns errOpen while Redis is known not to answer.
func (b *breaker) allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return errOpen
	}
	return nil
}

// note takes in how a call went. An error that Redis itself answered with counts
// as an answer.
func (b *breaker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !unanswered(err) {
		b.failed = 0
		return
	}
	if b.failed++; b.failed < breakAfter || b.open || b.closed {
		return
	}
	b.open = true
	b.log.Error("Redis does not answer; requests are refused until it does", "err", err)
	b.wg.Go(b.wait)
}

// wait closes the breaker when Redis is back.
func (b *breaker) wait() {
	began := time.Now()
	for {
		select {
		case <-b.stop:
			return
		case <-time.After(probeEvery):
		}
		ctx, cancel := context.WithTimeout(context.Background(), stepTime)
		err := b.probe(ctx)
		cancel()
		if err != nil {
			continue
		}
		b.mu.Lock()
		b.open, b.failed = false, 0
		b.mu.Unlock()
		b.log.Info("Redis answers again", "after", time.Since(began).Round(time.Millisecond).String())
		return
	}
}

func (b *breaker) close() {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if !closed {
		close(b.stop)
	}
	b.wg.Wait()
}

// unanswered reports whether Redis was not there to answer, as opposed to an
// answer that is an error, and to a caller who gave up early.
func unanswered(err error) bool {
	var answer redis.Error
	return err != nil && !verdict(err) && !errors.As(err, &answer) && !errors.Is(err, context.Canceled) && !errors.Is(err, redis.ErrClosed)
}
