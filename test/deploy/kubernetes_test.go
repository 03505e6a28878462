package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// documents reads all of a file's, each as JSON would have it.
func documents(t *testing.T, name string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq("\n"+string(text), "\n---\n") {
		var m map[string]any
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(m) > 0 {
			all = append(all, m)
		}
	}
	return all
}

// configSchema is ours, of a configuration.
func configSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fits holds a configuration against the schema.
func fits(t *testing.T, s *jsonschema.Schema, name string, config any) {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%s: its configuration: %v", name, err)
	}
}

// at follows keys and indices into what was read.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
		if v == nil {
			t.Fatalf("nothing at %v", path)
		}
	}
	return v
}

// TestManifestsAgreeWithTheirConfiguration: the ports, the probes and the files that
// the manifests name are those of the configuration within.
func TestManifestsAgreeWithTheirConfiguration(t *testing.T) {
	s := configSchema(t)
	names, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(names) != 2 {
		t.Fatalf("%d manifests, %v", len(names), err)
	}
	for _, name := range names {
		var config map[string]any
		var deployment map[string]any
		for _, d := range documents(t, name) {
			switch d["kind"] {
			case "ConfigMap":
				if err := yaml.Unmarshal([]byte(at(t, d, "data", "foregate.yaml").(string)), &config); err != nil {
					t.Fatal(err)
				}
			case "Deployment":
				deployment = d
			}
			if d["apiVersion"] == nil || at(t, d, "metadata", "name") == "" {
				t.Errorf("%s: a document without apiVersion or name", name)
			}
		}
		fits(t, s, name, config)
		containers := at(t, deployment, "spec", "template", "spec", "containers").([]any)
		foregate := containers[len(containers)-1].(map[string]any)
		ports := map[string]int{}
		for _, p := range foregate["ports"].([]any) {
			ports[at(t, p, "name").(string)] = at(t, p, "containerPort").(int)
		}
		if ports["http"] != 8080 || at(t, config, "listen", "http") != ":8080" || ports["admin"] != 9180 || at(t, config, "listen", "admin") != "0.0.0.0:9180" {
			t.Errorf("%s: ports %v do not agree with listen %v", name, ports, config["listen"])
		}
		if got := at(t, foregate, "readinessProbe", "httpGet", "path"); got != "/readyz" {
			t.Errorf("%s: readiness at %v", name, got)
		}
		if at(t, foregate, "securityContext", "readOnlyRootFilesystem") != true || at(t, config, "storage", "path") != "/data" {
			t.Errorf("%s: what is written must be below /data, and nothing else", name)
		}
	}
}

// TestChartValuesFit: the configuration that the chart comes with is a right one, and
// its version is ours.
func TestChartValuesFit(t *testing.T) {
	values := documents(t, "../../deploy/helm/foregate/values.yaml")[0]
	fits(t, configSchema(t), "values.yaml", values["config"])
	s, err := jsonschema.NewCompiler().Compile("../../deploy/helm/foregate/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	fits(t, s, "values.yaml", values)
	chart := documents(t, "../../deploy/helm/foregate/Chart.yaml")[0]
	changes, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if version := chart["appVersion"].(string); !strings.Contains(string(changes), "## "+version) {
		t.Errorf("appVersion %s is not in the changelog", version)
	}
}
