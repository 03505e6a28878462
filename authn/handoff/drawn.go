package handoff

import (
	"sync"
	"time"
)

// drawn remembers the last nonces and IVs, each of which must be a new one: with
// AES-GCM two tokens under one nonce give away what both say, and how to forge a
// third.
type drawn struct {
	mu       sync.Mutex
	seen     map[string]bool
	ring     [1024]string
	next     int
	reminded time.Time
}

func newDrawn() *drawn { return &drawn{seen: make(map[string]bool)} }

// again notes the nonce of a token that was not used before, and reports whether it
// is time to complain that another had it.
func (d *drawn) again(nonce []byte, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := string(nonce)
	if d.seen[n] {
		if now.Sub(d.reminded) < reminder {
			return false
		}
		d.reminded = now
		return true
	}
	delete(d.seen, d.ring[d.next])
	d.ring[d.next] = n
	d.seen[n] = true
	d.next = (d.next + 1) % len(d.ring)
	return false
}
