package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// spentPrefix begins the keys of marks on what may be used once, see
// cookies.Spent. Replication of Redis is asynchronous: a mark that only the master
// had is gone when that dies, and a code or token could be used again.
const spentPrefix = "spent:"

const replicaTime = 100 * time.Millisecond // for a replica to have a mark

// errNoReplica says that no replica has confirmed a mark.
var errNoReplica = errors.New("no replica has confirmed it in time")

// createSafely creates a record and waits until one replica has it. A master
// without any replica needs none: nothing could take its place.
func (s *Store) createSafely(ctx context.Context, name, value string, expires time.Time) (int, error) {
	node, err := s.nodeOf(ctx, name)
	if err != nil {
		return 0, err
	}
	conn := node.Conn() // WAIT is about what this connection wrote
	defer conn.Close()
	var created *redis.Cmd
	var info *redis.StringCmd
	_, err = conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		created = p.Eval(ctx, createLua, []string{name}, value, expires.UnixMilli())
		info = p.Info(ctx, "replication")
		return nil
	})
	if err != nil {
		return 0, err
	}
	n, err := created.Int()
	if err != nil || n != 1 {
		return n, err
	}
	if replicas, ok := infoNumber(info.Val(), "connected_slaves"); ok && replicas == 0 {
		return n, nil
	}
	copies, err := conn.Do(ctx, "wait", 1, replicaTime.Milliseconds()).Int()
	if err == nil && copies == 0 {
		err = errNoReplica
	}
	return n, err
}

// nodeOf is where a key lives.
func (s *Store) nodeOf(ctx context.Context, name string) (*redis.Client, error) {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, name)
	case *redis.Client:
		return c, nil
	}
	return nil, fmt.Errorf("a client of type %T", s.client)
}

// infoNumber reads a line of INFO: "connected_slaves:1".
func infoNumber(info, name string) (int, bool) {
	text, ok := infoText(info, name)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil
}

func infoText(info, name string) (string, bool) {
	for line := range strings.SplitSeq(info, "\n") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value, true
		}
	}
	return "", false
}
