// Package queue bounds how much of something expensive is done at a time: hashes
// of passwords, conversations with a directory.
//
// Who comes takes a place, or waits a while for one, or is told that it is full.
package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrFull is returned by Enter when too many wait already, or one waited too long.
var ErrFull = errors.New("too many wait for a place")

// Queue has a number of places. Its methods may be called concurrently.
type Queue struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64
	patient time.Duration
}

// New makes a queue of so many places, for which so many may wait, so long.
func New(places, waiting int, patient time.Duration) *Queue {
	return &Queue{places: make(chan struct{}, places), most: int64(waiting), patient: patient}
}

// Enter waits for a place. It returns ErrFull, or the error of ctx. The caller
// leaves once, when the work is done.
func (q *Queue) Enter(ctx context.Context) (leave func(), err error) {
	if err := q.wait(ctx); err != nil {
		return nil, err
	}
	return func() { <-q.places }, nil
}

func (q *Queue) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait for a place: %w", err)
	}
	select {
	case q.places <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return ErrFull
	}
	timeout := time.NewTimer(q.patient)
	defer timeout.Stop()
	select {
	case q.places <- struct{}{}:
		return nil
	case <-timeout.C:
		return ErrFull
	case <-ctx.Done():
		return fmt.Errorf("wait for a place: %w", ctx.Err())
	}
}
