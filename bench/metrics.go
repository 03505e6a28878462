package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Figures that are read from the admin listener.
const (
	metricMallocs  = "go_memstats_mallocs_total"
	metricHeap     = "go_gc_heap_live_bytes" // what the last garbage collection left
	metricStoreOps = "foregate_store_operations_total"
)

// figures are the values of a Prometheus page by name, summed over labels.
type figures map[string]float64

// readFigures fetches http://addr/metrics.
func readFigures(ctx context.Context, addr string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 8*mebibyte))
	if err != nil {
		return nil, err
	}
	return parseFigures(string(text)), nil
}

// parseFigures reads the text format, so far as it is needed: name, labels,
// value. What is not a number is left out.
func parseFigures(text string) figures {
	all := make(figures)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		end := strings.IndexAny(line, "{ ")
		if end <= 0 || line[0] == '#' {
			continue
		}
		name, rest := line[:end], line[end:]
		if labels := strings.LastIndexByte(rest, '}'); labels >= 0 {
			rest = rest[labels+1:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
			all[name] += v
		}
	}
	return all
}

// get returns a figure that must be there.
func (f figures) get(name string) (float64, error) {
	v, ok := f[name]
	if !ok {
		return 0, fmt.Errorf("/metrics does not show %s", name)
	}
	return v, nil
}

// grown returns by how much a figure grew from before to after.
func grown(before, after figures, name string) (float64, error) {
	a, err := before.get(name)
	if err != nil {
		return 0, err
	}
	b, err := after.get(name)
	if err != nil {
		return 0, err
	}
	return b - a, nil
}
