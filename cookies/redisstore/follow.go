package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	beatEvery = 400 * time.Millisecond
	deafAfter = 1200 * time.Millisecond // without a beat of one's own
	beat      = "."
)

// Follow reports what other processes change. Whether it would hear of changes is
// tried all the time: it publishes a beat by the way that changes take, and while
// its own beats do not come back it does not claim to hear anything. That covers a
// frozen server, a cut connection and a subscription to a master that is no longer
// the master.
func (s *Store) Follow(ctx context.Context, changed func(key string), following func(bool)) {
	beating := make(chan struct{})
	go func() { defer close(beating); s.beat(ctx) }()
	defer func() { <-beating }()
	for ctx.Err() == nil {
		s.listen(ctx, changed, following)
		select {
		case <-ctx.Done():
		case <-time.After(beatEvery / 2):
		}
	}
}

// beat publishes beats until ctx ends.
func (s *Store) beat(ctx context.Context) {
	for {
		_ = s.call(ctx, "beat", false, func(ctx context.Context) error {
			return s.client.Publish(ctx, s.channel(), s.told(beat)).Err()
		})
		select {
		case <-ctx.Done():
			return
		case <-time.After(beatEvery):
		}
	}
}

// listen reads one subscription until it is in doubt.
func (s *Store) listen(ctx context.Context, changed func(string), following func(bool)) {
	sub := s.client.Subscribe(ctx, s.channel())
	defer sub.Close()
	claimed := false
	defer func() {
		if claimed {
			following(false)
		}
	}()
	for heard := time.Now(); time.Since(heard) < deafAfter && ctx.Err() == nil; {
		got, err := sub.ReceiveTimeout(ctx, beatEvery)
		if err != nil {
			var network net.Error
			if errors.As(err, &network) && network.Timeout() {
				continue
			}
			return
		}
		switch got := got.(type) {
		case *redis.Subscription:
			if claimed {
				return // it was made anew behind our back: changes may be missed
			}
		case *redis.Message:
			from, key, _ := strings.Cut(got.Payload, " ")
			switch {
			case from != s.self:
				if key != beat {
					changed(key)
				}
			case key == beat:
				heard = time.Now()
				if !claimed {
					claimed = true
					following(true)
				}
			}
		}
	}
}
