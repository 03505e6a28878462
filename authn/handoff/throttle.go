package handoff

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"foregate/authn"
)

// A minute has so many bad tokens, of one client (IPv6: one /64) and of one partner.
const (
	badTokens = 20
	window    = time.Minute
)

// throttle ends guessing.
//
// Where a key vouches for tokens nobody can guess one. Bad tokens beyond the limit
// are answered 429, and a good one is still taken: no stranger can shut out a
// partner's people. Without such a key it is another matter: changed tokens are
// tried until one opens. There nothing is looked at any more until the minute is
// over.
type throttle struct {
	tries  authn.Tries
	method string

	mu     sync.Mutex
	opened time.Time // when the window of bad began
	bad    int       // tokens of this partner, on this replica
}

func newThrottle(tries authn.Tries, method string) *throttle {
	return &throttle{tries: tries, method: method}
}

// guess lets open look at a token that no key vouches for, unless there were too
// many bad ones. One is looked at at a time, so that a burst cannot outrun the count.
func (t *throttle) guess(now time.Time, open func() (Content, *Reason)) (Content, *Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.opened) >= window {
		t.opened, t.bad = now, 0
	}
	if t.bad >= badTokens {
		return Content{}, refuse(Throttled, "%d bad tokens in this minute", t.bad)
	}
	c, reason := open()
	if reason != nil {
		t.bad++
	}
	return c, reason
}

// failed counts a bad token, for all replicas, and reports whether there are too
// many. What the partner's key was not tried on counts for the client alone: others
// must not use up the partner's minute.
func (t *throttle) failed(ctx context.Context, client netip.Addr, code Code, now time.Time) (tooMany bool, err error) {
	if code == Throttled {
		return true, nil
	}
	n, err := t.count(ctx, "client:"+networkOf(client))
	if err != nil {
		return false, err
	}
	all := 0
	switch code {
	case Missing, Duplicate, TooLong, Network, Replay:
	default:
		if all, err = t.count(ctx, "partner"); err != nil {
			return false, err
		}
	}
	if all > badTokens { // on some replica
		t.mu.Lock()
		t.opened, t.bad = now, all
		t.mu.Unlock()
	}
	return n > badTokens || all > badTokens, nil
}

func (t *throttle) count(ctx context.Context, what string) (int, error) {
	n, err := t.tries.Count(ctx, "handoff:"+t.method+":"+what, window)
	if err != nil {
		return 0, fmt.Errorf("handoff: count a bad token: %w", err)
	}
	return n, nil
}

// networkOf is the address of one client: an IPv6 one has the /64 for itself.
func networkOf(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	if client.Is6() {
		if p, err := client.Prefix(64); err == nil {
			return p.String()
		}
	}
	return client.String()
}
