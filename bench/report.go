package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is all that a run found out.
type report struct {
	When     time.Time `json:"when"`
	Machine  string    `json:"machine"`
	Version  string    `json:"version"` // of Foregate's source
	Notes    []string  `json:"notes"`
	Tables   []table   `json:"tables"`
	Goals    []goal    `json:"goals"`
	Failures []string  `json:"failures"` // what could not be measured, and why
}

// table compares targets that did the same.
type table struct {
	Title string `json:"title"`
	Base  string `json:"base"` // the row that ratios refer to
	Rows  []row  `json:"rows"`
}

// row is one target; medians over the rounds.
type row struct {
	Target  string `json:"target"`
	CPU     number `json:"cpu_us"` // for each request, event, transfer or sign-in
	CPUMin  number `json:"cpu_us_min"`
	CPUMax  number `json:"cpu_us_max"`
	Ratio   number `json:"ratio"` // CPU to that of the base in the same round
	Rate    number `json:"per_second"`
	P50     number `json:"p50_us"`
	P99     number `json:"p99_us"`
	RSS     number `json:"rss_mib"` // the highest of all rounds
	Foreign number `json:"foreign"` // share of the proxy's core that others took, the worst round
}

// number is a figure; NaN means that it was not measured, and is null in JSON.
type number float64

// MarshalJSON writes null for NaN and the infinities, which JSON lacks.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// show prints with so many decimals, or a dash.
func (n number) show(decimals int) string {
	if math.IsNaN(float64(n)) {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, float64(n))
}

// add makes a table of a series, its rows in the order of the jobs.
func (r *report) add(title, base string, jobs []job, all series) {
	t := table{Title: title, Base: base}
	for _, j := range jobs {
		t.Rows = append(t.Rows, rowOf(all, j.name, base))
	}
	r.Tables = append(r.Tables, t)
}

func rowOf(all series, name, base string) row {
	cpu := all.each(name, sample.perRequest)
	of := func(figure func(sample) float64) number { return number(median(all.each(name, figure))) }
	worst := func(figure func(sample) float64) number { return number(slices.Max(all.each(name, figure))) }
	got := row{
		Target: name,
		CPU:    number(median(cpu)),
		CPUMin: number(slices.Min(cpu)), // NaN if one is
		CPUMax: number(slices.Max(cpu)),
		Ratio:  number(all.ratio(name, base, sample.perRequest)),
		Rate:   of(sample.rate),
		P50:    of(sample.p50),
		P99:    of(sample.p99),
		RSS:    worst(func(s sample) float64 { return float64(s.rss) / mebibyte }),
	}
	got.Foreign = worst(func(s sample) float64 { return s.foreign })
	return got
}

// fail records what could not be measured.
func (r *report) fail(what string, err error) {
	r.Failures = append(r.Failures, fmt.Sprintf("%s: %v", what, err))
}

// write prints the report for people.
func (r *report) write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Foregate %s on %s, %s\n", r.Version, r.Machine, r.When.Format(time.DateTime))
	for _, t := range r.Tables {
		t.write(&b)
	}
	b.WriteString("\nGoals\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, g := range r.Goals {
		fmt.Fprintf(w, "  %s\t%s\t%s\tmust be %s\t%s\n", g.Verdict, g.ID, g.What, g.Must, g.Measured)
	}
	_ = w.Flush() // a strings.Builder takes everything
	if len(r.Goals) == 0 {
		b.WriteString("  none was measured\n")
	}
	list(&b, "Not measured", r.Failures)
	list(&b, "Mind", r.Notes)
	_, err := io.WriteString(out, b.String())
	return err
}

func (t *table) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", t.Title)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "  target\tCPU µs\t(min-max)\t× %s\tper second\tp50 ms\tp99 ms\tRSS MiB\tothers %%\t\n", t.Base)
	for _, r := range t.Rows {
		span := "-"
		if !math.IsNaN(float64(r.CPU)) {
			span = r.CPUMin.show(1) + "-" + r.CPUMax.show(1)
		}
		rss, foreign := r.RSS.show(0), (r.Foreign * 100).show(0)
		if math.IsNaN(float64(r.CPU)) {
			rss, foreign = "-", "-" // nobody's processes
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Target, r.CPU.show(1), span, r.Ratio.show(2),
			r.Rate.show(0), (r.P50 / 1e3).show(3), (r.P99 / 1e3).show(3), rss, foreign)
	}
	_ = w.Flush()
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}
