package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Directories are the figures of comparisons of accounts with directories.
type Directories struct {
	last, seconds, people *prometheus.GaugeVec
	left                  *prometheus.CounterVec
	failures              *prometheus.CounterVec
}

// Directories registers them; call it once.
func (m *Metrics) Directories() *Directories {
	method := []string{"method"}
	d := &Directories{
		last:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foregate_directory_refresh_last_success_timestamp_seconds", Help: "When accounts were last compared with their whole directory."}, method),
		seconds:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foregate_directory_refresh_duration_seconds", Help: "How long the last comparison took."}, method),
		people:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foregate_directory_refresh_people", Help: "People whom the directory gave at the last comparison."}, method),
		left:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_directory_refresh_left_total", Help: "Accounts that lost access by a comparison."}, method),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_directory_refresh_failures_total", Help: "Comparisons that did not get to their end."}, method),
	}
	m.registry.MustRegister(d.last, d.seconds, d.people, d.left, d.failures)
	return d
}

// Refreshed notes how a comparison ended.
func (d *Directories) Refreshed(method string, took time.Duration, seen, left int, whole bool) {
	d.seconds.WithLabelValues(method).Set(took.Seconds())
	d.left.WithLabelValues(method).Add(float64(left))
	if !whole {
		d.failures.WithLabelValues(method).Inc()
		return
	}
	d.people.WithLabelValues(method).Set(float64(seen))
	d.last.WithLabelValues(method).SetToCurrentTime()
}
