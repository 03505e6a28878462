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
		desc: prometheus.NewDesc("foregate_certificate_not_after_seconds", "When a certificate of the https listener, or an authority of people's certificates, ends, in seconds since 1970; 0 for authorities that cannot be read.", []string{"certificate"}, nil),
	})
}

// RevocationLists registers when lists of revoked certificates are out of date; call it
// once. read gives that by the list's file.
func (m *Metrics) RevocationLists(read func() map[string]time.Time) {
	m.registry.MustRegister(certificateEnds{
		read: read,
		desc: prometheus.NewDesc("foregate_revocation_list_next_update_seconds", "When a list of revoked certificates is out of date, after which nobody signs in by certificate, in seconds since 1970; 0 if it cannot be read.", []string{"list"}, nil),
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
