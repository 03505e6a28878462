package main

import (
	"testing"
	"time"
)

func TestHistogramReadsWithinTwoPercent(t *testing.T) {
	for d := time.Duration(1); d < 10*time.Minute; d = d*9/8 + 1 {
		var h histogram
		h.add(d)
		got := h.quantile(0.5)
		if got < d || float64(got) > float64(d)*1.02 {
			t.Errorf("quantile of the single reading %v = %v, want it at most 2 %% above", d, got)
		}
	}
}

func TestHistogramQuantilesOfMergedCounts(t *testing.T) {
	var a, b histogram
	for i := 1; i <= 50; i++ {
		a.add(time.Duration(i) * time.Millisecond)
		b.add(time.Duration(i+50) * time.Millisecond)
	}
	a.merge(&b)
	for q, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond} {
		got := a.quantile(q)
		if got < want || float64(got) > float64(want)*1.02 {
			t.Errorf("quantile(%v) = %v, want about %v", q, got, want)
		}
	}
}

func TestHistogramKeepsWhatIsOutOfRange(t *testing.T) {
	var h histogram
	h.add(-time.Second)
	h.add(1000 * time.Hour)
	if h.total != 2 || h.quantile(0) != 0 || h.quantile(1) < 10*time.Minute {
		t.Errorf("total %d, lowest %v, highest %v", h.total, h.quantile(0), h.quantile(1))
	}
}

func TestEmptyHistogramReadsZero(t *testing.T) {
	if got := new(histogram).quantile(0.99); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
}
