// Package memstore is a cookies.Store in memory: for tests, and to be read as
// the plainest answer to what a store does. Everything is gone when it closes.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"foregate/cookies"
)

var (
	errClosed = errors.New("memstore: closed")
	errFull   = errors.New("memstore: full")
)

const (
	most  = 1_000_000 // records and counts, each
	sweep = time.Minute
)

// Store keeps records and counts in maps.
type Store struct {
	mu      sync.Mutex
	most    int
	records map[string]cookies.Record
	tagged  map[string]map[string]bool // keys of records by tag
	counts  map[string]count
	swept   time.Time
	closed  bool
}

type count struct {
	n     int
	until time.Time
}

// New returns an empty store that holds up to a million records.
func New() *Store { return newBounded(most) }

func newBounded(most int) *Store {
	return &Store{
		most:    most,
		records: make(map[string]cookies.Record),
		tagged:  make(map[string]map[string]bool),
		counts:  make(map[string]count),
		swept:   time.Now(),
	}
}

// Create stores a new record.
func (s *Store) Create(ctx context.Context, key string, r cookies.Record) error {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, ok := s.live(key, now); ok {
		return cookies.ErrExists
	}
	if len(s.records) >= s.most && !s.madeRoom(now) {
		return errFull
	}
	r.Tags = slices.Clone(r.Tags)
	s.put(key, r, 1)
	for _, tag := range r.Tags {
		if s.tagged[tag] == nil {
			s.tagged[tag] = make(map[string]bool)
		}
		s.tagged[tag][key] = true
	}
	return nil
}

// Load returns a copy of the record.
func (s *Store) Load(ctx context.Context, key string) (cookies.Record, error) {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return cookies.Record{}, err
	}
	defer unlock()
	r, ok := s.live(key, now)
	if !ok {
		return cookies.Record{}, cookies.ErrNotFound
	}
	r.Data, r.Tags, r.Note = bytes.Clone(r.Data), nil, nil
	return r, nil
}

// Note returns a copy of the record's note.
func (s *Store) Note(ctx context.Context, key string) (cookies.Record, error) {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return cookies.Record{}, err
	}
	defer unlock()
	r, ok := s.live(key, now)
	if !ok {
		return cookies.Record{}, cookies.ErrNotFound
	}
	r.Data, r.Tags, r.Note = nil, nil, bytes.Clone(r.Note)
	return r, nil
}

// Update replaces the record if it is still the one with r.Version.
func (s *Store) Update(ctx context.Context, key string, r cookies.Record) error {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	old, ok := s.live(key, now)
	if !ok {
		return cookies.ErrNotFound
	}
	if old.Version != r.Version {
		return cookies.ErrConflict
	}
	r.Tags, r.Note = old.Tags, old.Note
	s.put(key, r, r.Version+1)
	return nil
}

// Delete removes the record.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.drop(key)
	return nil
}

// Tagged returns the keys of records with this tag.
func (s *Store) Tagged(ctx context.Context, tag string, limit int) ([]string, error) {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	keys := []string{}
	for key := range s.tagged[tag] {
		if len(keys) == limit {
			break
		}
		if _, ok := s.live(key, now); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Walk visits what was there when it began.
func (s *Store) Walk(ctx context.Context, visit func(key string, r cookies.Record) error) error {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	all := maps.Clone(s.records)
	unlock()
	for key, r := range all {
		if !now.Before(r.Expires) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Data, r.Tags, r.Note = bytes.Clone(r.Data), slices.Clone(r.Tags), bytes.Clone(r.Note)
		if err := visit(key, r); err != nil {
			return err
		}
	}
	return nil
}

// Count adds one to key.
func (s *Store) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	now, unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	c, ok := s.counts[key]
	if !ok && len(s.counts) >= s.most && !s.madeRoom(now) {
		return 0, errFull
	}
	if !ok || !now.Before(c.until) {
		c = count{until: now.Add(window)}
	}
	c.n++
	s.counts[key] = c
	return c.n, nil
}

// Forget removes the count of key.
func (s *Store) Forget(ctx context.Context, key string) error {
	_, unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	delete(s.counts, key)
	return nil
}

// Close drops everything.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.records, s.tagged, s.counts = true, nil, nil, nil
	return nil
}

// lock takes the store for one call and, now and then, for sweeping.
func (s *Store) lock(ctx context.Context) (now time.Time, unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return time.Time{}, nil, errClosed
	}
	now = time.Now()
	if now.Sub(s.swept) >= sweep {
		s.sweep(now)
	}
	return now, s.mu.Unlock, nil
}

func (s *Store) sweep(now time.Time) {
	s.swept = now
	for key, r := range s.records {
		if !now.Before(r.Expires) {
			s.drop(key)
		}
	}
	for key, c := range s.counts {
		if !now.Before(c.until) {
			delete(s.counts, key)
		}
	}
}

// madeRoom sweeps a full store, but not for each call: that would make a flood
// expensive.
func (s *Store) madeRoom(now time.Time) bool {
	if now.Sub(s.swept) >= time.Second {
		s.sweep(now)
	}
	return len(s.records) < s.most && len(s.counts) < s.most
}

func (s *Store) live(key string, now time.Time) (cookies.Record, bool) {
	r, ok := s.records[key]
	if ok && !now.Before(r.Expires) {
		s.drop(key)
		ok = false
	}
	return r, ok
}

// drop takes a record away, and its tags with it.
func (s *Store) drop(key string) {
	for _, tag := range s.records[key].Tags {
		if delete(s.tagged[tag], key); len(s.tagged[tag]) == 0 {
			delete(s.tagged, tag)
		}
	}
	delete(s.records, key)
}

func (s *Store) put(key string, r cookies.Record, version int64) {
	s.records[key] = cookies.Record{
		Data:    bytes.Clone(r.Data),
		Expires: r.Expires.Truncate(time.Millisecond),
		Version: version,
		Tags:    r.Tags,
		Note:    bytes.Clone(r.Note),
	}
}
