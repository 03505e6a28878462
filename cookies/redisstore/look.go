package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Seen is what a look at Redis found.
type Seen struct {
	Version string
	Policy  string    // what happens when its memory is full; empty: it does not tell
	Clock   time.Time // of the server
	Shown   bool      // false: the password was not sent, since nothing proves who would get it
}

// Look asks Redis once whether it can be used, and changes nothing. A password goes
// over TLS or stays on this machine; otherwise Look only connects.
func (cfg Config) Look(ctx context.Context) (Seen, error) {
	if !cfg.private() {
		return Seen{}, cfg.reach(ctx)
	}
	redis.SetLogger(quiet{slog.New(slog.DiscardHandler)}) // what matters is in the error
	client := cfg.client()
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return Seen{}, err
	}
	seen := Seen{Shown: true}
	var err error
	if seen.Clock, err = client.Time(ctx).Result(); err != nil {
		return seen, fmt.Errorf("time: %w", err)
	}
	s := Store{client: client}
	seen.Policy, _ = s.evictionPolicy(ctx)
	if info, err := client.Info(ctx, "server").Result(); err == nil {
		seen.Version, _ = infoText(info, "redis_version")
	}
	return seen, nil
}

func (cfg Config) private() bool {
	if cfg.TLS != nil && !cfg.TLS.InsecureSkipVerify || cfg.Password == "" && cfg.SentinelPassword == "" {
		return true
	}
	for _, a := range cfg.Addresses {
		host, _, _ := net.SplitHostPort(a)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// reach connects to each address and says nothing.
func (cfg Config) reach(ctx context.Context) error {
	var faults []error
	for _, a := range cfg.Addresses {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", a)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		_ = conn.Close()
	}
	return errors.Join(faults...)
}

// RefusedPassword reports whether err is Redis's answer that it does not know us.
func RefusedPassword(err error) bool {
	return err != nil && (redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "NOPERM") ||
		strings.Contains(err.Error(), "without any password configured"))
}
