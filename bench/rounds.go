package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is one run against one target.
type sample struct {
	outcome
	cpu       time.Duration // of the target's processes, during the run
	rss       int64         // their highest, in bytes
	rssBefore int64         // when it began, in bytes
	foreign   float64       // share of the proxy's core that others took
}

// perRequest is CPU microseconds for each completed request. It is NaN when
// nobody counted the CPU, or when the run was too short for one tick of it.
func (s sample) perRequest() float64 {
	if s.cpu == 0 || s.Done == 0 {
		return math.NaN()
	}
	return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.Done)
}

func (s sample) rate() float64 { return s.Rate }
func (s sample) p50() float64  { return float64(s.P50.Nanoseconds()) / 1e3 } // µs
func (s sample) p99() float64  { return float64(s.P99.Nanoseconds()) / 1e3 } // µs

// job is a target and what is asked of it.
type job struct {
	target
	order
}

// series holds the samples of each target, one a round, in the order of rounds.
type series map[string][]sample

// interleave runs every job once in each round: a machine that grows slower for
// a minute then slows all of them, and the ratios within a round stay. Each
// round begins with another job, so that none always follows the same one.
func (s *stand) interleave(ctx context.Context, rounds int, jobs []job) (series, error) {
	all := make(series)
	for round := range rounds {
		for i := range jobs {
			j := jobs[(round+i)%len(jobs)]
			got, err := s.run(ctx, j)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.name, err)
			}
			all[j.name] = append(all[j.name], got)
		}
	}
	return all, nil
}

// run takes one sample.
func (s *stand) run(ctx context.Context, j job) (sample, error) {
	before, err := j.proc.usage()
	if err != nil {
		return sample{}, err
	}
	busyBefore, _ := coreBusy(s.proxyCore) // only for the share of others, which may stay unknown
	began := time.Now()
	rss := watchRSS(j.proc)
	out, err := s.carryOut(ctx, j.order)
	highest := rss()
	if err != nil {
		return sample{}, err
	}
	after, err := j.proc.usage()
	if err != nil {
		return sample{}, err
	}
	busyAfter, _ := coreBusy(s.proxyCore)
	got := sample{outcome: out, cpu: after.cpu - before.cpu, rss: max(highest, after.rss), rssBefore: before.rss}
	if s.pins && len(j.proc) > 0 {
		got.foreign = max(0, float64(busyAfter-busyBefore-got.cpu)/float64(time.Since(began)))
	}
	return got, nil
}

// watchRSS samples the memory of a tree until the function that it returns is
// called, which answers with the highest.
func watchRSS(t tree) func() int64 {
	stop, highest := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if u, err := t.usage(); err == nil {
				most = max(most, u.rss)
			}
			select {
			case <-stop:
				highest <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(stop); return <-highest }
}

// each returns a figure of a target for every round.
func (s series) each(name string, figure func(sample) float64) []float64 {
	var all []float64
	for _, got := range s[name] {
		all = append(all, figure(got))
	}
	return all
}

// compare returns the median over rounds of op(a's figure, b's figure), both of
// the same round. It is NaN when one of them was not measured.
func (s series) compare(a, b string, figure func(sample) float64, op func(a, b float64) float64) float64 {
	of, to := s.each(a, figure), s.each(b, figure)
	var all []float64
	for i := range min(len(of), len(to)) {
		all = append(all, op(of[i], to[i]))
	}
	return median(all)
}

func (s series) ratio(a, b string, figure func(sample) float64) float64 {
	return s.compare(a, b, figure, func(a, b float64) float64 { return a / b })
}

func (s series) difference(a, b string, figure func(sample) float64) float64 {
	return s.compare(a, b, figure, func(a, b float64) float64 { return a - b })
}

// median is NaN for nothing, and when anything is NaN.
func median(all []float64) float64 {
	if len(all) == 0 || slices.ContainsFunc(all, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
