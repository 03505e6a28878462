package admin

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Listener answers /metrics, /healthz and /readyz, and the API and the console for those
// whom its Guard knows.
type Listener struct {
	mux      *http.ServeMux
	guard    *Guard
	draining atomic.Bool
}

// ListenerParts are what a Listener is made of.
type ListenerParts struct {
	Metrics *Metrics
	Ready   func(context.Context) error // why requests cannot be served now, or nil
	API     *API
	Console *Console // nil: no pages
	Guard   *Guard
	// Near says that only this machine can connect: figures are for everybody there, and
	// elsewhere for viewers of all organisations.
	Near bool
}

// NewListener returns a Listener.
func NewListener(p ListenerParts) *Listener {
	l := &Listener{mux: http.NewServeMux(), guard: p.Guard}
	figures := promhttp.HandlerFor(p.Metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	l.mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if p.Near || l.lets(w, r, Viewer) {
			figures.ServeHTTP(w, r)
		}
	})
	l.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	l.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		switch err := p.Ready(ctx); {
		case l.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case err != nil:
			say(w, http.StatusServiceUnavailable, "store: does not answer")
		default:
			say(w, http.StatusOK, "ready")
		}
	})
	if p.Near {
		l.mux.Handle("GET /debug/pprof/", l.profiles())
	}
	// No other site may have the browser of an administrator ask for a change.
	l.mux.Handle(base+"/", http.NewCrossOriginProtection().Handler(p.API.For(p.Guard.who)))
	if p.Console != nil {
		l.mux.Handle("/", p.Console)
	}
	return l
}

// lets those pass who have a role for all organisations, and answers the others.
func (l *Listener) lets(w http.ResponseWriter, r *http.Request, least Role) bool {
	who, err := l.guard.who(r)
	if err == nil && who.May(least) && who.Organisation == "" {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="foregate"`)
	say(w, http.StatusUnauthorized, "send a token of the role "+string(least)+" as bearer token")
	return false
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
