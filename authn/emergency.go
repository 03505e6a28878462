package authn

import (
	"net/netip"
	"time"
)

// Emergency is an Authenticator for when no other way in works: break-glass. It needs
// neither the store nor the accounts nor the network, and neither do its sessions, which
// are in the browser alone. Everybody who uses it says why, and it is told loudly.
type Emergency interface {
	// Placed says where it may be used: nowhere while it is sealed.
	Placed
	// Lifetime is how long its sessions last, an hour at most.
	Lifetime() time.Duration
	// Tell says to whom it is configured that somebody came in. It does not wait.
	Tell(Use)
}

// Use is one use of an Emergency.
type Use struct {
	Time      time.Time
	Method    string
	User      string
	Reason    string // in the person's own words
	App       string
	Client    netip.Addr
	RequestID string
	Until     time.Time // when the session ends
}
