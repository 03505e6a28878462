package cookies_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/cookies"
)

func TestHeldIsSealedAndOpensWithItsTicketAlone(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	secret := []byte("alice waits for a code")
	ticket, err := s.Hold(t.Context(), secret, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for key, rec := range store.records {
		if bytes.Contains(rec.Data, secret) || bytes.Contains(rec.Data, []byte(ticket[:43])) {
			t.Errorf("record %s can be read by whoever has the store", key)
		}
	}
	if got, err := s.Held(t.Context(), ticket); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("got %q, %v", got, err)
	}
	other, err := s.Hold(t.Context(), []byte("bob"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "x", ticket[:43], other[:43] + ticket[43:], ticket[:42] + "!" + ticket[43:], ticket + "x"} {
		if got, err := s.Held(t.Context(), wrong); !errors.Is(err, cookies.ErrNotHeld) {
			t.Errorf("%q: got %q, %v", wrong, got, err)
		}
	}
	s.LetGo(t.Context(), ticket)
	if _, err := s.Held(t.Context(), ticket); !errors.Is(err, cookies.ErrNotHeld) {
		t.Errorf("after it was let go: %v", err)
	}
}

func TestHeldIsTakenByOneOfMany(t *testing.T) {
	s := open(t, newSpy(), nil)
	ticket, err := s.Hold(t.Context(), []byte("a try"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var took atomic.Int32
	for range 20 {
		all.Go(func() {
			switch data, err := s.TakeHeld(t.Context(), ticket); {
			case err == nil && string(data) == "a try":
				took.Add(1)
			case !errors.Is(err, cookies.ErrNotHeld):
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	all.Wait()
	if n := took.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
}
