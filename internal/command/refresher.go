package command

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy"
	"foregate/proxy/admin"
)

const (
	refreshLook = 20 * time.Second // whether a comparison is due
	refreshMost = 30 * time.Minute // of one
)

// refresher compares accounts with the directories that they follow, at the times that
// the methods' configuration says. Of several replicas one does it: the first that
// marks the time as taken.
type refresher struct {
	accounts *accounts.Accounts
	once     authn.Once
	set      func() *proxy.Set
	log      *slog.Logger
	figures  *admin.Directories
	now      func() time.Time
	seed     maphash.Seed

	mu   sync.Mutex
	last map[string]time.Time // by method: the time that was taken, by this replica or another
}

func newRefresher(a *accounts.Accounts, once authn.Once, set func() *proxy.Set, log *slog.Logger, figures *admin.Directories) *refresher {
	return &refresher{
		accounts: a, once: once, set: set, log: log, figures: figures, now: time.Now,
		seed: maphash.MakeSeed(), last: make(map[string]time.Time),
	}
}

// run looks until ctx ends.
func (r *refresher) run(ctx context.Context) {
	tick := time.NewTicker(refreshLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

// look compares with each directory for which it is time.
func (r *refresher) look(ctx context.Context) {
	for _, m := range r.set().Methods() {
		plan, ok := m.Config.(authn.Scheduled)
		if !ok {
			continue
		}
		every, window := plan.RefreshPlan()
		if every <= 0 || !r.take(ctx, m.Name, every, window) {
			continue
		}
		if _, err := r.refresh(ctx, m.Name, admin.RefreshOrder{}, nil); err != nil {
			r.log.Warn("accounts not compared with their directory", "method", m.Name, "reason", err.Error())
		}
	}
}

// take reports whether it is time, and nobody else has begun. Replicas do not all begin
// in the same second.
func (r *refresher) take(ctx context.Context, method string, every time.Duration, window authn.Window) bool {
	now := r.now()
	slot := now.Truncate(every)
	jitter := time.Duration(maphash.String(r.seed, method+slot.String()) % uint64(every/10+1))
	r.mu.Lock()
	taken := r.last[method].Equal(slot)
	r.mu.Unlock()
	if taken || now.Before(slot.Add(jitter)) || !window.Holds(now) {
		return false
	}
	err := r.once.Spend(ctx, fmt.Sprintf("refresh:%s:%d", method, slot.Unix()), slot.Add(2*every))
	if err != nil && !errors.Is(err, authn.ErrSpent) {
		return false // the store does not answer: looked at again
	}
	r.mu.Lock()
	r.last[method] = slot
	r.mu.Unlock()
	return err == nil
}

// refresh compares now.
func (r *refresher) refresh(ctx context.Context, method string, how admin.RefreshOrder, tell func(admin.RefreshProgress)) (accounts.Refreshed, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshMost)
	defer cancel()
	methods := r.set().Methods()
	i := slices.IndexFunc(methods, func(m *proxy.Method) bool { return m.Name == method })
	if i < 0 {
		return accounts.Refreshed{}, admin.ErrNoDirectory
	}
	d, err := methods[i].Directory()
	if err != nil {
		return accounts.Refreshed{}, err
	}
	if d == nil {
		return accounts.Refreshed{}, admin.ErrNoDirectory
	}
	order := accounts.Refreshing{Method: method, Policy: methods[i].Admit, Dry: how.DryRun, Force: how.Force}
	if tell != nil {
		order.Tell = func(seen, found, accounts int) {
			tell(admin.RefreshProgress{Seen: seen, Found: found, Accounts: accounts})
		}
	}
	found, err := r.accounts.Refresh(ctx, accounts.Context{Actor: "directory:" + method}, d, order)
	if !how.DryRun {
		r.figures.Refreshed(method, found.Took, found.Seen, found.Left, err == nil)
		r.log.Info("accounts compared with their directory", "method", method, "seen", found.Seen, "linked", found.Linked,
			"changed", found.Changed, "left", found.Left, "back", found.Back, "took_ms", found.Took.Milliseconds(), "whole", err == nil)
	}
	return found, err
}
