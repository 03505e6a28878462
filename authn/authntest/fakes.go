package authntest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"foregate/authn"
)

// Once keeps marks in memory, for good.
type Once struct {
	mu    sync.Mutex
	spent map[string]bool
}

// NewOnce is an authn.Once on which nothing is spent yet.
func NewOnce() *Once { return &Once{spent: make(map[string]bool)} }

// Spend implements authn.Once.
func (o *Once) Spend(ctx context.Context, key string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spent[key] {
		return authn.ErrSpent
	}
	o.spent[key] = true
	return nil
}

// Tries counts in memory, by a clock of the test's choice.
type Tries struct {
	now func() time.Time

	mu     sync.Mutex
	counts map[string]count
}

type count struct {
	n    int
	ends time.Time
}

// NewTries is an authn.Tries on which nothing is counted yet. Windows are
// measured by now.
func NewTries(now func() time.Time) *Tries {
	return &Tries{now: now, counts: make(map[string]count)}
}

// Count implements authn.Tries.
func (t *Tries) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	c := t.counts[key]
	if !now.Before(c.ends) {
		c = count{ends: now.Add(window)}
	}
	c.n++
	t.counts[key] = c
	return c.n, nil
}

// Forget implements authn.Tries.
func (t *Tries) Forget(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.counts, key)
	return nil
}

// Counts returns what stands under each key whose window is still open.
func (t *Tries) Counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	live := maps.Clone(t.counts)
	maps.DeleteFunc(live, func(_ string, c count) bool { return !t.now().Before(c.ends) })
	counts := make(map[string]int, len(live))
	for key, c := range live {
		counts[key] = c.n
	}
	return counts
}

// ErrDown is what every call of a Down returns.
var ErrDown = errors.New("the store does not answer")

// Down is an authn.Once and an authn.Tries of a store that does not answer.
type Down struct{}

// Spend implements authn.Once.
func (Down) Spend(context.Context, string, time.Time) error { return ErrDown }

// Count implements authn.Tries.
func (Down) Count(context.Context, string, time.Duration) (int, error) { return 0, ErrDown }

// Forget implements authn.Tries.
func (Down) Forget(context.Context, string) error { return ErrDown }
