package local

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/internal/queue"
)

func TestLD8WhoCannotBeServedSoonIsToldSo(t *testing.T) {
	b := newBench(t, Config{Hashing: Hashing{Parallel: 1, Waiting: 1, Wait: 100 * time.Millisecond}})
	leave, err := b.queue.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	_, err = b.signIn("alice", right, ward)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter <= 0 || !errors.Is(err, queue.ErrFull) {
		t.Errorf("sign in = %v, want an error of 503", err)
	}
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
