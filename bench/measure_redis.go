package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	nameRedis = "foregate-redis"
	nameCold  = "foregate-cold" // the same, each session for the first time
)

// shared measures Foregates that keep their sessions in Redis: with the session in
// memory, with each session for the first time, and how soon one of them hears what
// another has ended.
func (s *stand) shared(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	addr, err := s.startRedis()
	if err != nil {
		s.note("Redis is left out: %v", err)
		return nil
	}
	s.redisAddr = addr
	provider, err := s.launchRole(s.loadCore, "provider-redis", roleProvider, s.algorithm)
	if err != nil {
		return err
	}
	set := setting{name: nameRedis, method: oidcMethod(provider.addrs[0]), redis: addr}
	f, err := s.startSignedIn(ctx, set)
	if err != nil {
		return err
	}
	if err := s.warmRedis(ctx, r, f); err != nil {
		return err
	}
	cookies, err := s.fillRedis(ctx, r, f, addr)
	if err != nil {
		return err
	}
	if err := s.coldRedis(ctx, r, set, cookies); err != nil {
		return err
	}
	return s.revocation(ctx, r, f, set)
}

// startRedis starts a server that writes nothing, on the load's core.
func (s *stand) startRedis() (string, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return "", err
	}
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	_, port, _ := strings.Cut(addr, ":")
	p, err := s.launch(s.loadCore, "redis", nil, binary, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", s.dir)
	if err != nil {
		return "", err
	}
	return addr, s.answering(p, addr)
}

// warmRedis compares a signed-in request with the embedded store's.
func (s *stand) warmRedis(ctx context.Context, r *report, f *foregate) error {
	bare, err := proxied(s.bare, f.cookie)
	if err != nil {
		return err
	}
	embedded, err := proxied(s.plain.process, s.plain.cookie)
	if err != nil {
		return err
	}
	ours, err := proxied(f.process, f.cookie)
	if err != nil {
		return err
	}
	o := order{Kind: "page", Path: "/page", Conns: s.conns, For: s.length, Size: pageSize}
	jobs := []job{bare.ask(o), embedded.ask(o), ours.ask(o)}
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add(fmt.Sprintf("Signed-in GET of 1 KiB with Redis, %d at once", s.conns), nameBare, jobs, all)
	r.atMost("redis", "CPU of a signed-in request with Redis, to the embedded store", all.ratio(nameRedis, nameOurs, sample.perRequest), 1.05, times)
	o.For = s.short()
	grown, err := s.growth(ctx, f.admin, ours.ask(o))
	if err != nil {
		return err
	}
	r.atMost("P5", fmt.Sprintf("commands to Redis for each of %d signed-in requests", grown.done), grown.of(metricStoreOps)/float64(grown.done), 0.02, "%.4f")
	return nil
}

// fillRedis signs many people in and looks at what that takes.
func (s *stand) fillRedis(ctx context.Context, r *report, f *foregate, addr string) ([]string, error) {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	before, err := usedMemory(ctx, client)
	if err != nil {
		return nil, err
	}
	out, err := s.carryOut(ctx, f.signInOrder(8, time.Minute, int64(s.sessions)))
	if err != nil {
		return nil, err
	}
	after, err := usedMemory(ctx, client)
	if err != nil {
		return nil, err
	}
	n := float64(len(out.Cookies))
	r.atMost("P13", "Redis's memory for a session with its ID token, of "+whole.show(n), (after-before)/n, 3000, inBytes)
	return out.Cookies, nil
}

// usedMemory is what Redis holds, in bytes.
func usedMemory(ctx context.Context, c *redis.Client) (float64, error) {
	info, err := c.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, errors.New("redis does not tell its memory")
}

// coldRedis asks a Foregate that has worked for one person with each other session
// once.
func (s *stand) coldRedis(ctx context.Context, r *report, set setting, cookies []string) error {
	warm := order{Kind: "page", Path: "/page", Cookies: cookies[:1], Conns: s.conns, For: 2 * s.short(), Size: pageSize}
	o := order{Kind: "page", Path: "/page", Cookies: cookies, Most: int64(len(cookies)), Conns: s.conns, For: time.Minute, Size: pageSize}
	all := make(series)
	var jobs []job
	for round := range s.rounds {
		set.name = fmt.Sprint(nameCold, "-", round)
		f, err := s.startForegate(s.built.foregate, set)
		if err != nil {
			return err
		}
		bare, err := proxied(s.bare, "")
		if err != nil {
			return err
		}
		cold, err := proxied(f.process, "")
		if err != nil {
			return err
		}
		cold.name = nameCold
		if _, err := s.run(ctx, cold.ask(warm)); err != nil {
			return err
		}
		jobs = []job{bare.ask(o), cold.ask(o)}
		for _, j := range jobs {
			j.Cookies = cookies
			got, err := s.run(ctx, j)
			if err != nil {
				return err
			}
			all[j.name] = append(all[j.name], got)
		}
	}
	r.add(fmt.Sprintf("Signed-in GET of 1 KiB with Redis, each of %d sessions for the first time", len(cookies)), nameBare, jobs, all)
	r.atMost("P6", "CPU of the first request of a session, to bare", all.ratio(nameCold, nameBare, sample.perRequest), 1.6, times)
	return nil
}

// revocation signs out on one Foregate and asks another until it knows.
func (s *stand) revocation(ctx context.Context, r *report, here *foregate, set setting) error {
	set.name = "foregate-there"
	there, err := s.startForegate(s.built.foregate, set)
	if err != nil {
		return err
	}
	var slowest time.Duration
	for range 20 {
		if err := s.signIn(ctx, here); err != nil {
			return err
		}
		if status, err := fetch(ctx, there.addrs[0], http.MethodGet, "/page", here.cookie); err != nil || status != http.StatusOK {
			return fmt.Errorf("the other Foregate answers %d, %w", status, err)
		}
		began := time.Now()
		if _, err := fetch(ctx, here.addrs[0], http.MethodPost, "/sso/sign-out", here.cookie); err != nil {
			return err
		}
		for {
			status, err := fetch(ctx, there.addrs[0], http.MethodGet, "/page", here.cookie)
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				break
			}
		}
		slowest = max(slowest, time.Since(began))
	}
	r.atMost("P7", "slowest of 20 sign-outs to hold on another Foregate", float64(slowest.Microseconds())/1e3, 1000, millis)
	return nil
}

// fetch makes one request and returns the status of the answer.
func fetch(ctx context.Context, addr, method, path, cookie string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// dataDir is where a Foregate of this stand keeps its file.
func (s *stand) dataDir(name string) string { return filepath.Join(s.dir, name+"-files", "data") }
