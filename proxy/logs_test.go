package proxy

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
	"foregate/cookies/memstore"
	"foregate/proxy/admin"
	"foregate/upstream"
)

// fieldsIn are the first cells of the table below a heading of docs/logs.md.
func fieldsIn(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "## "+heading+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var fields []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z_]+) \|`).FindAllStringSubmatch(part, -1) {
		if m[1] != "field" {
			fields = append(fields, m[1])
		}
	}
	if !found || len(fields) == 0 {
		t.Fatalf("no table below %q", heading)
	}
	return slices.Sorted(slices.Values(fields))
}

func TestAccessLogHasTheFieldsThatAreDocumented(t *testing.T) {
	line := lineOf(t, newServer(t, memstore.New(), application(t), nil))
	if _, ok := line["retries"]; ok {
		t.Error("tells of retries, and there were none")
	}
	line["retries"] = nil // see TestRetryIsToldInFiguresAndLog
	for _, of := range []string{"time", "level", "msg"} {
		delete(line, of)
	}
	if diff := cmp.Diff(fieldsIn(t, "Access log"), slices.Sorted(maps.Keys(line))); diff != "" {
		t.Errorf("fields (-documented +written):\n%s", diff)
	}
}

// lineOf is the line of the access log for one request to s.
func lineOf(t *testing.T, s *Server) (line map[string]any) {
	t.Helper()
	var lines bytes.Buffer
	s.Access = slog.New(slog.NewJSONHandler(&lines, nil))
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://app.test/patients?name=nora", nil))
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line["msg"] != "request" || strings.Contains(lines.String(), "nora") {
		t.Fatalf("%v: %s", err, lines.String())
	}
	return line
}

func TestRetryIsToldInFiguresAndLog(t *testing.T) {
	refusing := func() string {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
		t.Cleanup(app.Close)
		return app.Listener.Addr().String()
	}
	s := newServer(t, memstore.New(), application(t), []Rule{{Allow: Anyone}})
	app := s.set.Load().hosts["app.test"]
	up, err := upstream.New(upstream.Config{Name: "app", Route: upstream.Route{
		URL: &url.URL{Scheme: "http", Host: refusing()}, Also: []string{refusing()}, Retry: upstream.Retry{Statuses: []int{503}, Times: 1},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	app.Upstream = up
	if line := lineOf(t, s); line["retries"] != 1.0 || line["status"] != 503.0 {
		t.Errorf("got %v", line)
	}
	w := httptest.NewRecorder()
	admin.NewListener(admin.ListenerParts{Metrics: s.Metrics, Near: true}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if want := `foregate_upstream_retries_total{app="app",result="refused"} 1`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s is not among the figures", want)
	}
}

func TestAuditTrailHasTheFieldsThatAreDocumented(t *testing.T) {
	var written []string
	for f := range reflect.TypeFor[accounts.Event]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		written = append(written, name)
	}
	slices.Sort(written)
	if diff := cmp.Diff(fieldsIn(t, "Audit trail"), written); diff != "" {
		t.Errorf("fields (-documented +written):\n%s", diff)
	}
}
