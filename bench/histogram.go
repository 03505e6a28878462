package main

import (
	"math/bits"
	"time"
)

const (
	histogramSteps = 64 // per power of two: a reading is at most 1.6 % too high
	histogramSize  = 40 * histogramSteps
)

// histogram counts durations from 1 ns to about 18 minutes in a fixed space, so
// that the load generator allocates nothing while it measures.
type histogram struct {
	counts [histogramSize]uint32
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile returns the duration that the share q (0 to 1) of all readings does
// not exceed, and 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total-1))
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if seen > rank {
			return bucketTop(i)
		}
	}
	return bucketTop(histogramSize - 1)
}

// bucketOf is exact below histogramSteps and logarithmic above.
func bucketOf(d time.Duration) int {
	if d < 0 {
		return 0
	}
	v := uint64(d)
	if v < histogramSteps {
		return int(v)
	}
	power := bits.Len64(v) - bits.Len64(histogramSteps) // halvings until v is a step
	i := power*histogramSteps + int(v>>power)
	return min(i, histogramSize-1)
}

// bucketTop is the largest duration that bucketOf puts into bucket i.
func bucketTop(i int) time.Duration {
	if i < 2*histogramSteps {
		return time.Duration(i)
	}
	power := i/histogramSteps - 1
	step := i - power*histogramSteps
	return time.Duration(uint64(step+1)<<power - 1)
}
