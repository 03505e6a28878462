package local

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"foregate/authn"
)

var errFull = errors.New("local: too many passwords wait to be hashed")

// queue bounds how many passwords are hashed at a time, and with it the memory:
// each takes what its hash asks for. Who cannot be served soon is told so.
type queue struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64
	patient time.Duration
}

func newQueue(h Hashing) *queue {
	return &queue{places: make(chan struct{}, h.Parallel), most: int64(h.Waiting), patient: h.Wait}
}

// enter waits for a place. The caller leaves it when the hash is done.
func (q *queue) enter(ctx context.Context) (leave func(), err error) {
	if err := q.wait(ctx); err != nil {
		return nil, authn.Unavailable("Many people are signing in right now. Try again in a moment.", err)
	}
	return func() { <-q.places }, nil
}

func (q *queue) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("local: wait for hashing: %w", err)
	}
	select {
	case q.places <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return errFull
	}
	timeout := time.NewTimer(q.patient)
	defer timeout.Stop()
	select {
	case q.places <- struct{}{}:
		return nil
	case <-timeout.C:
		return errFull
	case <-ctx.Done():
		return fmt.Errorf("local: wait for hashing: %w", ctx.Err())
	}
}
