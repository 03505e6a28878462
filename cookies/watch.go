package cookies

import "sync"

// watchers wait for news of one session each, for connections that outlast their
// request.
type watchers struct {
	mu  sync.Mutex
	all map[string]map[chan struct{}]bool // by the record's key
}

// Watch returns a channel that is sent to when something happened to the session:
// it may have ended, see Check. Changes by other replicas are noticed as soon as
// this one hears of them, the mere passing of time never. stop ends it.
func (s *Sessions) Watch(sess *Session) (changed <-chan struct{}, stop func()) {
	w, key, c := &s.watchers, sess.Key(), make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[string]map[chan struct{}]bool)
	}
	if w.all[key] == nil {
		w.all[key] = make(map[chan struct{}]bool)
	}
	w.all[key][c] = true
	return c, func() { w.remove(key, c) }
}

func (w *watchers) remove(key string, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.all[key], c); len(w.all[key]) == 0 {
		delete(w.all, key)
	}
}

// tellAll tells everybody who waits.
func (w *watchers) tellAll() {
	w.mu.Lock()
	keys := make([]string, 0, len(w.all))
	for key := range w.all {
		keys = append(keys, key)
	}
	w.mu.Unlock()
	for _, key := range keys {
		w.tell(key)
	}
}

// tell waits for nobody: who has not looked since the last time will.
func (w *watchers) tell(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all[key] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
