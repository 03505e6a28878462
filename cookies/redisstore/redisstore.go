// Package redisstore is a cookies.Store in Redis, shared by all replicas: a single
// server, one watched by sentinels, or a cluster.
//
// A record is one string (record.go), changed by scripts that touch that one key
// (scripts.go). Tags are sorted sets beside it, which may name records that are
// gone: who reads them looks. What Update and Delete change is published in the
// same script, for replicas that keep records in memory (follow.go). No call
// takes longer than half a second; when Redis does not answer, breaker.go refuses
// at once until it does.
package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"foregate/cookies"
)

var errClosed = errors.New("redisstore: closed")

// Store keeps records, tags and counts in Redis.
type Store struct {
	cfg     Config
	client  redis.UniversalClient
	breaker *breaker
	reads   *readings
	self    string // names this process in what it publishes
	log     *slog.Logger

	calls   sync.RWMutex // held for reading during a call
	closed  bool
	stop    context.CancelFunc
	started sync.WaitGroup
}

// Open returns a store at once, also when Redis is not there yet: calls fail until
// it is. What is wrong with the way Redis is set up goes to the log.
func Open(cfg Config) *Store {
	redis.SetLogger(quiet{cfg.Log})
	s := &Store{cfg: cfg, client: cfg.client(), self: rand.Text(), log: cfg.Log}
	s.reads = newReadings(s.client)
	s.breaker = newBreaker(func(ctx context.Context) error { return s.client.Ping(ctx).Err() }, cfg.Log)
	cfg.warn()
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.started.Go(func() { s.inspect(ctx) })
	for range readers {
		s.started.Go(func() { s.reads.run(ctx) })
	}
	return s
}

// quiet takes what the client says of its connections: what matters of it is an
// error of a call too.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(ctx context.Context, format string, v ...any) {
	q.log.DebugContext(ctx, "redis client", "said", fmt.Sprintf(format, v...))
}

func (s *Store) record(key string) string { return s.cfg.Prefix + "r:{" + key + "}" }
func (s *Store) tag(tag string) string    { return s.cfg.Prefix + "t:{" + tag + "}" }
func (s *Store) count(key string) string  { return s.cfg.Prefix + "c:{" + key + "}" }
func (s *Store) channel() string          { return s.cfg.Prefix + "changed" }

// told is what others are sent about a record that changed.
func (s *Store) told(key string) string { return s.self + " " + key }

// call makes one call of the store of do, which is tried again if Redis did not
// answer and repeat says that it may be.
func (s *Store) call(ctx context.Context, deed string, repeat bool, do func(context.Context) error) error {
	s.calls.RLock()
	defer s.calls.RUnlock()
	if s.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.breaker.allow(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := do(ctx)
	if repeat && unanswered(err) && ctx.Err() == nil {
		err = do(ctx)
	}
	s.breaker.note(err)
	if err != nil && !verdict(err) {
		return fmt.Errorf("redisstore: %s: %w", deed, err)
	}
	return err
}

// verdict reports whether err says something about the record.
func verdict(err error) bool {
	return errors.Is(err, cookies.ErrNotFound) || errors.Is(err, cookies.ErrExists) || errors.Is(err, cookies.ErrConflict)
}

// Create stores a new record. Its tags come first: a session that could not be
// found by them could not be ended.
func (s *Store) Create(ctx context.Context, key string, r cookies.Record) error {
	if !r.Expires.After(time.Now()) {
		return s.createExpired(ctx, key)
	}
	value, err := encode(r)
	if err != nil {
		return err
	}
	if len(r.Tags) > 0 {
		if err := s.call(ctx, "tag", true, func(ctx context.Context) error { return s.addTags(ctx, key, r) }); err != nil {
			return err
		}
	}
	return s.call(ctx, "create", true, func(ctx context.Context) error {
		n, err := s.createOn(ctx, key, value, r.Expires)
		if err == nil && n != 1 {
			return cookies.ErrExists
		}
		return err
	})
}

// createExpired: a record that has expired already takes no place.
func (s *Store) createExpired(ctx context.Context, key string) error {
	_, err := s.Load(ctx, key)
	switch {
	case errors.Is(err, cookies.ErrNotFound):
		return nil
	case err == nil:
		return cookies.ErrExists
	}
	return err
}

func (s *Store) addTags(ctx context.Context, key string, r cookies.Record) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, t := range r.Tags {
			p.Eval(ctx, tagLua, []string{s.tag(t)}, key, r.Expires.UnixMilli(), time.Now().UnixMilli())
		}
		return nil
	})
	return err
}

