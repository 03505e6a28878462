package redisstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"foregate/cookies"
)

const (
	page     = 200             // records read at once
	walkStep = 2 * time.Second // for one page: it is many values, and nobody's request
)

// Tagged returns the keys of live records with this tag. What the set names is
// believed only if the record says so itself.
func (s *Store) Tagged(ctx context.Context, tag string, limit int) ([]string, error) {
	found := []string{}
	var from int64
	for len(found) < limit {
		var names []string
		err := s.call(ctx, "tagged", true, func(ctx context.Context) (err error) {
			names, err = s.client.ZRangeByScore(ctx, s.tag(tag), &redis.ZRangeBy{
				Min: fmt.Sprint("(", time.Now().UnixMilli()), Max: "+inf", Offset: from, Count: page,
			}).Result()
			return err
		})
		if err != nil {
			return nil, err
		}
		live, err := s.withTag(ctx, tag, names)
		if err != nil {
			return nil, err
		}
		found = append(found, live...)
		if len(names) < page {
			break
		}
		from += int64(len(live)) // the others have left the set
	}
	return found[:min(len(found), limit)], nil
}

// withTag returns those of keys whose record is there and has the tag, and takes
// the others out of the tag's set.
func (s *Store) withTag(ctx context.Context, tag string, keys []string) ([]string, error) {
	var live []string
	var gone []any
	if len(keys) == 0 {
		return nil, nil
	}
	err := s.call(ctx, "tagged", true, func(ctx context.Context) error {
		live, gone = nil, nil
		values, err := s.values(ctx, keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if r, err := decode(values[i]); err == nil && slices.Contains(r.Tags, tag) {
				live = append(live, key)
			} else {
				gone = append(gone, key)
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return s.client.ZRem(ctx, s.tag(tag), gone...).Err()
	})
	return live, err
}

// values of records; empty for those that are gone.
func (s *Store) values(ctx context.Context, keys []string) ([]string, error) {
	cmds := make([]*redis.StringCmd, len(keys))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			cmds[i] = p.Get(ctx, s.record(key))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, cmd := range cmds {
		if values[i], err = cmd.Result(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	return values, nil
}

// Walk calls visit with each live record.
func (s *Store) Walk(ctx context.Context, visit func(key string, r cookies.Record) error) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return fmt.Errorf("redisstore: walk: %w", err)
	}
	w := walk{s: s, visit: visit, seed: maphash.MakeSeed(), seen: make(map[uint64]bool)}
	for _, m := range masters {
		if err := w.node(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) masters(ctx context.Context) ([]redis.Cmdable, error) {
	c, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return []redis.Cmdable{s.client}, nil
	}
	found := make(chan redis.Cmdable, 1024)
	err := c.ForEachMaster(ctx, func(_ context.Context, m *redis.Client) error { found <- m; return nil })
	close(found)
	var all []redis.Cmdable
	for m := range found {
		all = append(all, m)
	}
	return all, err
}

// walk remembers what it has visited: SCAN may name a key several times.
type walk struct {
	s     *Store
	visit func(string, cookies.Record) error
	seed  maphash.Seed
	seen  map[uint64]bool
}

func (w *walk) node(ctx context.Context, m redis.Cmdable) error {
	prefix := w.s.cfg.Prefix + "r:{"
	for cursor := uint64(0); ; {
		keys, next, err := w.scan(ctx, m, cursor, escapeGlob(prefix)+"*")
		if err != nil {
			return fmt.Errorf("redisstore: walk: %w", err)
		}
		if err := w.visitAll(ctx, prefix, keys); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (w *walk) scan(ctx context.Context, m redis.Cmdable, cursor uint64, pattern string) ([]string, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, walkStep)
	defer cancel()
	return m.Scan(ctx, cursor, pattern, page).Result()
}

func (w *walk) visitAll(ctx context.Context, prefix string, names []string) error {
	var keys []string
	for _, name := range names {
		key := strings.TrimSuffix(strings.TrimPrefix(name, prefix), "}")
		if sum := maphash.String(w.seed, key); !w.seen[sum] {
			w.seen[sum] = true
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	step, cancel := context.WithTimeout(ctx, walkStep)
	defer cancel()
	values, err := w.s.values(step, keys)
	if err != nil {
		return fmt.Errorf("redisstore: walk: %w", err)
	}
	for i, key := range keys {
		r, err := decode(values[i])
		if err != nil || !r.Expires.After(time.Now()) {
			continue
		}
		if err := w.visit(key, r); err != nil {
			return err
		}
	}
	return nil
}

// escapeGlob keeps a prefix from being read as a pattern.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}
