package redisstore

import (
	"context"
	"time"
)

const inspectEvery = time.Second // until Redis is there

// inspect looks once, as soon as Redis is there, whether it would throw sessions
// away when its memory is full.
func (s *Store) inspect(ctx context.Context) {
	for waiting := false; ; waiting = true {
		err := s.client.Ping(ctx).Err()
		if err == nil {
			break
		}
		if !waiting && ctx.Err() == nil {
			s.log.Warn("Redis is not there yet; requests are refused until it is", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(inspectEvery):
		}
	}
	policy, ok := s.evictionPolicy(ctx)
	switch {
	case ctx.Err() != nil:
	case !ok:
		s.log.Info("Redis does not tell its maxmemory-policy; make sure that it is noeviction, or sessions may vanish")
	case policy != "noeviction":
		s.log.Warn("Redis may throw sessions away when its memory is full: set maxmemory-policy to noeviction", "maxmemory_policy", policy)
	}
}

// evictionPolicy asks in two ways, of which an ACL may forbid either.
func (s *Store) evictionPolicy(ctx context.Context) (string, bool) {
	if all, err := s.client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil && all["maxmemory-policy"] != "" {
		return all["maxmemory-policy"], true
	}
	info, err := s.client.Info(ctx, "memory").Result()
	if err != nil {
		return "", false
	}
	return infoText(info, "maxmemory_policy")
}
