package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
)

// sweeps is how many store operations may fall into a window without being any
// request's: a coalesced touch and a sweep of what has expired.
const sweeps = 2

// steady looks into Foregate while it serves signed-in requests: allocations,
// and whether the store is asked.
func (s *stand) steady(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	bare, err := proxied(s.bare, s.plain.cookie)
	if err != nil {
		return err
	}
	ours, err := proxied(s.plain.process, s.plain.cookie)
	if err != nil {
		return err
	}
	o := order{Kind: "page", Path: "/page", Conns: s.conns, For: s.short(), Size: pageSize}
	bareGrowth, err := s.growth(ctx, s.bare.addrs[1], bare.ask(o))
	if err != nil {
		return err
	}
	ourGrowth, err := s.growth(ctx, s.plain.admin, ours.ask(o))
	if err != nil {
		return err
	}
	ourAllocs, bareAllocs := ourGrowth.perRequest(metricMallocs), bareGrowth.perRequest(metricMallocs)
	r.atMost("P10", "allocations of a request above bare's "+count.show(bareAllocs), ourAllocs-bareAllocs, 8, count)
	r.atMost("store", fmt.Sprintf("store operations during %d signed-in requests", ourGrowth.done),
		ourGrowth.of(metricStoreOps), sweeps, whole)
	r.atMost("P12", "session cookie's value", float64(len(longestCookie(s.plain.cookie))), 192, inBytes)
	return nil
}

// growth is by how much figures grew while requests were made.
type growth struct {
	idle          figures // read before before, to know what a reading itself adds
	before, after figures
	done          int64
}

// growth runs a job between readings.
func (s *stand) growth(ctx context.Context, admin string, j job) (growth, error) {
	idle, err := readFigures(ctx, admin)
	if err != nil {
		return growth{}, err
	}
	before, err := readFigures(ctx, admin)
	if err != nil {
		return growth{}, err
	}
	got, err := s.run(ctx, j)
	if err != nil {
		return growth{}, err
	}
	after, err := readFigures(ctx, admin)
	return growth{idle, before, after, got.Done}, err
}

// of is NaN for a figure that is not shown.
func (g growth) of(name string) float64 {
	v, err := grown(g.before, g.after, name)
	if err != nil {
		return math.NaN()
	}
	return v
}

// perRequest leaves out what the reading of figures adds to the figure.
func (g growth) perRequest(name string) float64 {
	reading, err := grown(g.idle, g.before, name)
	if err != nil {
		return math.NaN()
	}
	return (g.of(name) - reading) / float64(g.done)
}

// longestCookie returns the longest value in a Cookie header: the session's.
func longestCookie(header string) string {
	longest := ""
	for pair := range strings.SplitSeq(header, "; ") {
		if _, value, _ := strings.Cut(pair, "="); len(value) > len(longest) {
			longest = value
		}
	}
	return longest
}

// lookup runs the Go benchmark of the session look-up alone.
func (s *stand) lookup(ctx context.Context, r *report) error {
	if s.built.lookupErr != nil {
		return s.built.lookupErr
	}
	argv := s.pinned(s.proxyCore, []string{s.built.lookup, "-test.run", "^$",
		"-test.bench", "^BenchmarkLoadHit$", "-test.benchmem", "-test.benchtime", s.short().String()})
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("BenchmarkLoadHit: %w: %.300s", err, bytes.TrimSpace(out))
	}
	ns, allocs, err := parseBenchmark(string(out), "BenchmarkLoadHit")
	if err != nil {
		return err
	}
	r.atReference("P11", "look-up of a session alone", ns, 500, nanos, r.bareCPU(), goalsBareCPU)
	r.atMost("P11", "its allocations", allocs, 0, whole)
	return nil
}

// parseBenchmark reads ns/op and allocs/op of what "go test -bench" prints, the
// worst of the benchmark and its parts.
func parseBenchmark(text, name string) (ns, allocs float64, err error) {
	ran := false
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		rest, ours := strings.CutPrefix(fields[0], name)
		if !ours || rest != "" && rest[0] != '-' && rest[0] != '/' {
			continue
		}
		ran = true
		ns = max(ns, valueOf(fields, "ns/op"))
		allocs = max(allocs, valueOf(fields, "allocs/op"))
	}
	if !ran {
		return 0, 0, errors.New(name + " did not run")
	}
	return ns, allocs, nil
}

// valueOf returns the number before a unit, or NaN.
func valueOf(fields []string, unit string) float64 {
	for i := 1; i < len(fields); i++ {
		if v, err := strconv.ParseFloat(fields[i-1], 64); err == nil && fields[i] == unit {
			return v
		}
	}
	return math.NaN()
}

// transfers carries one large body each way and watches the memory: it must not
// grow with the body.
func (s *stand) transfers(ctx context.Context, r *report) error {
	if s.plain == nil {
		return errNoForegate
	}
	ours, err := proxied(s.plain.process, s.plain.cookie)
	if err != nil {
		return err
	}
	size := s.transfer * mebibyte
	jobs := []job{
		ours.ask(order{Kind: "download", Path: "/bytes?n=" + strconv.FormatInt(size, 10), Size: size}),
		ours.ask(order{Kind: "upload", Path: "/sink", Size: size}),
	}
	for _, j := range jobs {
		got, err := s.run(ctx, j)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("highest RSS, %s of %d MiB at %.0f MiB/s", j.Kind, s.transfer, float64(s.transfer)/got.Seconds)
		r.atMost("flat", what, float64(got.rss)/mebibyte, 100e6/mebibyte, mib)
	}
	return nil
}
