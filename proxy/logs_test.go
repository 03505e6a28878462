package proxy

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
	"foregate/cookies/memstore"
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
	var lines bytes.Buffer
	s := newServer(t, memstore.New(), application(t), nil)
	s.Access = slog.New(slog.NewJSONHandler(&lines, nil))
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://app.test/patients?name=nora", nil))
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line["msg"] != "request" || strings.Contains(lines.String(), "nora") {
		t.Fatalf("%v: %s", err, lines.String())
	}
	for _, of := range []string{"time", "level", "msg"} {
		delete(line, of)
	}
	if diff := cmp.Diff(fieldsIn(t, "Access log"), slices.Sorted(maps.Keys(line))); diff != "" {
		t.Errorf("fields (-documented +written):\n%s", diff)
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
