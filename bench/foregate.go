package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The one local user.
const (
	userName     = "bench"
	userPassword = "correct horse battery staple"
)

// foregate is one running Foregate.
type foregate struct {
	*process
	admin  string // where its figures are
	cookie string // Cookie header of a session; empty before signIn
	idle   int64  // bytes it held before the first request
}

// setting is in what the Foregates of a run differ.
type setting struct {
	name   string
	access bool   // the access log is written
	https  string // address for https; empty: none
	method string // YAML of the one sign-in method
	redis  string // address of the Redis that has the sessions; empty: the embedded store
	prefix string // of its keys there; empty: the default
	more   string // YAML of further sections
}

// startForegate starts one Foregate on the proxy's core, in front of the
// upstream, and waits until it answers.
func (s *stand) startForegate(binary string, set setting) (*foregate, error) {
	conf, addrs, err := s.prepare(set)
	if err != nil {
		return nil, err
	}
	f, err := s.serve(binary, set, conf, addrs)
	if err != nil {
		return nil, err
	}
	f.idle, err = f.settled(s.ctx)
	return f, err
}

// prepare writes the configuration of one Foregate, and returns where it is and the
// addresses for people and for the operator.
func (s *stand) prepare(set setting) (conf string, addrs [2]string, err error) {
	for i := range addrs {
		if addrs[i], err = freeAddress(); err != nil {
			return "", addrs, err
		}
	}
	dir := filepath.Join(s.dir, set.name+"-files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", addrs, err
	}
	conf = filepath.Join(dir, "foregate.yaml")
	return conf, addrs, os.WriteFile(conf, []byte(foregateConfig(addrs[0], addrs[1], dir, s.upstream, set)), 0o600)
}

// serve starts a Foregate that was prepared, and waits until it answers.
func (s *stand) serve(binary string, set setting, conf string, addrs [2]string) (*foregate, error) {
	p, err := s.launch(s.proxyCore, set.name, nil, binary, "serve", "-c", conf)
	if err != nil {
		return nil, err
	}
	p.addrs = []string{addrs[0]}
	return &foregate{process: p, admin: addrs[1]}, s.answering(p, addrs[0])
}

// foregateConfig writes access logs as JSON at level info when they are wanted,
// and nothing below warnings otherwise.
func foregateConfig(listen, admin, dir, upstream string, set setting) string {
	level := "warn"
	if set.access {
		level = "info"
	}
	hosts, https := fmt.Sprintf("%q", listen), ""
	if set.https != "" {
		hosts += ", " + secureHost
		https = fmt.Sprintf("\n  https: %q", set.https)
	}
	shared := ""
	if set.redis != "" {
		prefix := set.prefix
		if prefix == "" {
			prefix = "foregate"
		}
		shared = fmt.Sprintf("\n  redis: {addresses: [%q], prefix: %q}\nsession: {secrets: [the same secret on each of these Foregates]}", set.redis, prefix)
	}
	return fmt.Sprintf(`listen:
  drain: 0s
  http: %q%s
  admin: %q
storage:
  path: %q%s
log:
  format: json
  level: %s
  access: %t
methods:
%s
apps:
  - name: bench
    hosts: [%s]
    upstream: {url: "http://%s"}
    methods: [bench]
%s`, listen, https, admin, filepath.Join(dir, "data"), shared, level, set.access, set.method, hosts, upstream, set.more)
}

// localMethod keeps the one user in the configuration.
func localMethod(hash string) string {
	return fmt.Sprintf("  - name: bench\n    local:\n      users:\n        - user: %s\n          password_hash: %q", userName, hash)
}

// oidcMethod signs in at the stub provider.
func oidcMethod(issuer string) string {
	return fmt.Sprintf("  - name: bench\n    oidc:\n      issuer: %q\n      client_id: %s\n      client_secret: %s",
		"http://"+issuer, clientID, clientSecret)
}

// hashPassword asks the binary for the hash, as an administrator does.
func hashPassword(ctx context.Context, binary, password string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, "hash-password")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("foregate hash-password: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "$") {
			return line, nil
		}
	}
	return "", errors.New("foregate hash-password printed no hash")
}

// settled waits until the process has done its starting work, which is when it
// uses no CPU for a while, and returns the memory it holds then.
func (f *foregate) settled(ctx context.Context) (int64, error) {
	procs, err := f.tree()
	if err != nil {
		return 0, err
	}
	last, err := procs.usage()
	if err != nil {
		return 0, err
	}
	for range 20 {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		now, err := procs.usage()
		if err != nil {
			return 0, err
		}
		if now.cpu == last.cpu {
			return now.rss, nil
		}
		last = now
	}
	return last.rss, nil
}

// signInOrder asks for sign-ins, each by a new browser that begins at the page.
func (f *foregate) signInOrder(conns int, length time.Duration, most int64) order {
	return order{Kind: "sign-in", Addr: f.addrs[0], Host: f.addrs[0], Path: "/page", Conns: conns,
		For: length, Most: most, User: userName, Password: userPassword}
}

// signIn gets one session.
func (s *stand) signIn(ctx context.Context, f *foregate) error {
	out, err := s.carryOut(ctx, f.signInOrder(1, time.Minute, 1))
	if err != nil {
		return err
	}
	if len(out.Cookies) == 0 {
		return errors.New("no session came of the sign-in")
	}
	f.cookie = out.Cookies[0]
	return nil
}

// startForegates starts the two that the page is measured with, both with a
// session of the local user.
func (s *stand) startForegates(ctx context.Context) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	hash, err := hashPassword(ctx, s.built.foregate, userPassword)
	if err != nil {
		return err
	}
	plain, err := s.startSignedIn(ctx, setting{name: nameOurs, method: localMethod(hash)})
	if err != nil {
		return err
	}
	logged, err := s.startSignedIn(ctx, setting{name: nameLogged, access: true, method: localMethod(hash)})
	if err != nil {
		return err
	}
	s.plain, s.logged = plain, logged
	return nil
}

func (s *stand) startSignedIn(ctx context.Context, set setting) (*foregate, error) {
	f, err := s.startForegate(s.built.foregate, set)
	if err != nil {
		return nil, err
	}
	return f, s.signIn(ctx, f)
}
