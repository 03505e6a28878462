package mail

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are figures since the start.
type Stats struct {
	Waiting int64 // now: in the queue, being sent, or put back
	Sent    int64 // taken by the mail server
	Retried int64 // tries that failed for now
	Refused int64 // by Send: a wrong address, a domain that is not allowed, a full queue
	Dropped int64 // accepted by Send and then given up
}

type figures struct{ sent, retried, refused, dropped atomic.Int64 }

// Stats returns the figures.
func (m *Mailer) Stats() Stats {
	return Stats{m.pending.Load(), m.figures.sent.Load(), m.figures.retried.Load(), m.figures.refused.Load(), m.figures.dropped.Load()}
}

// server is what is known of the mail server.
type server struct {
	mu       sync.Mutex
	err      error     // why it takes no letters; nil when it does
	failures int       // in a row
	until    time.Time // it is left alone until then
	watched  bool
}

// rest is how a failure of the server is dealt with.
type rest struct {
	first bool // it worked before
	watch bool // somebody must look whether it works again
	pause time.Duration
}

// failed notes that the server takes letters from nobody, and says how long to leave
// it alone.
func (v *server) failed(err *troubleError, now time.Time, p pauses) rest {
	v.mu.Lock()
	defer v.mu.Unlock()
	first := v.err == nil
	v.err = err
	v.failures++
	pause := jittered(doubled(p.first, v.failures, p.server))
	if err.ourSignIn {
		pause = p.signIn
	}
	v.until = now.Add(pause)
	watch := !v.watched
	v.watched = true
	return rest{first, watch, pause}
}

// watchOver reports whether nobody need look any more.
func (v *server) watchOver() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watched = v.err != nil
	return !v.watched
}

// note notes what will keep all letters from being taken, though the server answers.
func (v *server) note(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err, v.failures = err, 0
}

// answered notes that the server does its work, and reports whether it did not before.
func (v *server) answered() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.err != nil
	v.err, v.failures = nil, 0
	return before
}

// forget lets it be tried at once.
func (v *server) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err, v.failures, v.until = nil, 0, time.Time{}
}

func (v *server) trouble() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// resting is how long the server is still to be left alone.
func (v *server) resting(now time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.until.Sub(now)
}

// watch asks a server that takes no letters until it does, while no letter does so:
// or Health would call it broken until somebody wants a code.
func (m *Mailer) watch() {
	for {
		timer := time.NewTimer(max(m.server.resting(time.Now()), m.pauses.first))
		select {
		case <-m.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if m.server.watchOver() {
			return
		}
		if m.pending.Load() > 0 || m.server.resting(time.Now()) > 0 {
			continue
		}
		s := m.settings.Load()
		var trouble *troubleError
		if err := s.probe(m.ctx); errors.As(err, &trouble) {
			m.server.failed(trouble, time.Now(), m.pauses)
			continue
		}
		m.answers(s)
	}
}

// doubled is first, doubled with each failure after the first, up to longest.
func doubled(first time.Duration, failures int, longest time.Duration) time.Duration {
	return min(first<<min(max(failures-1, 0), 20), longest)
}

// jittered is a random half to whole of d, so that replicas do not ask together.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
