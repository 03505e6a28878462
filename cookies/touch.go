package cookies

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Batcher is a Store that writes many updates in one transaction.
type Batcher interface {
	// UpdateAll does what Update does for each of them and leaves what Update
	// would have returned in its Err. It returns an error when none was written.
	// It is for activity, of which a Notifier does not tell.
	UpdateAll(ctx context.Context, updates []Update) error
}

// Update is one of many updates.
type Update struct {
	Key    string
	Record Record
	Err    error // set by the store
}

const (
	gather     = 200 * time.Millisecond // activity that comes in meanwhile shares a transaction
	retry      = 2 * time.Second        // after the store did not answer
	batchMost  = 500                    // so that a sign-in need not wait long for the store
	flushLimit = 10 * time.Second       // for one batch
)

// flusher holds the sessions whose activity waits to be written.
type flusher struct {
	mu      sync.Mutex
	pending []*Session
	wake    chan struct{} // capacity 1: something is pending
	stop    chan struct{}
	done    chan struct{}
}

func newFlusher() flusher {
	return flusher{wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// add puts a session in line, unless it stands there or is being written.
func (f *flusher) add(sess *Session) {
	if !sess.pulse.queued.Swap(true) {
		f.line(sess)
	}
}

// line puts sessions in line whose queued is set.
func (f *flusher) line(sessions ...*Session) {
	f.mu.Lock()
	f.pending = append(f.pending, sessions...)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flusher) take() []*Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.pending
	f.pending = nil
	return all
}

// Touch notes that a human is active now. It counts at once; the store learns of
// it a moment later, and of one session not more often than every second or
// every twentieth of its idle time, whichever is longer. An ended session stays
// ended. While the store does not answer, activity is kept and tried again.
func (s *Sessions) Touch(sess *Session) {
	at := s.now()
	if sess.lone {
		return // it lasts as long as it lasts
	}
	if sess.idle(at) || sess.ended(at) {
		return // by a request that was under way for so long
	}
	sess.pulse.seen.Store(at)
	if sess.due(at) && !sess.pulse.queued.Load() {
		s.flusher.add(sess)
	}
}

// flush writes activity until Close.
func (s *Sessions) flush() {
	defer close(s.flusher.done)
	for pause := gather; ; {
		select {
		case <-s.flusher.wake:
		case <-s.flusher.stop:
			return
		}
		select {
		case <-time.After(pause):
		case <-s.flusher.stop:
			return
		}
		err := s.write(s.flusher.take())
		switch {
		case err != nil && pause == gather:
			s.cfg.Log.Warn("activity not stored, kept in memory", "err", err)
			pause = retry
		case err == nil && pause == retry:
			s.cfg.Log.Info("activity is stored again")
			pause = gather
		}
	}
}

// Close writes the activity that the store does not know of and ends. Sessions
// must not be used afterwards.
func (s *Sessions) Close() error {
	s.closing.Do(func() {
		s.renewals.wg.Wait()
		s.following.stop()
		close(s.flusher.stop)
		<-s.flusher.done
		left := s.flusher.take()
		for sess := range s.cache.Values() {
			if p := sess.pulse; p.seen.Load() > p.written.Load() && !p.queued.Swap(true) {
				left = append(left, sess)
			}
		}
		s.closed = s.write(left)
		s.cache.StopAllGoroutines()
	})
	return s.closed
}

// write stores the activity of sessions. Those that the store did not answer for
// are put in line again.
func (s *Sessions) write(sessions []*Session) error {
	for len(sessions) > 0 {
		n := min(len(sessions), batchMost)
		failed, err := s.writeBatch(sessions[:n])
		sessions = sessions[n:]
		if err == nil {
			continue
		}
		s.flusher.line(failed...)
		if len(failed) == n { // the store is down: no use in waiting for it again and again
			s.flusher.line(sessions...)
			return fmt.Errorf("cookies: store activity: %w", err)
		}
	}
	return nil
}

// writeBatch returns the sessions that must be tried again, and why.
func (s *Sessions) writeBatch(batch []*Session) (failed []*Session, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	updates := make([]Update, len(batch))
	seen := make([]int64, len(batch))
	var drafts []*Update
	for i, sess := range batch {
		seen[i] = sess.pulse.seen.Load()
		updates[i].Key = sess.Key()
		if updates[i].Record, updates[i].Err = s.draft(ctx, sess, seen[i]); updates[i].Err == nil {
			drafts = append(drafts, &updates[i])
		}
	}
	updateQuietly(ctx, s.store, drafts)
	for i, sess := range batch {
		if e := s.settle(ctx, sess, seen[i], updates[i].Err); e != nil {
			failed, err = append(failed, sess), e
			continue
		}
		sess.pulse.queued.Store(false)
	}
	return failed, err
}

// draft is the record of sess with its last activity. What memory does not hold
// of the session is read from the store.
func (s *Sessions) draft(ctx context.Context, sess *Session, seen int64) (Record, error) {
	c := sess.content(s.wall(seen))
	version := int64(sess.pulse.version.Load())
	if sess.partial {
		stored, err := s.store.Load(ctx, sess.Key())
		if err != nil {
			return Record{}, err
		}
		whole, err := sess.ticket.open(stored.Data)
		if err != nil || stored.Version != version {
			return Record{}, ErrConflict
		}
		c.Identity.Private, c.mark = whole.Identity.Private, whole.mark
		c.Version, c.Since, c.more = whole.Version, whole.Since, whole.more
	}
	data, err := sess.ticket.seal(c)
	return Record{Data: data, Expires: sess.Ends().Add(afterlife), Version: version}, err
}

// updateQuietly is Update for each draft. Other processes are not told.
func updateQuietly(ctx context.Context, store Store, drafts []*Update) {
	b, ok := store.(Batcher)
	if !ok {
		for _, u := range drafts {
			u.Err = store.Update(ctx, u.Key, u.Record)
		}
		return
	}
	batch := make([]Update, len(drafts))
	for i, u := range drafts {
		batch[i] = *u
	}
	err := b.UpdateAll(ctx, batch)
	for i, u := range drafts {
		u.Err = batch[i].Err
		if err != nil {
			u.Err = err
		}
	}
}

// settle notes how an update of one session went. It returns an error when it
// must be tried again.
func (s *Sessions) settle(ctx context.Context, sess *Session, seen int64, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		s.Forget(sess.Key()) // ended meanwhile
		return nil
	case errors.Is(err, ErrConflict):
		return s.rebase(ctx, sess, seen)
	case err != nil:
		return err
	}
	sess.pulse.version.Add(1)
	sess.pulse.written.Store(seen)
	return nil
}

