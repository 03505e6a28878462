package redisstore

import (
	"context"
	"errors"
	"runtime"

	"github.com/redis/go-redis/v9"
)

const (
	readers   = 4  // batches that are under way at once
	batchMost = 64 // records of one
)

// reading is a record that somebody waits for.
type reading struct {
	key  string
	done chan read // capacity 1: whoever waits may have left
}

type read struct {
	value string
	err   error
}

// readings gathers records that are read at the same time into one round trip. A
// replica that was just started is asked for everybody's session at once, and most
// of what a read costs is the waiting for the socket.
type readings struct {
	client redis.UniversalClient
	wanted chan reading
}

func newReadings(client redis.UniversalClient) *readings {
	return &readings{client: client, wanted: make(chan reading, batchMost)}
}

// get returns the value of a key, or redis.Nil.
func (r *readings) get(ctx context.Context, key string) (string, error) {
	one := reading{key, make(chan read, 1)}
	select {
	case r.wanted <- one:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case got := <-one.done:
		return got.value, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// run reads batches until ctx ends.
func (r *readings) run(ctx context.Context) {
	batch := make([]reading, 0, batchMost)
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-r.wanted:
			runtime.Gosched() // others may be about to ask
			batch = r.gather(append(batch[:0], one))
			r.read(ctx, batch)
		}
	}
}

// gather adds what is wanted by now.
func (r *readings) gather(batch []reading) []reading {
	for len(batch) < batchMost {
		select {
		case one := <-r.wanted:
			batch = append(batch, one)
		default:
			return batch
		}
	}
	return batch
}

func (r *readings) read(ctx context.Context, batch []reading) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	if len(batch) == 1 {
		value, err := r.client.Get(ctx, batch[0].key).Result()
		batch[0].done <- read{value, err}
		return
	}
	pipe := r.client.Pipeline()
	cmds := make([]*redis.StringCmd, len(batch))
	for i, one := range batch {
		cmds[i] = pipe.Get(ctx, one.key)
	}
	_, err := pipe.Exec(ctx)
	for i, one := range batch {
		value, e := cmds[i].Result()
		if e == nil && value == "" && err != nil && !errors.Is(err, redis.Nil) {
			e = err // the whole batch failed before this one was answered
		}
		one.done <- read{value, e}
	}
}
