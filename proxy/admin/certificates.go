package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificates registers when our certificates end; call it once. read gives the ends by
// the certificate's file, which the configuration names, so there are few.
func (m *Metrics) Certificates(read func() map[string]time.Time) {
	m.registry.MustRegister(certificateEnds{
		read: read,
		desc: prometheus.NewDesc("foregate_certificate_not_after_seconds", "When a certificate of the https listener ends, in seconds since 1970.", []string{"certificate"}, nil),
	})
}

type certificateEnds struct {
	read func() map[string]time.Time
	desc *prometheus.Desc
}

func (c certificateEnds) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

func (c certificateEnds) Collect(to chan<- prometheus.Metric) {
	for name, end := range c.read() {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(end.Unix()), name)
	}
}
