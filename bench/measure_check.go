package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// nameCheck is Foregate when another proxy carries the requests, and asks about each.
const nameCheck = "foregate-check"

// checks measures forward auth: what a question costs beside a request that Foregate
// carries itself. Both have a session of the local user.
func (s *stand) checks(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	f, err := s.startAsked(ctx)
	if err != nil {
		return err
	}
	targets, err := s.everybody()
	if err != nil {
		return err
	}
	asked, err := proxied(f.process, f.cookie)
	if err != nil {
		return err
	}
	jobs := append(
		jobsFor(named(targets, nameBare, nameOurs), order{Kind: "page", Path: "/page", Conns: s.conns, For: s.short(), Size: pageSize}),
		asked.ask(question(asked.host, s.conns, s.short())),
	)
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add(fmt.Sprintf("Forward auth: a question about a signed-in GET, %d at once, beside the GET itself", s.conns), nameOurs, jobs, all)
	r.atMost("check", "CPU of a question, to the request that Foregate carries", all.ratio(nameCheck, nameOurs, sample.perRequest), 0.75, times)
	return nil
}

// question asks about the page as Traefik and Caddy do.
func question(host string, conns int, length time.Duration) order {
	return order{Kind: "page", Path: "/sso/verify", Conns: conns, For: length, Size: 0,
		Lines: "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /page\r\nX-Forwarded-Host: " + host + "\r\n"}
}

// startAsked starts a Foregate that carries the requests itself, which a sign-in needs,
// and then no longer does.
func (s *stand) startAsked(ctx context.Context) (*foregate, error) {
	hash, err := hashPassword(ctx, s.built.foregate, userPassword)
	if err != nil {
		return nil, err
	}
	set := setting{name: nameCheck, method: localMethod(hash), more: "trusted_proxies: [127.0.0.1]\n"}
	conf, addrs, err := s.prepare(set)
	if err != nil {
		return nil, err
	}
	f, err := s.serve(s.built.foregate, set, conf, addrs)
	if err != nil {
		return nil, err
	}
	if err := s.signIn(ctx, f); err != nil {
		return nil, err
	}
	yaml, err := os.ReadFile(conf)
	if err != nil {
		return nil, err
	}
	carried := fmt.Sprintf(`upstream: {url: "http://%s"}`, s.upstream)
	if !strings.Contains(string(yaml), carried) {
		return nil, fmt.Errorf("%s has no %s", conf, carried)
	}
	if err := os.WriteFile(conf, []byte(strings.Replace(string(yaml), carried, "forward_auth: {}", 1)), 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Kill(f.pid, syscall.SIGHUP); err != nil {
		return nil, err
	}
	t, err := proxied(f.process, f.cookie)
	if err != nil {
		return nil, err
	}
	for range 100 {
		got, err := firstAnswer(ctx, t.ask(question(t.host, 1, time.Second)))
		if err != nil {
			return nil, err
		}
		if got.Status == 200 {
			return f, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("%s answers no question", nameCheck)
}
