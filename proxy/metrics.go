package proxy

import (
	"time"

	"foregate/proxy/admin"
)

// appMetrics are one app's figures, looked up once.
type appMetrics struct{ figures *admin.AppFigures }

func newAppMetrics(m *admin.Metrics, app string) appMetrics { return appMetrics{m.App(app)} }

func (x *exchange) count(m *admin.Metrics, took time.Duration) {
	figures := m.Unrouted()
	if x.app != nil && x.app.metrics.figures != nil {
		figures = x.app.metrics.figures
	}
	figures.Observe(x.status, took)
	if _, how := x.trip.Retries(); how != "" {
		figures.Retried(string(how))
	}
}
