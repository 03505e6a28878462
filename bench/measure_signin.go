package main

import (
	"context"
	"errors"
	"math"
	"time"
)

var errNoForegate = errors.New("there is no Foregate")

// signingIn measures full sign-ins at an OpenID Connect provider, and the memory
// of the sessions that come of them: the same Foregate, from its start to its
// last session.
func (s *stand) signingIn(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	provider, err := s.launchRole(s.loadCore, "provider", roleProvider, s.algorithm)
	if err != nil {
		return err
	}
	f, err := s.startForegate(s.built.foregate, setting{name: "foregate-oidc", method: oidcMethod(provider.addrs[0])})
	if err != nil {
		return err
	}
	if err := s.signIn(ctx, f); err != nil {
		return err
	}
	ours, err := proxied(f.process, f.cookie)
	if err != nil {
		return err
	}
	loaded, err := s.run(ctx, ours.ask(order{Kind: "page", Path: "/page", Conns: s.conns, For: s.short(), Size: pageSize}))
	if err != nil {
		return err
	}
	r.atMost("P14", "RSS after the start", float64(f.idle)/mebibyte, 25, mib)
	r.atMost("P14", "RSS under load, one session", float64(loaded.rss)/mebibyte, 45, mib)
	return s.manySessions(ctx, r, f, ours)
}

// manySessions signs in s.sessions times and compares the live heap before and
// after.
func (s *stand) manySessions(ctx context.Context, r *report, f *foregate, ours target) error {
	empty, err := s.liveHeap(ctx, f, ours, []string{f.cookie})
	if err != nil {
		return err
	}
	all := make(series)
	var cookies []string
	o := f.signInOrder(8, time.Minute, max(1, int64(s.sessions/s.rounds)))
	for range s.rounds {
		got, err := s.run(ctx, job{ours, o})
		if err != nil {
			return err
		}
		cookies = append(cookies, got.Cookies...)
		all[ours.name] = append(all[ours.name], got)
	}
	full, err := s.liveHeap(ctx, f, ours, cookies)
	if err != nil {
		return err
	}
	r.add("Full sign-in by OpenID Connect, CPU of Foregate alone ("+s.algorithm+", 8 at once)", ours.name, []job{{target: ours}}, all)
	r.atReference("P17", "CPU of a full sign-in", median(all.each(ours.name, sample.perRequest))/1e3, 0.8, millis, r.bareCPU(), goalsBareCPU)
	what := "live heap of a session, of " + whole.show(float64(len(cookies)))
	r.atMost("P14", what, (full-empty)/float64(len(cookies)), 1024, inBytes)
	return nil
}

// liveHeap returns the bytes that are left after a garbage collection: the
// lowest of many readings while a light load with all these sessions makes
// garbage and has it collected.
func (s *stand) liveHeap(ctx context.Context, f *foregate, ours target, cookies []string) (float64, error) {
	o := order{Kind: "page", Path: "/page", Cookies: cookies, Conns: 4, For: 2 * s.short(), Size: pageSize}
	var loadErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, loadErr = s.run(ctx, ours.ask(o))
	}()
	lowest := math.NaN()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	settled := time.After(o.For / 2) // until then not every session is in memory
	for reading := false; ; {
		select {
		case <-done:
			return lowest, loadErr
		case <-settled:
			reading = true
		case <-tick.C:
			if !reading {
				continue
			}
			now, err := f.heap(ctx)
			if err != nil {
				<-done
				return 0, errors.Join(err, loadErr)
			}
			if !(lowest <= now) { // also the first, when lowest is NaN
				lowest = now
			}
		}
	}
}

func (f *foregate) heap(ctx context.Context) (float64, error) {
	all, err := readFigures(ctx, f.admin)
	if err != nil {
		return 0, err
	}
	return all.get(metricHeap)
}

// passwords measures sign-ins with user name and password. Their cost is the
// hash's, which is meant to be high: there is no goal.
func (s *stand) passwords(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	ours, err := proxied(s.plain.process, "")
	if err != nil {
		return err
	}
	j := job{ours, s.plain.signInOrder(2, s.short(), 0)}
	all, err := s.interleave(ctx, 1, []job{j})
	if err != nil {
		return err
	}
	r.add("Sign-in with a password, two at once; nearly all of it is argon2id", ours.name, []job{j}, all)
	return nil
}
