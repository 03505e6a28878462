package main

import (
	"fmt"
	"math"
)

// verdict says whether a goal is met.
type verdict string

const (
	met         verdict = "met"
	missed      verdict = "MISSED"
	notMeasured verdict = "unknown"
)

// goal is a figure that a release must reach. Its ID is that of docs, P1 to P19;
// a goal of bench's own has a word.
type goal struct {
	ID       string  `json:"id"`
	What     string  `json:"what"`
	Must     string  `json:"must"`
	Measured string  `json:"measured"`
	Value    number  `json:"value"`
	Limit    float64 `json:"limit"`
	Verdict  verdict `json:"verdict"`
}

// format shows a figure with its unit.
type format string

const (
	times   format = "%.2f×"
	micros  format = "%.1f µs"
	millis  format = "%.2f ms"
	nanos   format = "%.0f ns"
	mib     format = "%.1f MiB"
	inBytes format = "%.0f B"
	count   format = "%.1f"
	whole   format = "%.0f"
)

func (f format) show(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf(string(f), v)
}

// atMost judges a figure that must not exceed limit.
func (r *report) atMost(id, what string, value, limit float64, f format) {
	r.judge(goal{ID: id, What: what, Must: "≤ " + f.show(limit), Measured: f.show(value),
		Value: number(value), Limit: limit}, value <= limit)
}

// atLeast judges a figure that must reach limit.
func (r *report) atLeast(id, what string, value, limit float64, f format) {
	r.judge(goal{ID: id, What: what, Must: "≥ " + f.show(limit), Measured: f.show(value),
		Value: number(value), Limit: limit}, value >= limit)
}

func (r *report) judge(g goal, reached bool) {
	switch {
	case math.IsNaN(float64(g.Value)):
		g.Verdict = notMeasured
	case reached:
		g.Verdict = met
	default:
		g.Verdict = missed
	}
	r.Goals = append(r.Goals, g)
}

// anyMissed reports whether a goal is not met for certain.
func (r *report) anyMissed() bool {
	for _, g := range r.Goals {
		if g.Verdict != met {
			return true
		}
	}
	return false
}
