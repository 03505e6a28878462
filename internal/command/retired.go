package command

import (
	"slices"
	"sync"
	"time"

	"foregate/proxy"
)

const (
	// retirement is how long requests under way may still use a set that a reload
	// has replaced; nothing of it outlives their time limits.
	retirement = time.Minute
	// mostRetired bounds the memory that a script takes which reloads without end.
	mostRetired = 32
)

// retired are the sets that reloads have replaced, with what will close each.
type retired struct {
	mu    sync.Mutex
	order []*proxy.Set // the oldest first
	ends  map[*proxy.Set]*time.Timer
}

// add takes over set and closes it when its time has come.
func (r *retired) add(set *proxy.Set) {
	r.mu.Lock()
	if r.ends == nil {
		r.ends = make(map[*proxy.Set]*time.Timer)
	}
	r.order = append(r.order, set)
	r.ends[set] = time.AfterFunc(retirement, func() { r.close(set) })
	oldest, early := r.order[0], len(r.order) > mostRetired
	r.mu.Unlock()
	if early {
		r.close(oldest)
	}
}

// close closes set, once. Its timer is stopped, because it would keep the set in memory.
func (r *retired) close(set *proxy.Set) {
	r.mu.Lock()
	end := r.ends[set]
	delete(r.ends, set)
	r.order = slices.DeleteFunc(r.order, func(s *proxy.Set) bool { return s == set })
	r.mu.Unlock()
	if end != nil {
		end.Stop()
		closeSet(set)
	}
}

func closeSet(set *proxy.Set) {
	for _, m := range set.Methods() {
		_ = m.Close()
	}
	for _, a := range set.Apps() {
		a.Upstream.Close()
	}
}
