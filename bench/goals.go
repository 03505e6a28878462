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

// atReference judges a time that must not exceed limit on the reference machine,
// where bare took reference µs for what it took measured µs for here, in the same
// run. What it was here is in the words.
func (r *report) atReference(id, what string, value, limit float64, f format, measured, reference float64) {
	slow := measured / reference
	r.atMost(id, fmt.Sprintf("%s (%s here, all being %.2f× slower)", what, f.show(value), slow), value/slow, limit, f)
}

// bareCPU is what bare took for a request at the beginning of this run, in µs.
func (r *report) bareCPU() float64 {
	if len(r.Tables) > 0 {
		for _, row := range r.Tables[0].Rows {
			if row.Target == nameBare {
				return float64(row.CPU)
			}
		}
	}
	return math.NaN()
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

const (
	goalsBareCPU = 29.0 // µs of CPU that bare took for a request where the goals in times were set
	goalsBareAdd = 41.0 // µs that bare added to the latency of one request at a time there
	disturbed    = 0.10 // share of the proxy's core in the hands of others
)

// cautions says what makes the figures of this run worth less.
func (r *report) cautions() []string {
	var all []string
	if slow := r.bareCPU() / goalsBareCPU; slow > 1.25 || slow < 0.8 {
		all = append(all, fmt.Sprintf("goals in times (P4, P8, P11, P17) were set where bare takes %.0f µs a request; here it is %.2f× that, and they are judged by that measure",
			goalsBareCPU, slow))
	}
	rows := 0
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if row.Foreign > disturbed {
				rows++
			}
		}
	}
	if rows > 0 {
		all = append(all, fmt.Sprintf("in %d rows others used more than %.0f %% of the proxy's core: find out who, and run again", rows, 100*disturbed))
	}
	return all
}
