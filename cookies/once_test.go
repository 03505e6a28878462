package cookies_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

var (
	_ authn.Once  = cookies.Spent{}
	_ authn.Tries = cookies.Tries{}
)

func TestSpentSucceedsOnce(t *testing.T) {
	once := cookies.Spent{Store: memstore.New()}
	until := time.Now().Add(time.Hour)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			err := once.Spend(t.Context(), "token", until)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, authn.ErrSpent) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("one token was spent %d times", won.Load())
	}
	if err := once.Spend(t.Context(), "other", until); err != nil {
		t.Errorf("another token: %v", err)
	}
	if err := once.Spend(t.Context(), "", until); err == nil {
		t.Error("an empty key was spent")
	}
}

func TestSpentMarkOutlivesAnExpiredToken(t *testing.T) {
	once := cookies.Spent{Store: memstore.New()}
	for _, until := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now().Add(time.Millisecond)} {
		key := until.String()
		if err := once.Spend(t.Context(), key, until); err != nil {
			t.Fatal(err)
		}
		if err := once.Spend(t.Context(), key, until); !errors.Is(err, authn.ErrSpent) {
			t.Errorf("until %v: got %v the second time", until, err)
		}
	}
}

func TestSpentMarkIsForgottenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		once := cookies.Spent{Store: memstore.New()}
		until := time.Now().Add(time.Hour)
		for range 2 {
			if err := once.Spend(t.Context(), "token", until); err != nil {
				t.Errorf("got %v", err)
			}
			<-time.After(time.Hour)
		}
	})
}

func TestSpentAndTriesFailClosed(t *testing.T) {
	store := newSpy()
	store.down.Store(true)
	err := cookies.Spent{Store: store}.Spend(t.Context(), "token", time.Now().Add(time.Hour))
	if !errors.Is(err, errDown) || errors.Is(err, authn.ErrSpent) {
		t.Errorf("spend: got %v", err)
	}
	closed := memstore.New()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	tries := cookies.Tries{Counter: closed}
	if _, err := tries.Count(t.Context(), "alice", time.Hour); err == nil {
		t.Error("count: got no error")
	}
	if err := tries.Forget(t.Context(), "alice"); err == nil {
		t.Error("forget: got no error")
	}
}

func TestTriesAreCountedForEachKey(t *testing.T) {
	tries := cookies.Tries{Counter: memstore.New()}
	for i, test := range []struct {
		key  string
		want int
	}{{"alice", 1}, {"alice", 2}, {"bob", 1}, {"alice", 3}} {
		if n, err := tries.Count(t.Context(), test.key, time.Hour); err != nil || n != test.want {
			t.Errorf("%d: got %d, %v, want %d", i, n, err, test.want)
		}
	}
	if err := tries.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if n, err := tries.Count(t.Context(), "alice", time.Hour); err != nil || n != 1 {
		t.Errorf("after forgetting: got %d, %v", n, err)
	}
}

func TestMarksDoNotShowWhatTheyMark(t *testing.T) {
	store := newSpy()
	if err := (cookies.Spent{Store: store}).Spend(t.Context(), "alice@hospital.example", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for key := range store.records {
		if strings.Contains(key, "alice") || !strings.HasPrefix(key, "spent:") || len(key) > 128 {
			t.Errorf("got key %q", key)
		}
	}
}
