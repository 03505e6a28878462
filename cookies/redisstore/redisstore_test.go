package redisstore

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"foregate/cookies"
	"foregate/cookies/storetest"
	"foregate/internal/redistest"
)

// shapes are the ways in which Redis can be set up.
var shapes = map[string]func(t *testing.T) Config{
	"single": func(t *testing.T) Config { return Config{Addresses: []string{redistest.Start(t).Addr}} },
	"sentinel": func(t *testing.T) Config {
		s := redistest.StartSentinel(t)
		return Config{Addresses: s.Addresses, Sentinel: s.Master}
	},
	"cluster": func(t *testing.T) Config { return Config{Addresses: redistest.StartCluster(t), Cluster: true} },
}

func TestStore(t *testing.T) {
	for name, start := range shapes {
		t.Run(name, func(t *testing.T) {
			cfg := start(t)
			storetest.Run(t, func(t *testing.T) cookies.Store {
				c := cfg
				c.Prefix = rand.Text() + "*:"
				return open(t, c)
			})
			storetest.RunShared(t, func(t *testing.T) cookies.Store {
				c := cfg
				c.Prefix = t.Name() + ":"
				return open(t, c)
			})
		})
	}
}

func TestDurable(t *testing.T) {
	cfg := shapes["single"](t)
	storetest.RunDurable(t, func(t *testing.T, folder string) cookies.Store {
		c := cfg
		c.Prefix = folder + ":"
		return open(t, c)
	})
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := Open(cfg)
	redistest.Eventually(t, "the store answers", func() bool {
		_, err := s.Load(t.Context(), "nothing")
		return err == cookies.ErrNotFound
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func record(value string) cookies.Record {
	return cookies.Record{Data: []byte(value), Expires: time.Now().Add(time.Hour)}
}

// logs is a log that a test reads.
func logs() (*slog.Logger, *bytes.Buffer) {
	b := &bytes.Buffer{}
	return slog.New(slog.NewTextHandler(b, nil)), b
}
