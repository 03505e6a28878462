// Package lockout ends guessing at passwords.
//
// A name as somebody typed it becomes one key (Canonical), the client's address a
// network (Network). Lockout counts the tries at both in the shared store before
// they are judged, and says whether they may be judged at all. A window opens with
// the first try and ends on time, whatever happens in it.
package lockout

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"foregate/authn"
)

// pause is how long a network that guesses rests before its next burst.
const pause = time.Minute

// Lockout counts tries. Its methods may be called concurrently.
type Lockout struct {
	tries  authn.Tries
	kind   string
	method string
	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	resting map[netip.Prefix]time.Time // networks that guess, and until when they rest
}

// New counts in tries under keys that begin with kind, for the method of that name.
func New(tries authn.Tries, kind, method string, limits Limits, now func() time.Time) *Lockout {
	return &Lockout{
		tries:   tries,
		kind:    kind,
		method:  method,
		limits:  limits,
		now:     now,
		resting: make(map[netip.Prefix]time.Time),
	}
}

// Count counts a try at an account, before it is judged, and reports whether it
// may be judged at all. account is the one key of the account, whatever was typed.
// The error is for the person: where nothing can be counted nobody signs in.
func (l *Lockout) Count(ctx context.Context, account string, from netip.Prefix) (unlocked bool, err error) {
	n, err := l.tries.Count(ctx, l.Key("pair", from.String(), account), l.limits.Window)
	if err != nil {
		return false, uncounted(err)
	}
	// What is refused here must not reach the account's own counter, or one
	// network could lock the account for all others.
	if n > l.limits.Failures {
		return false, nil
	}
	n, err = l.tries.Count(ctx, l.Key("account", account), l.limits.AccountWindow)
	if err != nil {
		return false, uncounted(err)
	}
	return n <= l.limits.AccountFailures, nil
}

func uncounted(err error) error {
	return authn.Unavailable("We cannot check passwords right now. Try again in a minute.",
		fmt.Errorf("lockout: count try: %w", err))
}

// Succeeded sets both counters of the account back: consecutive failures count.
func (l *Lockout) Succeeded(ctx context.Context, account string, from netip.Prefix) error {
	return errors.Join(
		l.tries.Forget(ctx, l.Key("pair", from.String(), account)),
		l.tries.Forget(ctx, l.Key("account", account)),
	)
}

// Failed counts a wrong password of a network. Beyond the limit the network
// rests, on this replica; another one learns it by its own next failure.
func (l *Lockout) Failed(ctx context.Context, from netip.Prefix) error {
	n, err := l.tries.Count(ctx, l.Key("network", from.String()), l.limits.Window)
	if err != nil {
		return fmt.Errorf("lockout: count failure: %w", err)
	}
	if n <= l.limits.NetworkFailures {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	maps.DeleteFunc(l.resting, func(_ netip.Prefix, until time.Time) bool { return !now.Before(until) })
	l.resting[from] = now.Add(pause)
	return nil
}

// Rested refuses everybody of a network that rests. Whose account it is makes no
// difference, so it may be said aloud.
func (l *Lockout) Rested(from netip.Prefix) error {
	l.mu.Lock()
	left := l.resting[from].Sub(l.now())
	l.mu.Unlock()
	if left <= 0 {
		return nil
	}
	return &authn.Error{
		Public:     "Too many wrong passwords have come from your network. Wait a few minutes, then try again.",
		Err:        fmt.Errorf("lockout: network %s rests after too many wrong passwords", from),
		Status:     http.StatusTooManyRequests,
		RetryAfter: left,
	}
}

// Key is what is counted under: opaque, so that the store tells no names, and short whatever was typed.
// The name comes last: it alone may hold the separator.
func (l *Lockout) Key(parts ...string) string {
	sum := sha256.Sum256([]byte(l.method + "\x00" + strings.Join(parts, "\x00")))
	return l.kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}
