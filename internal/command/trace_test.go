package command

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/cookies/sqlstore"
	"foregate/internal/config"
	"foregate/internal/database"
	"foregate/test/free"
)

// receiver is where spans are sent: OTLP by HTTP, as a collector takes it.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	all   []*spans.Span
	about string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, rs := range sent.ResourceSpans {
			r.about = rs.Resource.String()
			for _, ss := range rs.ScopeSpans {
				r.all = append(r.all, ss.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) named(name string) []*spans.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*spans.Span
	for _, s := range r.all {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

// traced starts a Foregate before app, and returns its address.
func traced(t *testing.T, app, trusted string) (*running, string) {
	t.Helper()
	dir := t.TempDir()
	address, err := free.Address()
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), filepath.Join(dir, "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tables := Tables{
		Methods: []config.Kind{{Name: "local", New: func() authn.MethodConfig { return new(local.Config) }}},
		Store: func(_ config.Storage, log *slog.Logger) (Store, error) {
			return sqlstore.Open(t.Context(), db, log)
		},
		People: func(config.Storage, Store, bool, *slog.Logger) (accounts.DB, io.Closer, error) {
			return accounts.DB{Writer: db.Writer, Reader: db.Reader}, nil, nil
		},
	}
	text := fmt.Sprintf(`
listen: {http: %q, admin: "off", admin_socket: "off"}
trusted_proxies: [%s]
storage: {path: %q}
methods: [{name: local, local: {}}]
apps: [{name: careplan, hosts: [careplan.example], upstream: {url: %q}, methods: [local], rules: [{path: /open/**, allow: anyone}]}]
`, address, trusted, dir, app)
	file, err := config.Parse("foregate.yaml", []byte(text), dir, tables.Methods)
	if err != nil {
		t.Fatal(err)
	}
	fg, err := start(file, tables, io.Discard, false)
	if err != nil {
		t.Fatal(err)
	}
	return fg, "http://" + address
}

const theirTrace = "0af7651916cd43dd8448eb211c80319c"

// TestRequestsAreFollowed: through Foregate to the application, from the trace of a
// proxy that is trusted or from one of our own, and nothing of a person is told.
func TestRequestsAreFollowed(t *testing.T) {
	for name, trusted := range map[string]string{"trusted": "127.0.0.1", "a stranger": ""} {
		t.Run(name, func(t *testing.T) {
			r := receive(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=ward-7")
			var heard http.Header
			app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { heard = req.Header.Clone() }))
			defer app.Close()
			fg, address := traced(t, app.URL, trusted)
			askTraced(t, address+"/open/patient/nora-secret?name=nora-secret", http.StatusOK)
			askTraced(t, address+"/sso/start/local?rd=/nora-secret", http.StatusOK)
			fg.stop() // sends what waits

			up, whole := r.named("upstream careplan"), r.named("GET careplan")
			if len(up) != 1 || len(whole) != 2 || len(r.named("begin local")) != 1 {
				t.Fatalf("%d, %d and %d spans of %v", len(up), len(whole), len(r.named("begin local")), r.all)
			}
			trace := fmt.Sprintf("%x", up[0].TraceId)
			if continued := trace == theirTrace; continued != (trusted != "") {
				t.Errorf("trace %s", trace)
			}
			if want := fmt.Sprintf("00-%s-%x-01", trace, up[0].SpanId); heard.Get("Traceparent") != want {
				t.Errorf("the application was told %q, want %q", heard.Get("Traceparent"), want)
			}
			if state := heard.Get("Tracestate"); (state == "vendor=x") != (trusted != "") {
				t.Errorf("tracestate %q", state)
			}
			if string(up[0].ParentSpanId) != string(whole[0].SpanId) {
				t.Error("the application's span is not within the request's")
			}
			if all := fmt.Sprint(r.all, r.about); strings.Contains(all, "nora") || strings.Contains(all, "/open") || !strings.Contains(all, "ward-7") || !strings.Contains(all, `"foregate"`) {
				t.Errorf("told %s", all)
			}
		})
	}
}

func askTraced(t *testing.T, address string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "careplan.example"
	req.Header.Set("Traceparent", "00-"+theirTrace+"-b7ad6b7169203331-01")
	req.Header.Set("Tracestate", "vendor=x")
	req.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, _ = io.Copy(io.Discard, resp.Body); resp.StatusCode != status {
		t.Errorf("%s: %d", address, resp.StatusCode)
	}
}

// TestNothingIsFollowedUnlessWanted: a traceparent then goes to the application as it came.
func TestNothingIsFollowedUnlessWanted(t *testing.T) {
	var heard string
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { heard = req.Header.Get("Traceparent") }))
	defer app.Close()
	fg, address := traced(t, app.URL, "")
	defer fg.stop()
	askTraced(t, address+"/open/x", http.StatusOK)
	if fg.tracer != nil || fg.server.Tracer != nil || heard != "00-"+theirTrace+"-b7ad6b7169203331-01" {
		t.Errorf("tracer %v, told %q", fg.tracer, heard)
	}
}

func TestTracesAreNotSentByAnotherProtocol(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	fg := &running{log: slog.New(slog.DiscardHandler)}
	if _, err := fg.watched(nil); err == nil || !strings.Contains(err.Error(), "http/protobuf") {
		t.Error(err)
	}
}
