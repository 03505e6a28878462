package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"foregate/cookies"
)

// RunShared checks stores that several processes use at once. open opens one more
// store on the same records.
func RunShared(t *testing.T, open func(t *testing.T) cookies.Store) {
	t.Run("ChangesAreReportedToOthers", func(t *testing.T) {
		here, there := open(t), open(t)
		defer closeStore(t, here)
		defer closeStore(t, there)
		own, other := listen(t, here), listen(t, there)
		create(t, here, "a", "one")
		create(t, here, "b", "one")
		create(t, here, "c", "one")
		create(t, here, "d", "one")
		must(t, here.Update(t.Context(), "a", versioned("two", 1)))
		must(t, here.Delete(t.Context(), "b"))
		if b, ok := here.(cookies.Batcher); ok {
			must(t, b.UpdateAll(t.Context(), []cookies.Update{{Key: "c", Record: versioned("activity", 1)}}))
		}
		must(t, here.Delete(t.Context(), "d")) // the last: all before it has come by then
		eventually(t, "the change is reported", func() bool { return other.has("d") })
		for key, want := range map[string]bool{"a": true, "b": true, "c": false} {
			if other.has(key) != want {
				t.Errorf("%q reported: %v, want %v", key, !want, want)
			}
		}
		if own.has("a") || own.has("b") || own.has("d") {
			t.Error("a store reports its own changes")
		}
		wantMissing(t, there, "b")
	})
	t.Run("ARecordIsCreatedByOne", func(t *testing.T) {
		here, there := open(t), open(t)
		defer closeStore(t, here)
		defer closeStore(t, there)
		create(t, here, "once", "x")
		wantError(t, there.Create(t.Context(), "once", record("x", time.Hour)), cookies.ErrExists)
		must(t, there.Update(t.Context(), "once", versioned("y", 1)))
		wantError(t, here.Update(t.Context(), "once", versioned("z", 1)), cookies.ErrConflict)
	})
}

func versioned(value string, version int64) cookies.Record {
	r := record(value, time.Hour)
	r.Version = version
	return r
}

// ear is what a store has reported.
type ear struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (e *ear) has(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keys[key]
}

// listen follows s until the test ends, and returns when it hears everything.
func listen(t *testing.T, s cookies.Store) *ear {
	t.Helper()
	n, ok := s.(cookies.Notifier)
	if !ok {
		t.Fatal("the store reports nothing")
	}
	e, following := &ear{keys: make(map[string]bool)}, make(chan struct{}, 8)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Follow(ctx, func(key string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.keys[key] = true
		}, func(on bool) {
			if on {
				following <- struct{}{}
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-following:
	case <-time.After(10 * time.Second):
		t.Fatal("the store does not follow changes")
	}
	return e
}
