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

func testTagged(t *testing.T, s cookies.Store) {
	list := listing(t, s)
	tag(t, s, "a", "alice", "sid-1")
	tag(t, s, "b", "alice")
	tag(t, s, "c", "bob", "bob") // one tag twice is that tag
	create(t, s, "d", "untagged")
	tagged(t, s, "alice", "a", "b")
	tagged(t, s, "sid-1", "a")
	tagged(t, s, "bob", "c")
	for _, none := range []string{"", "ali", "alice%", "Alice", "alice\x00", "untagged", "a"} {
		tagged(t, s, none)
	}
	keys, err := list.Tagged(t.Context(), "alice", 1)
	if err != nil || len(keys) != 1 {
		t.Errorf("at most one: got %q, %v", keys, err)
	}

	r, err := s.Load(t.Context(), "a")
	must(t, err)
	r.Data, r.Tags = []byte("two"), []string{"bob"}
	must(t, s.Update(t.Context(), "a", r)) // changes no tags
	tagged(t, s, "alice", "a", "b")
	tagged(t, s, "bob", "c")

	for i := range 50 {
		tag(t, s, fmt.Sprint(i), "busy")
	}
	keys, err = list.Tagged(t.Context(), "busy", 1000)
	if err != nil || len(keys) != 50 {
		t.Errorf("50 records of one person: got %d, %v", len(keys), err)
	}
}

func testTagsEnd(t *testing.T, s cookies.Store) {
	listing(t, s)
	tag(t, s, "a", "alice")
	tag(t, s, "b", "alice")
	must(t, s.Delete(t.Context(), "a"))
	tagged(t, s, "alice", "b")
	create(t, s, "a", "another's, without a tag")
	tagged(t, s, "alice", "b")

	expired := record("old", -time.Second)
	expired.Tags = []string{"bob"}
	must(t, s.Create(t.Context(), "c", expired))
	tagged(t, s, "bob")
	create(t, s, "c", "in its place")
	tagged(t, s, "bob")

	short := record("short", time.Second)
	short.Tags = []string{"carol"}
	must(t, s.Create(t.Context(), "d", short))
	tagged(t, s, "carol", "d")
	eventually(t, "the tag goes with its record", func() bool {
		_, err := s.Load(t.Context(), "d")
		return errors.Is(err, cookies.ErrNotFound)
	})
	tagged(t, s, "carol")
}

// tag creates a record with tags.
func tag(t *testing.T, s cookies.Store, key string, tags ...string) {
	t.Helper()
	r := record("value", time.Hour)
	r.Tags = tags
	must(t, s.Create(t.Context(), key, r))
}

func tagged(t *testing.T, s cookies.Store, tag string, want ...string) {
	t.Helper()
	got, err := listing(t, s).Tagged(t.Context(), tag, 100)
	must(t, err)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		t.Errorf("tagged %q (-want +got):\n%s", tag, diff)
	}
}

func listing(t *testing.T, s cookies.Store) cookies.Lister {
	t.Helper()
	l, ok := s.(cookies.Lister)
	if !ok {
		t.Skip("the store finds nothing by tag")
	}
	return l
}

func testNote(t *testing.T, s cookies.Store) {
	n, ok := s.(cookies.Noter)
	if !ok {
		t.Skip("the store reads no notes")
	}
	r := record("value", time.Hour)
	r.Tags, r.Note = []string{"alice"}, []byte{0, 0xff, '}'}
	must(t, s.Create(t.Context(), "k", r))
	must(t, s.Create(t.Context(), "bare", record("value", time.Hour)))
	must(t, s.Create(t.Context(), "expired", record("value", -time.Second)))
	got, err := n.Note(t.Context(), "k")
	must(t, err)
	if string(got.Note) != string(r.Note) || got.Expires.UnixMilli() != r.Expires.UnixMilli() || got.Version != 1 || got.Data != nil || got.Tags != nil {
		t.Errorf("got %+v", got)
	}
	if got, err := n.Note(t.Context(), "bare"); err != nil || len(got.Note) != 0 {
		t.Errorf("without a note: %+v, %v", got, err)
	}
	for _, key := range []string{"other", "expired"} {
		_, err := n.Note(t.Context(), key)
		wantError(t, err, cookies.ErrNotFound)
	}
	if loaded, err := s.Load(t.Context(), "k"); err != nil || loaded.Note != nil || loaded.Tags != nil {
		t.Errorf("Load: %+v, %v", loaded, err)
	}
}
