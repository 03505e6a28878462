// Package traces follows requests for OpenTelemetry, as the standard OTEL_* variables
// of the environment say.
//
// Follow begins a span for each request: as the child of the one that a trusted proxy
// names in traceparent, and for anybody else as the first of a trace of its own, since a stranger
// must not decide what is recorded. Step begins one within it: of a sign-in, the store, the
// application, which is told of it in turn. Attributes are names of the configuration,
// methods and statuses: no path, no address, nothing of a person.
package traces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Tracer follows requests. It is safe for concurrent use.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
	header   propagation.TraceContext // and no baggage, which could hold anything
}

const closeTime = 3 * time.Second

// Wanted reports whether the environment asks for traces.
func Wanted(getenv func(string) string) bool {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || exporter == "none":
		return false
	}
	return exporter == "otlp" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Open begins to send spans to where the environment says, by HTTP. It does not wait
// for the other side.
func Open(ctx context.Context, version string, getenv func(string) string, log *slog.Logger) (*Tracer, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := getenv(name); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("traces: %s is %q, and Foregate speaks http/protobuf alone: set that, and the port of the receiver for it, 4318 as a rule", name, p)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	own, err := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "foregate"), attribute.String("service.version", version)), resource.Environment())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err), exporter.Shutdown(ctx))
	}
	// The SDK has one place for its faults in a process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces not sent", "error", err) }))
	p := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(own)) // it reads OTEL_TRACES_SAMPLER and the limits
	return &Tracer{provider: p, tracer: p.Tracer("foregate")}, nil
}

// Close sends what waits, for a few seconds at most.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Follow begins to follow a request, and returns it with its span in the context and in
// the header. The headers of a peer that is not trusted count for nothing.
func (t *Tracer) Follow(r *http.Request, trusted bool) (*http.Request, func(app string, status int)) {
	ctx := r.Context()
	if trusted {
		ctx = t.header.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, span := t.tracer.Start(ctx, methodOf(r), api.WithSpanKind(api.SpanKindServer))
	r = r.WithContext(ctx)
	t.inject(r)
	return r, func(app string, status int) {
		span.SetAttributes(attribute.String("http.request.method", methodOf(r)), attribute.Int("http.response.status_code", status))
		if app != "" {
			span.SetName(methodOf(r) + " " + app)
			span.SetAttributes(attribute.String("foregate.app", app))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Upstream follows a request to the application, which is told of it.
func (t *Tracer) Upstream(r *http.Request, app string) (*http.Request, func(status int)) {
	ctx, span := t.tracer.Start(r.Context(), "upstream "+app, api.WithSpanKind(api.SpanKindClient), api.WithAttributes(attribute.String("foregate.app", app)))
	r = r.WithContext(ctx)
	t.inject(r)
	return r, func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		span.End()
	}
}

// Step follows a part of the work on a request, and nothing that is not for one. The
// text of its error stays out of it: that may name a person.
func (t *Tracer) Step(ctx context.Context, name string) (context.Context, func(error)) {
	if !api.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

func (t *Tracer) inject(r *http.Request) {
	r.Header.Del("Tracestate")
	t.header.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// methodOf keeps what a client makes up out of the names of spans.
func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "_OTHER"
}
