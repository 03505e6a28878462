package admin

import (
	"net/http"
	"net/http/pprof"
)

// profiles are those of the Go runtime (net/http/pprof), for owners of everything. A
// profile of memory may hold what people sent, so it is not for viewers, and a listener
// that other machines reach does not have them at all.
func (l *Listener) profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.lets(w, r, Owner) {
			mux.ServeHTTP(w, r)
		}
	})
}
