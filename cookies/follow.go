package cookies

import (
	"context"
	"sync/atomic"
)

// following is what this process hears of changes that others make in the store.
//
// A session in memory counts only while it could not have changed unnoticed: it
// carries the number that trust had before it was read, and trust has a new one
// each time that the store's notices begin anew, and 0 while there are none. So a
// lost subscription costs a read for each request, and lets nobody in who has
// been signed out elsewhere.
type following struct {
	trust atomic.Int32
	turns int32 // only Follow's own goroutine
	end   context.CancelFunc
	done  chan struct{}
}

// follow begins to listen, if others can change the store at all.
func (s *Sessions) follow() {
	f := &s.following
	n, ok := s.store.(Notifier)
	if !ok {
		f.trust.Store(1)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.end, f.done = cancel, make(chan struct{})
	go func() {
		defer close(f.done)
		n.Follow(ctx, s.Forget, s.told)
	}()
}

// told notes whether changes are reported from now on.
func (s *Sessions) told(reported bool) {
	f := &s.following
	if !reported {
		f.trust.Store(0)
		s.ForgetAll()
		s.cfg.Log.Warn("changes by other replicas go unnoticed; each request asks the store until they are heard again")
		return
	}
	f.turns++
	f.trust.Store(f.turns)
	s.ForgetAll()
	s.cfg.Log.Info("listening for changes by other replicas")
}

func (f *following) stop() {
	if f.end != nil {
		f.end()
		<-f.done
	}
}

// trusted reports whether what is in memory of a session is what the store has.
func (s *Sessions) trusted(sess *Session) bool {
	trust := s.following.trust.Load()
	return trust != 0 && trust == sess.trust
}
