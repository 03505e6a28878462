// Package storetest is the suite that every session store must pass.
//
// The test file of a store is one call of Run, and one of RunDurable if it keeps
// what it has when it is closed.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/cookies"
)

// Run checks what cookies.Store and cookies.Counter promise. open returns an
// empty store each time; Run closes it.
func Run(t *testing.T, open func(t *testing.T) cookies.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s cookies.Store)
	}{
		{"LoadReturnsWhatWasCreated", testCreateLoad},
		{"CreateRefusesLiveRecord", testCreateExists},
		{"CreateReplacesExpiredRecord", testCreateOverExpired},
		{"ExpiredRecordIsNotFound", testExpires},
		{"UpdateReplacesAndCountsVersions", testUpdate},
		{"UpdateOfOtherVersionConflicts", testConflict},
		{"DeleteBeatsUpdate", testDeleteBeatsUpdate},
		{"DeleteOfNothingIsNoError", testDeleteMissing},
		{"UpdateAllAnswersForEach", testUpdateAll},
		{"RecordsAreFoundByTag", testTagged},
		{"TagsGoWithTheirRecord", testTagsEnd},
		{"NoteIsReadWithoutTheRest", testNote},
		{"WalkVisitsEveryRecordWhole", testWalk},
		{"WalkEndsWhenTheVisitorDoes", testWalkEnds},
		{"KeysAreOpaque", testKeys},
		{"LargeAndEmptyValues", testValues},
		{"RecordsAreNotShared", testAliasing},
		{"OneOfManyCreatesWins", testParallelCreate},
		{"NoUpdateIsLost", testParallelUpdate},
		{"CountIsAtomic", testParallelCount},
		{"CountStartsAnewAfterItsWindow", testCountWindow},
		{"ForgetSetsCountBack", testForget},
		{"CancelledCallsDoNothing", testCancelled},
		{"ClosedStoreAnswersWithErrors", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			defer closeStore(t, s)
			test.run(t, s)
		})
	}
}

// RunDurable checks that a store still has everything when it is opened again.
// open opens the store that lives in folder.
func RunDurable(t *testing.T, open func(t *testing.T, folder string) cookies.Store) {
	t.Run("EverythingIsThereAfterReopening", func(t *testing.T) {
		folder := t.TempDir()
		s := open(t, folder)
		want := create(t, s, "a", "stays")
		create(t, s, "b", "goes")
		must(t, s.Delete(t.Context(), "b"))
		tag(t, s, "d", "alice")
		count(t, s, "c", time.Hour, 1)
		closeStore(t, s)

		s = open(t, folder)
		defer closeStore(t, s)
		wantRecord(t, s, "a", want)
		wantMissing(t, s, "b")
		if _, ok := s.(cookies.Lister); ok {
			tagged(t, s, "alice", "d")
		}
		count(t, s, "c", time.Hour, 2)
	})
}

func testCreateLoad(t *testing.T, s cookies.Store) {
	wantMissing(t, s, "k")
	want := create(t, s, "k", "value")
	wantRecord(t, s, "k", want)
	wantMissing(t, s, "other")
}

func testCreateExists(t *testing.T, s cookies.Store) {
	want := create(t, s, "k", "first")
	wantError(t, s.Create(t.Context(), "k", record("second", time.Hour)), cookies.ErrExists)
	wantRecord(t, s, "k", want)
}

func testCreateOverExpired(t *testing.T, s cookies.Store) {
	must(t, s.Create(t.Context(), "k", record("old", -time.Second)))
	want := create(t, s, "k", "new")
	wantRecord(t, s, "k", want)
}

func testExpires(t *testing.T, s cookies.Store) {
	r := record("short", time.Second)
	must(t, s.Create(t.Context(), "k", r))
	must(t, s.Create(t.Context(), "long", record("long", time.Hour)))
	r.Version = 1
	wantRecord(t, s, "k", r)
	eventually(t, "the record expires", func() bool {
		_, err := s.Load(t.Context(), "k")
		return errors.Is(err, cookies.ErrNotFound)
	})
	if time.Now().Before(r.Expires) {
		t.Error("the record was gone before it expired")
	}
	wantError(t, s.Update(t.Context(), "k", r), cookies.ErrNotFound)
	if _, err := s.Load(t.Context(), "long"); err != nil {
		t.Errorf("another record went with it: %v", err)
	}
}

