package authntest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

func TestOnceIsSpentOnce(t *testing.T) {
	once := NewOnce()
	if err := once.Spend(t.Context(), "a", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := once.Spend(t.Context(), "a", time.Now()); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("second Spend = %v, want ErrSpent", err)
	}
	if err := once.Spend(t.Context(), "b", time.Now()); err != nil {
		t.Errorf("Spend of another key = %v", err)
	}
}

func TestTriesCountWithinTheWindowOfTheFirst(t *testing.T) {
	now := time.Unix(1e9, 0)
	tries := NewTries(func() time.Time { return now })
	var got []int
	for _, pause := range []time.Duration{0, 30 * time.Second, 29 * time.Second, time.Second, 0} {
		now = now.Add(pause)
		n, err := tries.Count(t.Context(), "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 1, 2}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 2}, tries.Counts()); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
	if err := tries.Forget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if n, _ := tries.Count(t.Context(), "a", time.Minute); n != 1 {
		t.Errorf("count after Forget = %d, want 1", n)
	}
}

func TestFakesHonourTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewOnce().Spend(ctx, "a", time.Now()); err == nil {
		t.Error("Spend with a cancelled context succeeds")
	}
	if _, err := NewTries(time.Now).Count(ctx, "a", time.Minute); err == nil {
		t.Error("Count with a cancelled context succeeds")
	}
}
