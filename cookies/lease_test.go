package cookies_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"foregate/cookies"
	"foregate/cookies/memstore"
)

// TestALostLeaseIsLeftAlone: who lost it neither prolongs nor releases what another has.
func TestALostLeaseIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 10 * time.Second
		ctx, store := t.Context(), memstore.New()
		first, err := cookies.TakeLease(ctx, store, "lease:a", life)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * life) // it is prolonged meanwhile
		if _, err := cookies.TakeLease(ctx, store, "lease:a", life); !errors.Is(err, cookies.ErrLeased) || !first.Held() {
			t.Fatalf("while it is held: %v", err)
		}
		if err := store.Delete(ctx, "lease:a"); err != nil { // as if it had run out
			t.Fatal(err)
		}
		second, err := cookies.TakeLease(ctx, store, "lease:a", life)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(life)
		if first.Held() || !second.Held() {
			t.Errorf("held by the first: %v, by the second: %v", first.Held(), second.Held())
		}
		if err := first.Release(ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := cookies.TakeLease(ctx, store, "lease:a", life); !errors.Is(err, cookies.ErrLeased) {
			t.Errorf("after the first gave back what it had not: %v", err)
		}
		if err := second.Release(ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		third, err := cookies.TakeLease(ctx, store, "lease:a", life)
		if err != nil {
			t.Fatalf("given back: %v", err)
		}
		_ = third.Release(ctx)
	})
}