func testUpdate(t *testing.T, s cookies.Store) {
	r := create(t, s, "k", "one")
	for i := range 3 {
		r.Data = fmt.Appendf(nil, "update %d", i)
		r.Expires = r.Expires.Add(time.Minute)
		must(t, s.Update(t.Context(), "k", r))
		r.Version++
		wantRecord(t, s, "k", r)
	}
}

func testConflict(t *testing.T, s cookies.Store) {
	r := create(t, s, "k", "one")
	stale := r
	r.Data = []byte("two")
	must(t, s.Update(t.Context(), "k", r))
	r.Version++
	wantError(t, s.Update(t.Context(), "k", stale), cookies.ErrConflict)
	ahead := r
	ahead.Version += 5
	wantError(t, s.Update(t.Context(), "k", ahead), cookies.ErrConflict)
	wantRecord(t, s, "k", r)
}

func testDeleteBeatsUpdate(t *testing.T, s cookies.Store) {
	r := create(t, s, "k", "one")
	must(t, s.Delete(t.Context(), "k"))
	wantMissing(t, s, "k")
	wantError(t, s.Update(t.Context(), "k", r), cookies.ErrNotFound)
	wantMissing(t, s, "k")
}

func testDeleteMissing(t *testing.T, s cookies.Store) {
	must(t, s.Delete(t.Context(), "never there"))
}

func testUpdateAll(t *testing.T, s cookies.Store) {
	b, ok := s.(cookies.Batcher)
	if !ok {
		t.Skip("the store has no batches")
	}
	fine := create(t, s, "fine", "one")
	stale := create(t, s, "stale", "one")
	must(t, s.Update(t.Context(), "stale", stale))
	gone := create(t, s, "gone", "one")
	must(t, s.Delete(t.Context(), "gone"))
	fine.Data = []byte("two")
	updates := []cookies.Update{
		{Key: "stale", Record: stale}, {Key: "gone", Record: gone}, {Key: "fine", Record: fine},
	}
	must(t, b.UpdateAll(t.Context(), updates))
	wantError(t, updates[0].Err, cookies.ErrConflict)
	wantError(t, updates[1].Err, cookies.ErrNotFound)
	must(t, updates[2].Err)
	fine.Version++
	wantRecord(t, s, "fine", fine)
	wantMissing(t, s, "gone")
}

func testKeys(t *testing.T, s cookies.Store) {
	keys := []string{
		"a", "A", " a", "a ", "a%", "%", "_", "a\x00", "a\x00b", "\xff\xfe", "ä", "a'b\"c;--", "*", "a:b", "{a}b",
		"spent:x", "tries:x", strings.Repeat("k", 128),
	}
	for _, key := range keys {
		create(t, s, key, "value of "+key)
	}
	for _, key := range keys {
		r, err := s.Load(t.Context(), key)
		if err != nil || string(r.Data) != "value of "+key {
			t.Errorf("load %q: got %q, %v", key, r.Data, err)
		}
	}
	must(t, s.Delete(t.Context(), "%"))
	wantMissing(t, s, "%")
	if _, err := s.Load(t.Context(), "a%"); err != nil {
		t.Errorf("a key was taken for a pattern: %v", err)
	}
}

func testValues(t *testing.T, s cookies.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range [][]byte{{}, {0}, all, bytes.Repeat(all, 256)} { // up to 64 KiB
		key := fmt.Sprint(i)
		want := create(t, s, key, string(value))
		wantRecord(t, s, key, want)
	}
}

func testAliasing(t *testing.T, s cookies.Store) {
	r := record("value", time.Hour)
	must(t, s.Create(t.Context(), "k", r))
	r.Data[0] = 'X'
	got, err := s.Load(t.Context(), "k")
	must(t, err)
	got.Data[1] = 'X'
	again, err := s.Load(t.Context(), "k")
	must(t, err)
	if string(again.Data) != "value" {
		t.Errorf("got %q: the store shares memory with its callers", again.Data)
	}
}

func testParallelCreate(t *testing.T, s cookies.Store) {
	var won counter
	parallel(100, func(int) {
		err := s.Create(t.Context(), "k", record("v", time.Hour))
		won.add(err == nil)
		if err != nil && !errors.Is(err, cookies.ErrExists) {
			t.Errorf("create: %v", err)
		}
	})
	if won.n != 1 {
		t.Errorf("%d creates of one key succeeded, want 1", won.n)
	}
}

