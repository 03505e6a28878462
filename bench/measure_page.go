package main

import (
	"context"
	"strings"
)

// page is the main comparison: a signed-in GET of 1 KiB, many at once.
func (s *stand) page(ctx context.Context, r *report) error {
	targets, err := s.everybody()
	if err != nil {
		return err
	}
	jobs := jobsFor(targets, order{Kind: "page", Path: "/page", Conns: s.conns, For: s.length, Size: pageSize})
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add("Signed-in GET of 1 KiB, "+whole.show(float64(s.conns))+" at once", nameBare, jobs, all)

	cpu := all.ratio(nameOurs, nameBare, sample.perRequest)
	r.atMost("P1", "CPU of a signed-in request, to bare", cpu, 1.25, times)
	r.atMost("P1+", "the same, the bar we set ourselves", cpu, 1.20, times)
	r.atReference("P4", "access log and metrics, added CPU", all.difference(nameLogged, nameOurs, sample.perRequest), 4, micros, r.bareCPU(), goalsBareCPU)
	r.atMost("P9", "p99 latency, to bare", all.ratio(nameOurs, nameBare, sample.p99), 1.75, times)
	for _, p := range s.peers {
		if strings.HasPrefix(p.name, "oauth2-proxy") {
			r.atMost("P2", "CPU of a request, to "+p.name, all.ratio(nameOurs, p.name, sample.perRequest), 0.30, times)
			r.atLeast("P2", "requests per second, to "+p.name, all.ratio(nameOurs, p.name, sample.rate), 3, times)
		}
	}
	return nil
}

// single is one request after the other: what a person's request waits for.
func (s *stand) single(ctx context.Context, r *report) error {
	targets, err := s.everybody()
	if err != nil {
		return err
	}
	jobs := jobsFor(targets, order{Kind: "page", Path: "/page", Conns: 1, For: s.short(), Size: pageSize})
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add("The same, one at a time", nameBare, jobs, all)

	ours := all.difference(nameOurs, nameDirect, sample.p50)
	bare := all.difference(nameBare, nameDirect, sample.p50)
	r.atReference("P8", "latency added to direct, p50, one at a time", ours, 75, micros, bare, goalsBareAdd)
	r.atMost("P8", "the same, to what bare adds", ours/bare, 1.35, times)
	return nil
}

// bodies carries 1 MiB in each answer.
func (s *stand) bodies(ctx context.Context, r *report) error {
	targets, err := s.everybody()
	if err != nil {
		return err
	}
	const path, atOnce = "/bytes?n=1048576", 8
	jobs := jobsFor(named(targets, nameNginx, nameBare, nameOurs),
		order{Kind: "page", Path: path, Conns: atOnce, For: s.short(), Size: mebibyte})
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add("Signed-in GET of 1 MiB, 8 at once", nameBare, jobs, all)
	r.atMost("P15", "CPU of a 1 MiB answer, to bare", all.ratio(nameOurs, nameBare, sample.perRequest), 1.15, times)
	return nil
}

// events carries streams of server-sent events.
func (s *stand) events(ctx context.Context, r *report) error {
	targets, err := s.everybody()
	if err != nil {
		return err
	}
	jobs := jobsFor(named(targets, nameDirect, nameBare, nameOurs),
		order{Kind: "events", Path: "/events?every=2ms", Conns: s.conns, For: s.short()})
	all, err := s.interleave(ctx, s.rounds, jobs)
	if err != nil {
		return err
	}
	r.add("Server-sent events, one in 2 ms on each stream; latency is the delay of an event", nameBare, jobs, all)
	r.atMost("P18", "CPU of an event, to bare", all.ratio(nameOurs, nameBare, sample.perRequest), 1.2, times)
	r.atMost("P18", "delay of an event above bare's, p50", all.difference(nameOurs, nameBare, sample.p50)/1e3, 1, millis)
	return nil
}

// everybody lists all targets of the page, with one cookie for those without
// sessions of their own.
func (s *stand) everybody() ([]target, error) {
	cookie := ""
	if s.plain != nil {
		cookie = s.plain.cookie
	}
	all, err := s.baselines(cookie)
	if err != nil {
		return nil, err
	}
	for _, f := range []*foregate{s.plain, s.logged} {
		if f == nil {
			continue
		}
		t, err := proxied(f.process, f.cookie)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return append(all, s.peers...), nil
}

// named picks targets by name, so far as they are there.
func named(all []target, names ...string) []target {
	var some []target
	for _, name := range names {
		for _, t := range all {
			if t.name == name {
				some = append(some, t)
			}
		}
	}
	return some
}

// jobsFor asks the same of every target.
func jobsFor(targets []target, o order) []job {
	var jobs []job
	for _, t := range targets {
		jobs = append(jobs, t.ask(o))
	}
	return jobs
}

// ask addresses an order to a target. The target's cookie goes with it unless
// the order brings its own; the status wanted is 200 unless it says another.
func (t target) ask(o order) job {
	o.Addr, o.Host = t.addr, t.host
	if o.Cookies == nil && t.cookie != "" {
		o.Cookies = []string{t.cookie}
	}
	if o.Status == 0 {
		o.Status = 200
	}
	return job{t, o}
}
