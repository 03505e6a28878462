package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitingIsBoundedInTimeAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, 2, 5*time.Second)
		leave, err := q.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		results := make(chan error, 3)
		for range 3 {
			go func() { _, err := q.Enter(t.Context()); results <- err }()
		}
		if err := <-results; !errors.Is(err, ErrFull) || time.Since(start) != 0 {
			t.Errorf("the third who waits: %v after %v, want ErrFull at once", err, time.Since(start))
		}
		time.Sleep(4 * time.Second) // on the bubble's clock
		leave()
		if err := <-results; err != nil {
			t.Errorf("the first who waits: %v", err)
		}
		if err := <-results; !errors.Is(err, ErrFull) || time.Since(start) != 5*time.Second {
			t.Errorf("the second who waits: %v after %v, want ErrFull after 5s", err, time.Since(start))
		}
	})
}

func TestWhoGoesAwayLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, 1, 5*time.Second)
		leave, err := q.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Enter = %v, want the deadline", err)
		}
		leave()
		if leave, err := q.Enter(t.Context()); err != nil {
			t.Errorf("Enter after others left: %v", err)
		} else {
			leave()
		}
		if n := q.waiting.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}