// createOn waits for a replica to have the record where it must not be lost in a
// failover.
func (s *Store) createOn(ctx context.Context, key, value string, expires time.Time) (int, error) {
	name := s.record(key)
	if !strings.HasPrefix(key, spentPrefix) || s.cfg.Sentinel == "" && !s.cfg.Cluster {
		return s.client.Eval(ctx, createLua, []string{name}, value, expires.UnixMilli()).Int()
	}
	return s.createSafely(ctx, name, value, expires)
}

// Load returns the record.
func (s *Store) Load(ctx context.Context, key string) (cookies.Record, error) {
	r, err := s.whole(ctx, key)
	r.Tags, r.Note = nil, nil
	return r, err
}

// Note returns the record's note.
func (s *Store) Note(ctx context.Context, key string) (cookies.Record, error) {
	r, err := s.whole(ctx, key)
	r.Data, r.Tags = nil, nil
	return r, err
}

func (s *Store) whole(ctx context.Context, key string) (cookies.Record, error) {
	var value string
	err := s.call(ctx, "load", true, func(ctx context.Context) (err error) {
		value, err = s.reads.get(ctx, s.record(key))
		if errors.Is(err, redis.Nil) {
			return cookies.ErrNotFound
		}
		return err
	})
	if err != nil {
		return cookies.Record{}, err
	}
	r, err := decode(value)
	if err != nil {
		// Whatever it is, it is nobody's session.
		s.log.WarnContext(ctx, "a record in Redis cannot be read", "bytes", len(value))
		return cookies.Record{}, cookies.ErrNotFound
	}
	if !r.Expires.After(time.Now()) {
		return cookies.Record{}, cookies.ErrNotFound
	}
	return r, nil
}

// Update replaces the record if it is still the one with r.Version, and tells the
// others.
func (s *Store) Update(ctx context.Context, key string, r cookies.Record) error {
	if !r.Expires.After(time.Now()) {
		return s.updateExpired(ctx, key)
	}
	args := s.updateArgs(r, s.channel(), s.told(key))
	return s.call(ctx, "update", true, func(ctx context.Context) error {
		n, err := s.client.Eval(ctx, updateLua, []string{s.record(key)}, args...).Int()
		return updated(n, err)
	})
}

// updateExpired: a record that expires in the past goes.
func (s *Store) updateExpired(ctx context.Context, key string) error {
	if _, err := s.Load(ctx, key); err != nil {
		return err
	}
	return s.Delete(ctx, key)
}

func (s *Store) updateArgs(r cookies.Record, channel, message string) []any {
	return []any{version(r.Version), string(head(r.Version+1, r.Expires)), string(r.Data), r.Expires.UnixMilli(), channel, message}
}

func updated(n int, err error) error {
	switch {
	case err != nil:
		return err
	case n == 0:
		return cookies.ErrNotFound
	case n < 0:
		return cookies.ErrConflict
	}
	return nil
}

// UpdateAll does many updates with one round trip, and tells nobody.
func (s *Store) UpdateAll(ctx context.Context, updates []cookies.Update) error {
	if len(updates) == 0 {
		return nil
	}
	args := make([][]any, len(updates))
	for i, u := range updates {
		args[i] = s.updateArgs(u.Record, "", "")
	}
	return s.call(ctx, "update many", true, func(ctx context.Context) error {
		cmds := make([]*redis.Cmd, len(updates))
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, u := range updates {
				cmds[i] = p.Eval(ctx, updateLua, []string{s.record(u.Key)}, args[i]...)
			}
			return nil
		})
		answered := false
		for i, cmd := range cmds {
			n, e := cmd.Int()
			if updates[i].Err = updated(n, e); updates[i].Err == nil || verdict(updates[i].Err) {
				answered = true
			}
		}
		if answered {
			return nil
		}
		return err
	})
}

// Delete removes the record and tells the others.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.call(ctx, "delete", true, func(ctx context.Context) error {
		return s.client.Eval(ctx, deleteLua, []string{s.record(key)}, s.channel(), s.told(key)).Err()
	})
}

// Count adds one to key. It is never tried again: that could count twice.
func (s *Store) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	var n int
	err := s.call(ctx, "count", false, func(ctx context.Context) (err error) {
		n, err = s.client.Eval(ctx, countLua, []string{s.count(key)}, max(1, window.Milliseconds())).Int()
		return err
	})
	return n, err
}

// Forget removes the count of key.
func (s *Store) Forget(ctx context.Context, key string) error {
	return s.call(ctx, "forget", true, func(ctx context.Context) error { return s.client.Del(ctx, s.count(key)).Err() })
}

// Close waits for calls under way and closes all connections.
func (s *Store) Close() error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.stop()
	s.started.Wait()
	s.breaker.close()
	return s.client.Close()
}
