package command

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
	"foregate/cookies/redisstore"
	"foregate/internal/config"
	"foregate/internal/database"
)

// looksOf lists all that a configuration needs of others.
func looksOf(file *config.File) []look {
	var all []look
	for i := range file.Methods {
		m := &file.Methods[i]
		c, ok := m.Config.(authn.Checker)
		if !ok {
			continue
		}
		for _, check := range c.Checks() {
			all = append(all, look{m.Kind, m.Name, check})
		}
	}
	if file.Mail != nil {
		all = append(all, look{"mail", "mail", file.Mail.Check()})
	}
	all = append(all, storageLooks(file)...)
	for i := range file.Apps {
		app := &file.Apps[i]
		all = append(all, upstreamLooks(app.Name, &app.Upstream)...)
		for j := range app.Upstreams {
			u := &app.Upstreams[j]
			all = append(all, upstreamLooks(app.Name+u.Path, &u.Upstream)...)
		}
	}
	return append(all, certificateLooks(file)...)
}

func storageLooks(file *config.File) []look {
	var all []look
	s := &file.Storage
	if len(s.Redis.Addresses) > 0 {
		all = append(all, look{"storage", "redis", authn.Check{Target: strings.Join(s.Redis.Addresses, ", "), Look: redisLook(s.Redis)}})
	}
	if !s.Postgres.Empty() {
		all = append(all, look{"storage", "postgres", authn.Check{Look: postgresLook(s.Postgres)}})
	}
	if len(s.Redis.Addresses) == 0 || s.Postgres.Empty() && file.NeedsAccounts() || len(file.Session.Secrets) == 0 {
		all = append(all, look{"storage", "file", authn.Check{Target: string(s.Path), Look: func(context.Context, *authn.Witness) authn.Finding {
			there, err := database.LookFolder(string(s.Path))
			f := authn.Finding{Err: err, Detail: "can be written"}
			if !there {
				f.Detail = "is made at the first start"
			}
			return f
		}}})
	}
	return all
}

// RedisConfig is how to reach Redis.
func RedisConfig(c config.Redis) (redisstore.Config, error) {
	encryption, err := RedisTLS(c.TLS)
	if err != nil {
		return redisstore.Config{}, err
	}
	return redisstore.Config{
		Addresses: c.Addresses, Sentinel: c.Sentinel, Cluster: c.Cluster, Database: c.Database, Prefix: c.Prefix + ":",
		Username: c.Username, Password: c.Password.Reveal(),
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword.Reveal(),
		TLS: encryption,
	}, nil
}

func redisLook(c config.Redis) func(context.Context, *authn.Witness) authn.Finding {
	return func(ctx context.Context, w *authn.Witness) authn.Finding {
		cfg, err := RedisConfig(c)
		if err != nil {
			return authn.Finding{Err: err}
		}
		if cfg.TLS != nil {
			cfg.TLS = w.TLS(cfg.TLS)
		}
		asked := time.Now()
		seen, err := cfg.Look(ctx)
		switch {
		case redisstore.RefusedPassword(err):
			return authn.Finding{Err: err, Remedy: "compare storage.redis.username and password with Redis's access control list"}
		case err != nil:
			return authn.Finding{Err: err}
		case !seen.Shown:
			return authn.Finding{
				Detail: "connected; the password was not sent", Warning: "the connection is not encrypted: password and records can be read on the way",
				Remedy: "set storage.redis.tls",
			}
		}
		w.Clock(seen.Clock, asked)
		f := authn.Finding{Detail: "Redis " + seen.Version}
		if seen.Policy != "" && seen.Policy != "noeviction" {
			f.Warning = "it may throw sessions away when its memory is full (maxmemory-policy " + seen.Policy + ")"
			f.Remedy = "set maxmemory-policy to noeviction"
		}
		return f
	}
}

func postgresLook(dsn authn.Secret) func(context.Context, *authn.Witness) authn.Finding {
	return func(ctx context.Context, w *authn.Witness) authn.Finding {
		asked := time.Now()
		seen, err := database.LookPostgres(ctx, dsn.Reveal(), w.TLS)
		switch {
		case err != nil:
			return authn.Finding{Err: err}
		case !seen.Shown:
			return authn.Finding{
				Detail:  seen.Address + " connected; the password was not sent",
				Warning: "the server's certificate is not checked, so anybody on the way can read the password",
				Remedy:  "write sslmode=verify-full, and sslrootcert=FILE for an authority of your own",
			}
		}
		w.Clock(seen.Clock, asked)
		f := authn.Finding{Detail: seen.Address + " PostgreSQL " + seen.Version}
		if seen.Asleep {
			f.Err, f.Remedy = fmt.Errorf("%s is a standby: nothing can be written", seen.Address), "write the address of the primary, or all with target_session_attrs=read-write"
		}
		return f
	}
}

// upstreamLooks looks at each address of an upstream, if it has any.
func upstreamLooks(name string, u *config.Upstream) []look {
	var all []look
	if u.URL == nil {
		return all
	}
	for _, address := range append([]*url.URL{u.URL}, u.Also...) {
		one := *u
		one.URL, one.Also = address, nil
		all = append(all, look{"upstream", name, authn.Check{Target: address.String(), Look: upstreamLook(&one)}})
	}
	return all
}

// upstreamLook asks the application for its first page, as nobody: any answer shows
// that it is there.
func upstreamLook(u *config.Upstream) func(context.Context, *authn.Witness) authn.Finding {
	return func(ctx context.Context, w *authn.Witness) authn.Finding {
		way, err := routeTo(u)
		if err != nil {
			return authn.Finding{Err: err}
		}
		status, err := way.Look(ctx, w)
		if err != nil {
			return authn.Finding{Err: err}
		}
		f := authn.Finding{Detail: fmt.Sprintf("answers %d", status)}
		if status >= 500 {
			f.Warning, f.Remedy = "the application says that it is in trouble", "look at the application's log"
		}
		return f
	}
}
