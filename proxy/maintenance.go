package proxy

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// Maintenance keeps people off an app while it is worked on. People sign in and out
// as ever, and their sessions stay. The zero value never does.
type Maintenance struct {
	On         bool
	File       string         // on while this file is there; "" is never
	Message    string         // for people; "" is one that always fits
	RetryAfter time.Duration  // when it is worth asking again
	Networks   []netip.Prefix // who is let through all the same
	Roles      []string

	seen atomic.Int64 // when the file was looked for, in seconds, twice, and one more if it was there
}

// refuse is the answer for whoever is kept off; nil for everybody else.
func (m *Maintenance) refuse(client netip.Addr, who *authn.Identity) error {
	if m == nil || !m.on() || m.exempt(client, who) {
		return nil
	}
	return &authn.Error{
		Public: cmp.Or(m.Message, "The application is being worked on. Try again later. If it cannot wait, call your IT desk."),
		Err:    errors.New("maintenance"), Status: http.StatusServiceUnavailable, RetryAfter: m.RetryAfter,
	}
}

// on looks for the file once a second at most: a request must not wait for a disk.
// What is there but cannot be looked at counts as there.
func (m *Maintenance) on() bool {
	if m.On || m.File == "" {
		return m.On
	}
	now, seen := time.Now().Unix(), m.seen.Load()
	if seen>>1 == now {
		return seen&1 == 1
	}
	_, err := os.Lstat(m.File)
	found := !errors.Is(err, os.ErrNotExist)
	seen = now << 1
	if found {
		seen++
	}
	m.seen.Store(seen)
	return found
}

func (m *Maintenance) exempt(client netip.Addr, who *authn.Identity) bool {
	within := func(n netip.Prefix) bool { return n.Contains(client) } // false for an unknown one
	if slices.ContainsFunc(m.Networks, within) {
		return true
	}
	return who != nil && slices.ContainsFunc(who.Roles, func(r string) bool { return slices.Contains(m.Roles, r) })
}
