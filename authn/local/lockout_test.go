package local

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/lockout"
)

func TestLD5SpellingsShareOneCounterAndSubject(t *testing.T) {
	b := newBench(t, Config{})
	spellings := []string{"alice", "ALICE", " alice", "alice ", "\uff41lice", "Alice", "aLICE", "alicE", "\u3000alice", "AlIcE"}
	for _, s := range spellings {
		b.enters(t, s, "wrong", ward)
	}
	if b.enters(t, "alice", right, ward) {
		t.Error("ten spellings did not use up ten tries")
	}
	if got := len(b.tries.Counts()); got != 3 { // pair, account, network
		t.Errorf("%d counters, want 3", got)
	}
}

func TestLD6RightPasswordIsRefusedDuringABan(t *testing.T) {
	b := newBench(t, Config{})
	for range 10 {
		b.enters(t, "alice", "wrong", ward)
	}
	if b.enters(t, "alice", right, ward) { // enters checks that the answer is the usual one
		t.Error("the eleventh try signs in")
	}
	if !b.enters(t, "alice", right, elsewhere) {
		t.Error("another network is locked out too")
	}
	if !b.enters(t, "bob", right, ward) {
		t.Error("another account is locked too")
	}
}

func TestLD6BanEndsWithItsWindowWhateverIsTried(t *testing.T) {
	b := newBench(t, Config{})
	for range 20 {
		b.enters(t, "alice", "wrong", ward)
	}
	*b.clock = b.clock.Add(15*time.Minute - time.Nanosecond)
	if b.enters(t, "alice", right, ward) {
		t.Error("signed in before the window ended")
	}
	*b.clock = b.clock.Add(time.Nanosecond)
	if !b.enters(t, "alice", right, ward) {
		t.Error("locked after the window ended")
	}
}

func TestLD6BanOutlivesTheProcessAndIsShared(t *testing.T) {
	first := newBench(t, Config{})
	for range 10 {
		first.enters(t, "alice", "wrong", ward)
	}
	second := newBench(t, Config{})
	second.counting(first.tries)
	if second.enters(t, "alice", right, ward) {
		t.Error("another process does not know of the ban")
	}
}

func TestLD6SuccessForgetsFailures(t *testing.T) {
	b := newBench(t, Config{})
	for range 5 {
		for range 9 {
			b.enters(t, "alice", "wrong", ward)
		}
		if !b.enters(t, "alice", right, ward) {
			t.Fatal("nine failures and a success lock the account")
		}
	}
}

func TestLD6OneNetworkCannotLockTheAccountForOthers(t *testing.T) {
	b := newBench(t, Config{Lockout: Lockout{NetworkFailures: 100_000}})
	b.compare = plainly
	for range 500 {
		b.enters(t, "alice", "wrong", "203.0.113.9")
	}
	if !b.enters(t, "alice", right, ward) {
		t.Error("500 tries from one network lock the account for all")
	}
}

func TestLD6AtMostHundredGuessesAnHour(t *testing.T) {
	b := newBench(t, Config{})
	var judged []time.Duration // when a guess would have succeeded
	start := *b.clock
	// 100 networks, other ones each minute, try all the time.
	for step := range 4 * 60 {
		for i := range 100 {
			unlocked, err := b.lockout.Count(t.Context(), "alice", lockout.Network(somewhere(step, i)))
			if err != nil {
				t.Fatal(err)
			}
			if unlocked {
				judged = append(judged, b.clock.Sub(start))
			}
		}
		*b.clock = b.clock.Add(time.Minute)
	}
	for i := range judged {
		if i >= 100 && judged[i]-judged[i-100] < time.Hour {
			t.Fatalf("101 guesses within %v", judged[i]-judged[i-100])
		}
	}
	if len(judged) < 100 {
		t.Errorf("only %d guesses in four hours: the test tries too little", len(judged))
	}
}

func TestLD6ParallelGuessesAreAllCounted(t *testing.T) {
	b := newBench(t, Config{})
	var guessed atomic.Int64
	b.compare = func(digest, string) bool { guessed.Add(1); return false }
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { b.enters(t, "alice", "wrong", ward) })
	}
	all.Wait()
	counts := slices.Sorted(maps.Values(b.tries.Counts()))
	if diff := cmp.Diff([]int{10, 100, 100}, counts); diff != "" { // account; pair, network
		t.Errorf("tries counted (-want +got):\n%s", diff)
	}
	if got := guessed.Load(); got != 100 {
		t.Errorf("%d comparisons, want one for each of 100", got)
	}
}

func TestLD6SprayingNetworkRests(t *testing.T) {
	b := newBench(t, Config{})
	b.compare = plainly
	for i := range 201 {
		b.enters(t, fmt.Sprintf("user%d", i), "Winter2026!", ward)
	}
	_, err := b.signIn("alice", right, "192.0.2.99")
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests || e.RetryAfter <= 0 {
		t.Fatalf("sign in after 201 failures = %v, want an error of 429", err)
	}
	if !b.enters(t, "alice", right, elsewhere) {
		t.Error("another network is refused too")
	}
	*b.clock = b.clock.Add(time.Minute)
	b.enters(t, "user1", "Winter2026!", ward) // one is let through, and the network rests again
	if _, err := b.signIn("alice", right, ward); err == nil {
		t.Error("the network does not rest again")
	}
	*b.clock = b.clock.Add(15 * time.Minute)
	if !b.enters(t, "alice", right, ward) {
		t.Error("refused after the window ended")
	}
}

func TestChangeOfShiftsIsNoSpraying(t *testing.T) {
	b := newBench(t, Config{})
	b.compare = plainly
	for range 300 {
		if !b.enters(t, "alice", right, ward) || !b.enters(t, "bob", right, ward) {
			t.Fatal("refused although everybody knows the password")
		}
	}
}

func TestNobodySignsInWhenTriesCannotBeCounted(t *testing.T) {
	b := newBench(t, Config{})
	b.counting(authntest.Down{})
	_, err := b.signIn("alice", right, ward)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || !errors.Is(err, authntest.ErrDown) {
		t.Errorf("sign in = %v, want an error of 503", err)
	}
	if n := b.compared.Load(); n != 0 {
		t.Errorf("%d passwords compared", n)
	}
}

// counting counts tries elsewhere from now on.
func (b bench) counting(tries authn.Tries) {
	b.lockout = lockout.New(tries, "local", "local", Lockout{}.limits(), b.now)
}

// plainly compares without a hash, for tests that sign in hundreds of times.
func plainly(_ digest, password string) bool { return password == right }

// somewhere is one of 65536 networks.
func somewhere(step, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(step), byte(i), 1})
}
