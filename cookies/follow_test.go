package cookies_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"foregate/cookies"
	"foregate/cookies/memstore"
)

// replica is one process's view of a store in memory that several share. What one
// of them changes, the others are told, unless the line is cut.
type replica struct {
	*memstore.Store
	hub  *hub
	line *line
	mu   sync.Mutex
	read int // loads
}

type hub struct {
	mu    sync.Mutex
	lines []*line
}

type line struct {
	changed   func(string)
	following func(bool)
	cut       bool
}

func (h *hub) join(s *memstore.Store) *replica { return &replica{Store: s, hub: h, line: new(line)} }

func (r *replica) Follow(ctx context.Context, changed func(string), following func(bool)) {
	r.hub.mu.Lock()
	r.line.changed, r.line.following = changed, following
	r.hub.lines = append(r.hub.lines, r.line)
	following(true)
	r.hub.mu.Unlock()
	<-ctx.Done()
}

// cut makes the line deaf, and whole again.
func (r *replica) cut(cut bool) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	r.line.cut = cut
	r.line.following(!cut)
}

func (r *replica) publish(key string) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	for _, l := range r.hub.lines {
		if l != r.line && !l.cut {
			l.changed(key)
		}
	}
}

func (r *replica) Load(ctx context.Context, key string) (cookies.Record, error) {
	r.mu.Lock()
	r.read++
	r.mu.Unlock()
	return r.Store.Load(ctx, key)
}

func (r *replica) loads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

func (r *replica) Update(ctx context.Context, key string, rec cookies.Record) error {
	err := r.Store.Update(ctx, key, rec)
	if err == nil {
		r.publish(key)
	}
	return err
}

func (r *replica) Delete(ctx context.Context, key string) error {
	err := r.Store.Delete(ctx, key)
	r.publish(key)
	return err
}

// twoReplicas share a store; both listen.
func twoReplicas(t *testing.T) (here, there *cookies.Sessions, line *replica) {
	t.Helper()
	store, h := memstore.New(), new(hub)
	first, second := h.join(store), h.join(store)
	here, there = open(t, first, nil), open(t, second, nil)
	deadline := time.Now().Add(5 * time.Second)
	for {
		h.mu.Lock()
		n := len(h.lines)
		h.mu.Unlock()
		if n == 2 {
			return here, there, second
		}
		if time.Now().After(deadline) {
			t.Fatal("the replicas do not listen")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSE2SignOutHereHoldsThere(t *testing.T) {
	here, there, line := twoReplicas(t)
	b := newBrowser()
	sess := signIn(t, here, b, alice)
	wantUser(t, there, b, "alice")
	before := line.loads()
	for range 100 {
		wantUser(t, there, b, "alice")
	}
	if n := line.loads() - before; n != 0 {
		t.Errorf("100 requests cost %d reads", n)
	}
	changed, stop := there.Watch(sess)
	defer stop()
	if err := here.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(time.Second):
		t.Error("an open connection there was not told")
	}
	wantNone(t, there, b)
}

func TestP7LostNoticesMakeEachRequestAskTheStore(t *testing.T) {
	here, there, line := twoReplicas(t)
	b := newBrowser()
	sess := signIn(t, here, b, alice)
	wantUser(t, there, b, "alice")
	line.cut(true)
	before := line.loads()
	for range 5 {
		wantUser(t, there, b, "alice")
	}
	if n := line.loads() - before; n != 5 {
		t.Errorf("5 requests without notices cost %d reads, want 5", n)
	}
	if err := here.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	wantNone(t, there, b)
}

func TestChangeWhileDeafIsSeenAfterwards(t *testing.T) {
	here, there, line := twoReplicas(t)
	b := newBrowser()
	sess := signIn(t, here, b, alice)
	wantUser(t, there, b, "alice")
	line.cut(true)
	if err := here.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	line.cut(false)
	wantNone(t, there, b)

	other := newBrowser()
	signIn(t, here, other, bob)
	wantUser(t, there, other, "bob")
	before := line.loads()
	wantUser(t, there, other, "bob")
	if n := line.loads() - before; n != 0 {
		t.Errorf("memory is not used again: %d reads", n)
	}
}

// What is read while the notices begin anew may be older than they are.
func TestReadingFromBeforeTheNoticesIsNotBelieved(t *testing.T) {
	store, h := memstore.New(), new(hub)
	first, second := h.join(store), &slow{replica: h.join(store), gate: make(chan struct{}), inside: make(chan struct{}, 1)}
	here, there := open(t, first, nil), open(t, second, nil)
	b := newBrowser()
	sess := signIn(t, here, b, alice)
	wantUser(t, there, b, "alice") // also: second listens by now, or is asked each time
	for {
		h.mu.Lock()
		n := len(h.lines)
		h.mu.Unlock()
		if n == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	second.cut(true)
	second.hold()
	done := make(chan error, 1)
	go func() { _, err := load(t, there, b); done <- err }()
	<-second.inside // has read the living record
	if err := here.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	second.cut(false)
	second.let()
	if err := <-done; err != nil && !errors.Is(err, cookies.ErrNoSession) {
		t.Fatal(err)
	}
	wantNone(t, there, b)
}

// slow holds reads up after they have read.
type slow struct {
	*replica
	mu      sync.Mutex
	holding bool
	gate    chan struct{}
	inside  chan struct{}
}

func (s *slow) hold() { s.mu.Lock(); s.holding = true; s.mu.Unlock() }
func (s *slow) let()  { s.mu.Lock(); s.holding = false; s.mu.Unlock(); close(s.gate) }

func (s *slow) Load(ctx context.Context, key string) (cookies.Record, error) {
	r, err := s.replica.Load(ctx, key)
	s.mu.Lock()
	holding := s.holding
	s.mu.Unlock()
	if holding {
		s.inside <- struct{}{}
		<-s.gate
	}
	return r, err
}
