package proxy

import (
	"context"
	"net/http"
)

// Tracer follows requests through Foregate, for whoever looks at traces. A nil Tracer
// follows none and costs a comparison.
type Tracer interface {
	// Follow begins with a request; the one that it returns carries its span, also in its
	// header. If the peer is trusted its traceparent (W3C Trace Context) is continued.
	Follow(r *http.Request, trusted bool) (*http.Request, func(app string, status int))
	// Upstream follows a request to the application.
	Upstream(r *http.Request, app string) (*http.Request, func(status int))
	// Step follows a part of the work on a request.
	Step(ctx context.Context, name string) (context.Context, func(error))
}

// follow begins to follow a request; what it returns is called at its end.
func (s *Server) follow(x *exchange, r *http.Request) (*http.Request, func()) {
	_, trusted := clientOf(r, s.Trusted)
	r, end := s.Tracer.Follow(r, trusted)
	return r, func() {
		app := ""
		if x.app != nil {
			app = x.app.Name
		}
		end(app, x.status)
	}
}

// step follows one call of a method, which may ask its provider or directory.
func (m *Method) step(ctx context.Context, what string) (context.Context, func(error)) {
	if m.tracer == nil {
		return ctx, func(error) {}
	}
	return m.tracer.Step(ctx, what+" "+m.Name)
}
