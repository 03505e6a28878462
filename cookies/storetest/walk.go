package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/cookies"
)

func testWalk(t *testing.T, s cookies.Store) {
	w := walking(t, s)
	want := make(map[string]cookies.Record)
	for i := range 450 { // more than a page
		r := record(fmt.Sprint("value ", i), time.Hour)
		r.Tags, r.Note = []string{fmt.Sprint("tag ", i%3), "all"}, []byte{0, byte(i)}
		key := fmt.Sprintf("key %d \x00}", i)
		must(t, s.Create(t.Context(), key, r))
		r.Version = 1
		want[key] = r
	}
	must(t, s.Create(t.Context(), "expired", record("x", -time.Second)))
	must(t, s.Create(t.Context(), "deleted", record("x", time.Hour)))
	must(t, s.Delete(t.Context(), "deleted"))
	changed := want["key 7 \x00}"]
	changed.Data, changed.Tags, changed.Note = []byte("two"), []string{"other"}, []byte("other")
	must(t, s.Update(t.Context(), "key 7 \x00}", changed))
	changed.Version++
	changed.Tags, changed.Note = want["key 7 \x00}"].Tags, want["key 7 \x00}"].Note // which Update leaves alone
	want["key 7 \x00}"] = changed

	got := make(map[string]cookies.Record)
	must(t, w.Walk(t.Context(), func(key string, r cookies.Record) error {
		if _, twice := got[key]; twice {
			t.Errorf("%q is visited twice", key)
		}
		got[key] = r
		return nil
	}))
	sameMilli := cmp.Comparer(func(x, y time.Time) bool { return x.UnixMilli() == y.UnixMilli() })
	sorted := cmp.Transformer("sorted", func(in []string) []string { out := slices.Clone(in); slices.Sort(out); return out })
	for key, r := range want {
		if diff := cmp.Diff(r.Tags, got[key].Tags, sorted); diff != "" {
			t.Fatalf("tags of %q (-want +got):\n%s", key, diff)
		}
		g := got[key]
		g.Tags, r.Tags = nil, nil
		if diff := cmp.Diff(r, g, sameMilli); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", key, diff)
		}
	}
	if len(got) != len(want) {
		t.Errorf("visited %d records, want %d", len(got), len(want))
	}
}

func testWalkEnds(t *testing.T, s cookies.Store) {
	w := walking(t, s)
	for i := range 10 {
		create(t, s, fmt.Sprint(i), "x")
	}
	stop, n := errors.New("enough"), 0
	err := w.Walk(t.Context(), func(string, cookies.Record) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 {
		t.Errorf("visited %d, then %v", n, err)
	}
	// A visitor may change what it visits.
	must(t, w.Walk(t.Context(), func(key string, _ cookies.Record) error { return s.Delete(t.Context(), key) }))
	for i := range 10 {
		wantMissing(t, s, fmt.Sprint(i))
	}
}

func walking(t *testing.T, s cookies.Store) cookies.Walker {
	t.Helper()
	w, ok := s.(cookies.Walker)
	if !ok {
		t.Skip("the store cannot be walked through")
	}
	return w
}
