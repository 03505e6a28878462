package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/cookies"
)

// record lasts for life from now on, which may be negative.
func record(value string, life time.Duration) cookies.Record {
	return cookies.Record{Data: []byte(value), Expires: time.Now().Add(life)}
}

// create stores a record that lasts an hour and returns it as Load should.
func create(t *testing.T, s cookies.Store, key, value string) cookies.Record {
	t.Helper()
	r := record(value, time.Hour)
	if err := s.Create(t.Context(), key, r); err != nil {
		t.Fatalf("create %q: %v", key, err)
	}
	r.Version = 1
	return r
}

func wantRecord(t *testing.T, s cookies.Store, key string, want cookies.Record) {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatalf("load %q: %v", key, err)
	}
	if len(got.Data) == 0 && len(want.Data) == 0 {
		got.Data = want.Data // empty and nil are the same here
	}
	sameMilli := cmp.Comparer(func(x, y time.Time) bool { return x.UnixMilli() == y.UnixMilli() })
	if diff := cmp.Diff(want, got, sameMilli); diff != "" {
		t.Fatalf("load %q (-want +got):\n%s", key, diff)
	}
}

func wantMissing(t *testing.T, s cookies.Store, key string) {
	t.Helper()
	_, err := s.Load(t.Context(), key)
	wantError(t, err, cookies.ErrNotFound)
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

// wantUnanswered is for calls that tell nothing about a record.
func wantUnanswered(t *testing.T, deed string, err error) {
	t.Helper()
	for _, verdict := range []error{nil, cookies.ErrNotFound, cookies.ErrExists, cookies.ErrConflict} {
		if errors.Is(err, verdict) {
			t.Errorf("%s: got %v, want an error that says nothing about the record", deed, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func counting(t *testing.T, s cookies.Store) cookies.Counter {
	t.Helper()
	c, ok := s.(cookies.Counter)
	if !ok {
		t.Fatal("the store does not count")
	}
	return c
}

func count(t *testing.T, s cookies.Store, key string, window time.Duration, want int) {
	t.Helper()
	got, err := counting(t, s).Count(t.Context(), key, window)
	if err != nil || got != want {
		t.Fatalf("count %q: got %d, %v, want %d", key, got, err, want)
	}
}

func closeStore(t *testing.T, s cookies.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// eventually asks again and again, for five seconds at most.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 250 {
		if done() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("waited in vain: %s", what)
}

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(one bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one {
		c.n++
	}
}
