package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"foregate/internal/resolve"
)

// Config says where Redis is. One address is a single server; Sentinel makes the
// addresses those of sentinels, Cluster those of some nodes.
type Config struct {
	Addresses        []string // host:port
	Sentinel         string   // name of the master that the sentinels watch
	Cluster          bool
	Username         string // of an ACL user; empty: the default user
	Password         string
	SentinelUsername string
	SentinelPassword string
	Database         int         // 0 in a cluster
	Prefix           string      // of every key and of the channel
	TLS              *tls.Config // nil: plain text
	Log              *slog.Logger
}

const (
	stepTime = 200 * time.Millisecond // for Redis to answer one command
	callTime = 450 * time.Millisecond // for one call in all, its second try included
	poolSize = 64
)

// client is a connection pool in the shape that cfg names. It never retries by
// itself: what may be tried again is decided here.
func (cfg Config) client() redis.UniversalClient {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case cfg.Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, TLSConfig: cfg.TLS, Dialer: cfg.dial,
			Protocol: 2, DisableIdentity: true, MaxRedirects: 3, MaxRetries: -1, ContextTimeoutEnabled: true,
			DialTimeout: stepTime, DialerRetries: 1, ReadTimeout: stepTime, WriteTimeout: stepTime, PoolTimeout: stepTime, PoolSize: poolSize,
			MaintNotificationsConfig: quiet,
		})
	case cfg.Sentinel != "":
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: cfg.Sentinel, SentinelAddrs: cfg.Addresses, SentinelUsername: cfg.SentinelUsername, SentinelPassword: cfg.SentinelPassword,
			Username: cfg.Username, Password: cfg.Password, DB: cfg.Database, TLSConfig: cfg.TLS, Dialer: cfg.dial,
			Protocol: 2, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true,
			DialTimeout: stepTime, DialerRetries: 1, ReadTimeout: stepTime, WriteTimeout: stepTime, PoolTimeout: stepTime, PoolSize: poolSize,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: cfg.Addresses[0], Username: cfg.Username, Password: cfg.Password, DB: cfg.Database, TLSConfig: cfg.TLS, Dialer: cfg.dial,
		Protocol: 2, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true,
		DialTimeout: stepTime, DialerRetries: 1, ReadTimeout: stepTime, WriteTimeout: stepTime, PoolTimeout: stepTime, PoolSize: poolSize,
		MaintNotificationsConfig: quiet,
	})
}

// dial is how the client would connect by itself, but for the names.
func (cfg Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := resolve.Dial(ctx, &net.Dialer{Timeout: stepTime, KeepAlive: 5 * time.Minute}, network, address)
	if err != nil || cfg.TLS == nil {
		return conn, err
	}
	trust := cfg.TLS.Clone()
	if trust.ServerName == "" {
		trust.ServerName, _, _ = net.SplitHostPort(address)
	}
	encrypted := tls.Client(conn, trust)
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}

// warn says at the start what about this set-up can lose sessions or show them.
func (cfg Config) warn() {
	if cfg.TLS != nil {
		return
	}
	for _, a := range cfg.Addresses {
		host, _, _ := net.SplitHostPort(a)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			cfg.Log.Warn(fmt.Sprintf("the connection to Redis at %s is not encrypted: its password and records can be read on the way; set storage.redis.tls", a))
			return
		}
	}
}
