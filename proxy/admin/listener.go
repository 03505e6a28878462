package admin

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Listener answers /metrics, /healthz and /readyz.
type Listener struct {
	mux      *http.ServeMux
	draining atomic.Bool
}

// NewListener returns a Listener; ready says why requests cannot be served now, or nil.
func NewListener(m *Metrics, ready func(context.Context) error) *Listener {
	l := &Listener{mux: http.NewServeMux()}
	l.mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	l.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	l.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		switch err := ready(ctx); {
		case l.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case err != nil:
			say(w, http.StatusServiceUnavailable, "store: does not answer")
		default:
			say(w, http.StatusOK, "ready")
		}
	})
	return l
}

// Drain makes /readyz say no from now on, so that balancers look elsewhere.
func (l *Listener) Drain() { l.draining.Store(true) }

func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	l.mux.ServeHTTP(w, r)
}

func say(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(words + "\n"))
}