func testParallelUpdate(t *testing.T, s cookies.Store) {
	r := record("", time.Hour)
	must(t, s.Create(t.Context(), "k", r))
	var done counter
	parallel(100, func(int) {
		// Version conflicts are resolved by loading again, as Sessions does.
		for range 1000 {
			r, err := s.Load(t.Context(), "k")
			if err != nil {
				t.Errorf("load: %v", err)
				return
			}
			r.Data = append(r.Data, 'x')
			if err = s.Update(t.Context(), "k", r); err == nil {
				done.add(true)
				return
			}
			if !errors.Is(err, cookies.ErrConflict) {
				t.Errorf("update: %v", err)
				return
			}
		}
		t.Error("an update never came through")
	})
	got, err := s.Load(t.Context(), "k")
	must(t, err)
	if len(got.Data) != done.n || got.Version != int64(done.n)+1 {
		t.Errorf("%d updates left %d marks and version %d", done.n, len(got.Data), got.Version)
	}
}

func testParallelCount(t *testing.T, s cookies.Store) {
	c := counting(t, s)
	var mu sync.Mutex
	seen := make(map[int]bool)
	parallel(100, func(int) {
		n, err := c.Count(t.Context(), "k", time.Hour)
		if err != nil {
			t.Errorf("count: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[n] {
			t.Errorf("two calls were told %d", n)
		}
		seen[n] = true
	})
	if len(seen) != 100 || !seen[1] || !seen[100] {
		t.Errorf("100 counts gave %d different numbers", len(seen))
	}
	count(t, s, "other", time.Hour, 1)
}

func testCountWindow(t *testing.T, s cookies.Store) {
	const window = time.Second
	began := time.Now()
	count(t, s, "k", window, 1)
	count(t, s, "k", time.Hour, 2) // the first count alone opens the window
	eventually(t, "counting starts anew", func() bool {
		n, err := counting(t, s).Count(t.Context(), "k", window)
		must(t, err)
		return n == 1
	})
	if passed := time.Since(began); passed < window-2*time.Millisecond {
		t.Errorf("counting started anew after %v, the window is %v", passed, window)
	}
	count(t, s, "k", window, 2)
}

func testForget(t *testing.T, s cookies.Store) {
	c := counting(t, s)
	must(t, c.Forget(t.Context(), "k"))
	count(t, s, "k", time.Hour, 1)
	count(t, s, "k", time.Hour, 2)
	count(t, s, "other", time.Hour, 1)
	must(t, c.Forget(t.Context(), "k"))
	count(t, s, "k", time.Hour, 1)
	count(t, s, "other", time.Hour, 2)
}

func testCancelled(t *testing.T, s cookies.Store) {
	want := create(t, s, "k", "value")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, loadErr := s.Load(ctx, "k")
	_, countErr := counting(t, s).Count(ctx, "c", time.Hour)
	if l, ok := s.(cookies.Lister); ok {
		_, err := l.Tagged(ctx, "t", 1)
		wantUnanswered(t, "tagged", err)
	}
	if n, ok := s.(cookies.Noter); ok {
		_, err := n.Note(ctx, "k")
		wantUnanswered(t, "note", err)
	}
	for deed, err := range map[string]error{
		"load":   loadErr,
		"count":  countErr,
		"create": s.Create(ctx, "new", record("v", time.Hour)),
		"update": s.Update(ctx, "k", record("v", time.Hour)),
		"delete": s.Delete(ctx, "k"),
		"forget": counting(t, s).Forget(ctx, "c"),
	} {
		wantUnanswered(t, deed, err)
	}
	wantRecord(t, s, "k", want)
	wantMissing(t, s, "new")
	count(t, s, "c", time.Hour, 1)
}

func testClosed(t *testing.T, s cookies.Store) {
	create(t, s, "k", "value")
	must(t, s.Close())
	must(t, s.Close())
	_, loadErr := s.Load(t.Context(), "k")
	_, countErr := counting(t, s).Count(t.Context(), "c", time.Hour)
	if l, ok := s.(cookies.Lister); ok {
		_, err := l.Tagged(t.Context(), "t", 1)
		wantUnanswered(t, "tagged", err)
	}
	for deed, err := range map[string]error{
		"load":   loadErr,
		"count":  countErr,
		"create": s.Create(t.Context(), "new", record("v", time.Hour)),
		"update": s.Update(t.Context(), "k", record("v", time.Hour)),
		"delete": s.Delete(t.Context(), "k"),
		"forget": counting(t, s).Forget(t.Context(), "c"),
	} {
		wantUnanswered(t, deed, err)
	}
}
