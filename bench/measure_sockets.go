package main

import (
	"context"
	"fmt"
	"math"
	"syscall"
	"time"
)

const (
	nameSocketBare = "bare-ws"
	nameSocket     = "foregate-ws"

	spareFiles = 200 // descriptors that a proxy needs beside those of WebSockets
	socketRuns = 3   // rounds at most: each starts both proxies anew
)

// openSockets measures the memory of an idle WebSocket beside the bare proxy's. Each run
// has a process that was never used before, since Go keeps memory that it once had.
func (s *stand) openSockets(ctx context.Context, r *report) error {
	if s.built.foregateErr != nil {
		return s.built.foregateErr
	}
	n, err := s.allowedSockets()
	if err != nil {
		return err
	}
	all := make(series)
	o := order{Kind: "sockets", Path: "/socket", Conns: n, For: s.short(), Status: 101}
	var jobs []job
	for round := range min(s.rounds, socketRuns) {
		ours, err := s.signedInAfresh(ctx, fmt.Sprint(nameSocket, "-", round))
		if err != nil {
			return err
		}
		bare, err := s.launchRole(s.proxyCore, fmt.Sprint(nameSocketBare, "-", round), roleBare, "http://"+s.upstream)
		if err != nil {
			return err
		}
		pair := []struct {
			*process
			name string
			idle int64
		}{{bare, nameSocketBare, 0}, {ours.process, nameSocket, ours.idle}}
		jobs = nil
		for _, p := range pair {
			t, err := proxied(p.process, ours.cookie)
			if err != nil {
				return err
			}
			t.name = p.name
			j := t.ask(o)
			got, err := s.run(ctx, j)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			if p.idle > 0 { // before the sign-in, whose memory the WebSockets take over
				got.rssBefore = p.idle
			}
			all[t.name] = append(all[t.name], got)
			jobs = append(jobs, j)
			if err := s.finish(p.process); err != nil {
				return err
			}
		}
	}
	r.add(fmt.Sprintf("%d WebSockets, opened and then idle; CPU of one", n), nameSocketBare, jobs, all)
	each := fmt.Sprintf("RSS of an idle WebSocket, of %d, to bare's %s KiB", n, count.show(median(all.each(nameSocketBare, sample.perSocket))))
	r.atMost("ws", each, all.ratio(nameSocket, nameSocketBare, sample.perSocket), 1.25, times)
	return nil
}

// perSocket is the KiB of resident memory that came with each WebSocket, NaN for none.
func (s sample) perSocket() float64 {
	if s.Done == 0 || s.rss <= s.rssBefore {
		return math.NaN()
	}
	return float64(s.rss-s.rssBefore) / float64(s.Done) / 1024
}

// allowedSockets is s.sockets, or as many as the system lets a proxy have, which needs
// two descriptors for each. The programs here raise their soft limit to the hard one by
// themselves, as every Go program does at its start.
func (s *stand) allowedSockets() (int, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	if files.Max >= uint64(2*s.sockets+spareFiles) {
		return s.sockets, nil
	}
	n := (int(files.Max) - spareFiles) / 2
	if n < 1 {
		return 0, fmt.Errorf("a process may open %d files, which is too few for WebSockets: raise ulimit -Hn", files.Max)
	}
	s.note("%d WebSockets in place of %d: a process may open %d files (ulimit -Hn)", n, s.sockets, files.Max)
	return n, nil
}

func (s *stand) signedInAfresh(ctx context.Context, name string) (*foregate, error) {
	hash, err := hashPassword(ctx, s.built.foregate, userPassword)
	if err != nil {
		return nil, err
	}
	return s.startSignedIn(ctx, setting{name: name, method: localMethod(hash)})
}

// finish ends a server before the stand does, to have its memory back.
func (s *stand) finish(p *process) error {
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(15 * time.Second):
		return fmt.Errorf("%s does not end", p.name)
	}
}
