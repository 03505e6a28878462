package admin

import "github.com/prometheus/client_golang/prometheus"

// UpstreamState is one of several addresses of an application.
type UpstreamState struct {
	App, Upstream string // Upstream is the path of the route, if it has one, and the address
	Up            bool
}

// Upstreams registers which addresses of applications are in use; call it once. read is
// asked at each scrape.
func (m *Metrics) Upstreams(read func() []UpstreamState) {
	m.registry.MustRegister(upstreamStates{
		read: read,
		desc: prometheus.NewDesc("foregate_upstream_up", "Whether requests are sent to an address, of applications with several.", []string{"app", "upstream"}, nil),
	})
}

type upstreamStates struct {
	read func() []UpstreamState
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c upstreamStates) Describe(all chan<- *prometheus.Desc) { all <- c.desc }

// Collect implements prometheus.Collector.
func (c upstreamStates) Collect(all chan<- prometheus.Metric) {
	for _, s := range c.read() {
		up := 0.0
		if s.Up {
			up = 1
		}
		all <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, up, s.App, s.Upstream)
	}
}
