package ldap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"foregate/authn"
)

const (
	leastPace = 250 * time.Millisecond
	mostPace  = 3 * time.Second
)

// pace makes every refusal take the same time, whether the directory was asked for
// it or not: that of the slowest of the last which it was asked for.
type pace struct {
	mu     sync.Mutex
	recent [16]time.Duration
	next   int
}

// note remembers how long a refusal by the directory took.
func (p *pace) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent[p.next%len(p.recent)] = took
	p.next++
}

// length is how long a refusal takes now.
func (p *pace) length() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(leastPace, slices.Max(p.recent[:])), mostPace)
}

// hold waits until a refusal that began then may be told.
func (p *pace) hold(ctx context.Context, began time.Time) error {
	timer := time.NewTimer(p.length() - time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return authn.Unavailable(unreachable, fmt.Errorf("ldap: %w", ctx.Err()))
	}
}