// rebase adds activity to a record that somebody else has changed. What they
// wrote stays; the session in memory is out of date and goes.
func (s *Sessions) rebase(ctx context.Context, sess *Session, seen int64) error {
	rec, err := s.store.Load(ctx, sess.Key())
	if errors.Is(err, ErrNotFound) {
		s.Forget(sess.Key())
		return nil
	}
	if err != nil {
		return err
	}
	c, err := sess.ticket.open(rec.Data)
	if err != nil {
		s.cfg.Log.Warn("session record unreadable", "session", sess.Handle(), "err", err)
		s.Forget(sess.Key())
		return nil
	}
	now, wall := s.cfg.Clock().UnixMilli(), s.wall(seen).UnixMilli()
	if c.Seen < wall || c.Seen > now { // or a clock ran ahead
		c.Seen = wall
		if rec.Data, err = sess.ticket.seal(c); err != nil {
			return err
		}
		u := &Update{Key: sess.Key(), Record: rec}
		updateQuietly(ctx, s.store, []*Update{u})
		if u.Err != nil && !errors.Is(u.Err, ErrNotFound) {
			return u.Err
		}
	}
	s.Forget(sess.Key())
	return nil
}

// wall is the time of day at a point of the monotonic clock, by what the clock
// on the wall shows now: it may have been set since.
func (s *Sessions) wall(at int64) time.Time {
	now := s.cfg.Clock()
	return now.Round(0).Add(-(now.Sub(s.epoch) - time.Duration(at)))
}

// merged returns p with what a newer reading of the record says. While nobody
// else has written, memory knows better: the clock may have been set since.
func (p *pulse) merged(newer *pulse) *pulse {
	if p.version.Swap(newer.version.Load()) == newer.version.Load() {
		return p
	}
	p.written.Store(newer.written.Load())
	for {
		seen := p.seen.Load()
		if seen >= newer.seen.Load() || p.seen.CompareAndSwap(seen, newer.seen.Load()) {
			return p
		}
	}
}
