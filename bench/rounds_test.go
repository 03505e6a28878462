package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func ofCPU(cpus ...time.Duration) []sample {
	var all []sample
	for _, cpu := range cpus {
		all = append(all, sample{outcome: outcome{Done: 1000}, cpu: cpu})
	}
	return all
}

// A machine that is half as fast in one round must not change the ratio.
func TestRatioIsTakenWithinARound(t *testing.T) {
	s := series{
		"a": ofCPU(110*time.Millisecond, 220*time.Millisecond, 110*time.Millisecond),
		"b": ofCPU(100*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond),
	}
	if got := s.ratio("a", "b", sample.perRequest); math.Abs(got-1.1) > 1e-9 {
		t.Errorf("ratio = %v, want 1.1", got)
	}
	if got := s.difference("a", "b", sample.perRequest); math.Abs(got-10) > 1e-9 {
		t.Errorf("difference = %v µs, want 10", got)
	}
}

func TestWhatWasNotMeasuredIsNaN(t *testing.T) {
	s := series{"a": ofCPU(time.Second), "uncounted": ofCPU(0)}
	for _, pair := range [][2]string{{"a", "missing"}, {"missing", "a"}, {"a", "uncounted"}} {
		if got := s.ratio(pair[0], pair[1], sample.perRequest); !math.IsNaN(got) {
			t.Errorf("ratio of %v = %v, want NaN", pair, got)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.of, got, c.want)
		}
	}
}

func TestGoalsAreJudged(t *testing.T) {
	var r report
	r.atMost("P1", "at the limit", 1.25, 1.25, times)
	r.atMost("P2", "above it", 1.26, 1.25, times)
	r.atLeast("P3", "below it", 2.9, 3, times)
	r.atMost("P4", "unknown", math.NaN(), 1, times)
	for i, want := range []verdict{met, missed, missed, notMeasured} {
		if got := r.Goals[i].Verdict; got != want {
			t.Errorf("%s is %s, want %s", r.Goals[i].What, got, want)
		}
	}
	if !r.anyMissed() {
		t.Error("nothing is missed")
	}
	if r.Goals = r.Goals[:1]; r.anyMissed() {
		t.Error("a goal that is met counts as missed")
	}
}

func TestReportShowsADashForWhatNobodyCounted(t *testing.T) {
	r := report{Failures: []string{"look-up: no"}}
	jobs := []job{{target: target{name: "direct"}}, {target: target{name: "bare"}}}
	r.add("A page", "bare", jobs, series{"direct": ofCPU(0), "bare": ofCPU(30 * time.Millisecond)})
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A page", "30.0-30.0", "1.00", "Not measured", "look-up: no"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "direct") && (strings.Contains(line, "NaN") || !strings.Contains(line, "-")) {
			t.Errorf("direct's row: %s", line)
		}
	}
	data, err := json.Marshal(r)
	if err != nil || !bytes.Contains(data, []byte(`"cpu_us":null`)) {
		t.Errorf("JSON = %s, %v; want null for what was not counted", data, err)
	}
}

func TestWorstPartOfABenchmarkIsRead(t *testing.T) {
	for _, c := range []struct {
		text       string
		ns, allocs float64
	}{
		{"goos: linux\nBenchmarkLoadHitMiss-2 10 99 ns/op 9 allocs/op\nBenchmarkLoadHit \t 50\t 231.5 ns/op\t 0 B/op\t 2 allocs/op\nPASS\n", 231.5, 2},
		{"BenchmarkLoadHit/alone-2 50 364.2 ns/op 0 allocs/op\nBenchmarkLoadHit/behind-4KiB-2 50 408 ns/op 0 allocs/op\n", 408, 0},
	} {
		ns, allocs, err := parseBenchmark(c.text, "BenchmarkLoadHit")
		if err != nil || ns != c.ns || allocs != c.allocs {
			t.Errorf("parseBenchmark = %v, %v, %v; want %v, %v", ns, allocs, err, c.ns, c.allocs)
		}
	}
	if _, _, err := parseBenchmark("PASS\n", "BenchmarkLoadHit"); err == nil {
		t.Error("a benchmark that did not run has figures")
	}
	if ns, _, err := parseBenchmark("BenchmarkLoadHit 1 skipped\n", "BenchmarkLoadHit"); err != nil || !math.IsNaN(ns) {
		t.Errorf("a line without figures reads %v, %v", ns, err)
	}
}

func TestForgedCookiesDifferAndKeepTheirShape(t *testing.T) {
	header := "theme=dark; foregate=" + strings.Repeat("A", 176)
	seen := map[string]bool{header: true}
	for _, c := range forge(header, 20) {
		if seen[c] || len(c) != len(header) || !strings.HasPrefix(c, "theme=dark; foregate=AAA") {
			t.Errorf("forged %q", c)
		}
		seen[c] = true
	}
}

func TestAllocationsLeaveTheReadingOut(t *testing.T) {
	g := growth{idle: figures{"n": 100}, before: figures{"n": 300}, after: figures{"n": 1500}, done: 10}
	if got := g.perRequest("n"); got != 100 {
		t.Errorf("perRequest = %v, want 100: 1,200 less the 200 of a reading, over 10", got)
	}
	if got := g.perRequest("other"); !math.IsNaN(got) {
		t.Errorf("perRequest of a figure that is not shown = %v", got)
	}
}

func TestReportCautionsAboutASlowOrBusyMachine(t *testing.T) {
	page := func(cpu, foreign number) report {
		return report{Tables: []table{{Rows: []row{{Target: nameDirect, CPU: number(math.NaN())}, {Target: nameBare, CPU: cpu, Foreign: foreign}}}}}
	}
	for _, c := range []struct {
		of   report
		want int
	}{{page(30, 0.05), 0}, {page(60, 0.05), 1}, {page(30, 0.5), 1}, {page(60, 0.5), 2}, {report{}, 0}} {
		if got := c.of.cautions(); len(got) != c.want {
			t.Errorf("cautions = %q, want %d", got, c.want)
		}
	}
}
