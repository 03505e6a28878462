// Package admin is the operator's side, on a listener of its own that the public never
// reaches.
//
// A Listener answers health and figures (metrics.go). For everything else a Guard tells
// who asks, by a bearer token or the console's cookie, and what role they have (guard.go,
// pass.go, who.go). Programs get the API (routes.go: one table of what there is and who
// may ask for it); people get the Console (console.go: the same for pages). Both act by
// authn/accounts and cookies.Sessions, which keep to the organisation of who asks. The
// operator's commands use the API by a Unix socket whose owner may do everything
// (socket.go).
package admin

import (
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are Foregate's Prometheus figures, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	signIns  *prometheus.CounterVec
	store    *prometheus.CounterVec
	faults   *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	unstable *prometheus.GaugeVec
	glass    *prometheus.CounterVec
	retries  *prometheus.CounterVec
	reloaded prometheus.Gauge
	unrouted *AppFigures
	outcomes outcomes
}

// NewMetrics registers everything once.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_requests_total", Help: "Requests answered, by app and status code."}, []string{"app", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "foregate_request_duration_seconds", Help: "Time from the first byte of a request to the last of its answer.", Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10}}, []string{"app"}),
		signIns:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_sign_ins_total", Help: "Sign-ins, by method and result (ok, refused, failed, unavailable)."}, []string{"method", "result"}),
		store:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_store_operations_total", Help: "Calls to the session store, by operation."}, []string{"operation"}),
		faults:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_store_errors_total", Help: "Calls to the session store that it did not answer."}, []string{"operation"}),
	}
	m.tokens = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_handoff_tokens_total", Help: "Tokens of partners' pages, by partner, format and result (ok, reload, unavailable, or why it was refused)."}, []string{"partner", "format", "result"})
	m.unstable = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foregate_handoff_unstable_identifiers", Help: "1 if nearly all users that a partner's page sent lately had never been seen before, as session identifiers are."}, []string{"partner"})
	m.glass = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_break_glass_total", Help: "Uses of an emergency way in, by method and result (ok, refused)."}, []string{"method", "result"})
	m.retries = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foregate_upstream_retries_total", Help: "Requests whose answer was to be put to another address, by app and result (answered, refused, withheld)."}, []string{"app", "result"})
	m.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{Name: "foregate_config_last_reload_successful", Help: "1 if the last configuration that was read is in force, 0 if it was broken."})
	m.reloaded.Set(1)
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "foregate_build_info", Help: "Always 1; the version is its label.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.signIns, m.store, m.faults, m.tokens, m.unstable, m.glass, m.retries, m.reloaded, build,
		goFigures(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.unrouted = m.App("")
	return m
}

// goFigures are those of the Go runtime, and what was alive after its last
// garbage collection: that is what sessions take.
func goFigures() prometheus.Collector {
	live := collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/gc/heap/live:bytes$")}
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(live))
}

// Gauge registers a figure that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter registers a count that somebody else keeps, under one value of a label.
func (m *Metrics) Counter(name, help, label, value string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: name, Help: help, ConstLabels: prometheus.Labels{label: value},
	}, read))
}

// Token counts a token of a partner's page.
func (m *Metrics) Token(partner, format, result string) {
	m.tokens.WithLabelValues(partner, format, result).Inc()
}

// Unstable notes whether a partner's users are new each time.
func (m *Metrics) Unstable(partner string, yes bool) {
	g := m.unstable.WithLabelValues(partner)
	g.Set(0)
	if yes {
		g.Set(1)
	}
}

// MayBreakGlass shows the figures of an emergency way in from the start: an alert needs
// to see them grow from nothing.
func (m *Metrics) MayBreakGlass(method string) {
	m.glass.WithLabelValues(method, "ok")
	m.glass.WithLabelValues(method, "refused")
}

// BreakGlass counts one use of an emergency way in.
func (m *Metrics) BreakGlass(method, result string) { m.glass.WithLabelValues(method, result).Inc() }

// Reloaded notes how the last reload of the configuration ended.
func (m *Metrics) Reloaded(ok bool) {
	m.reloaded.Set(0)
	if ok {
		m.reloaded.Set(1)
	}
}

// Unrouted are the figures of requests that no app answers.
func (m *Metrics) Unrouted() *AppFigures { return m.unrouted }

// App returns the figures of one app.
func (m *Metrics) App(app string) *AppFigures {
	return &AppFigures{
		duration: m.duration.WithLabelValues(app),
		counter:  func(code int) prometheus.Counter { return m.requests.WithLabelValues(app, strconv.Itoa(code)) },
		retried:  func(result string) { m.retries.WithLabelValues(app, result).Inc() },
	}
}

// AppFigures count without looking a label up for each request.
type AppFigures struct {
	duration prometheus.Observer
	counter  func(code int) prometheus.Counter
	retried  func(result string)
	byCode   [600]atomic.Pointer[prometheus.Counter]
}

// Retried counts a request whose answer was to be put to another address.
func (f *AppFigures) Retried(result string) { f.retried(result) }

// Observe counts one answer.
func (f *AppFigures) Observe(code int, took time.Duration) {
	if code < 100 || code >= len(f.byCode) {
		code = 0 // the client was gone before there was an answer
	}
	c := f.byCode[code].Load()
	if c == nil {
		made := f.counter(code)
		c = &made
		f.byCode[code].Store(c)
	}
	(*c).Inc()
	f.duration.Observe(took.Seconds())
}
