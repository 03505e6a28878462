package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
)

func TestLD8WaitingIsBoundedInTimeAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Hashing{Parallel: 1, Waiting: 2, Wait: 5 * time.Second})
		leave, err := q.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		results := make(chan error, 3)
		for range 3 {
			go func() { _, err := q.enter(t.Context()); results <- err }()
		}
		if err := <-results; !errors.Is(err, errFull) || time.Since(start) != 0 {
			t.Errorf("the third who waits: %v after %v, want errFull at once", err, time.Since(start))
		}
		time.Sleep(4 * time.Second) // on the bubble's clock
		leave()
		if err := <-results; err != nil {
			t.Errorf("the first who waits: %v", err)
		}
		err = <-results
		var e *authn.Error
		if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter <= 0 || time.Since(start) != 5*time.Second {
			t.Errorf("the second who waits: %v after %v, want 503 after 5s", err, time.Since(start))
		}
	})
}

func TestWhoGoesAwayLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Hashing{Parallel: 1, Waiting: 1, Wait: 5 * time.Second})
		leave, err := q.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("enter = %v, want the deadline", err)
		}
		leave()
		if leave, err := q.enter(t.Context()); err != nil {
			t.Errorf("enter after others left: %v", err)
		} else {
			leave()
		}
		if n := q.waiting.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestLD8ThousandSignInsTakeBoundedMemory(t *testing.T) {
	hash, err := Hash(right)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{
		Users:   []User{{User: "alice", PasswordHash: authn.NewSecret(hash)}},
		Hashing: Hashing{Parallel: 2, Waiting: 50, Wait: 500 * time.Millisecond},
	})
	var now, peak, hashed atomic.Int64
	b.compare = func(d digest, password string) bool {
		peak.Store(max(peak.Load(), now.Add(1)))
		defer now.Add(-1)
		hashed.Add(1)
		return d.matches(password)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	long := strings.Repeat("a", maxPassword)
	var all sync.WaitGroup
	var turnedAway atomic.Int64
	for i := range 1000 {
		all.Go(func() {
			if _, err := b.signIn(fmt.Sprint("user", i), long, ward); err != nil {
				turnedAway.Add(1)
			}
		})
	}
	all.Wait()
	runtime.ReadMemStats(&after)
	if n := peak.Load(); n > 2 {
		t.Errorf("%d hashes at a time, want 2 at most", n)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 256<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if hashed.Load()+turnedAway.Load() != 1000 || turnedAway.Load() == 0 {
		t.Errorf("%d hashed and %d turned away, want 1000 together", hashed.Load(), turnedAway.Load())
	}
	// Whoever is turned away at the queue has not used up a try.
	pairs := 0
	for _, n := range b.tries.Counts() {
		if n == 1 {
			pairs++
		}
	}
	if want := 2 * int(hashed.Load()); pairs > want {
		t.Errorf("%d counters for %d tries: waiting used up tries", pairs, hashed.Load())
	}
}
