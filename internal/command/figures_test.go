package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/internal/config"
	"foregate/internal/ldaptest"
	"foregate/proxy/admin"
)

// allFigures is what a Foregate tells that has seen everything once.
func allFigures(t *testing.T) string {
	t.Helper()
	m := admin.NewMetrics("test")
	m.App("careplan").Observe(200, time.Millisecond)
	m.SignIn("entra", "ok")
	m.SignInFailed("entra", "failed", errors.New("x"))
	m.Token("st-elsewhere", "jwe", "ok")
	m.Unstable("st-elsewhere", true)
	m.MayBreakGlass("glass")
	m.Directories().Refreshed("ward", time.Second, 5, 1, true)
	m.Gauge("foregate_sessions", "Sessions in this process's memory.", func() float64 { return 1 })
	new(post).figures(m)
	full := newCapacity(slog.New(slog.DiscardHandler))
	full.figures(m)
	full.bound(nil, "https", m)
	cert, key := ldaptest.NewPKI(t, t.TempDir()).Issue(t, "server", time.Now().Add(time.Hour), "careplan.example")
	file := &config.File{Listen: config.Listen{HTTPS: ":1"}, TLS: config.TLS{Certificates: []config.Certificate{{Cert: authn.Path(cert), Key: authn.Path(key)}}}}
	m.Certificates(func() map[string]time.Time { return certificateEnds(file) })
	m.RevocationLists(func() map[string]time.Time { return map[string]time.Time{"staff-ca.crl": time.Now()} })
	m.Upstreams(func() []admin.UpstreamState {
		return []admin.UpstreamState{{App: "careplan", Upstream: "10.0.0.1:9000", Up: true}, {App: "careplan", Upstream: "/api 10.0.0.2:9000"}}
	})
	store := admin.Watched(broken{}, m, nil)
	if _, err := store.Load(t.Context(), "x"); err == nil {
		t.Fatal("the store is not broken")
	}
	return figuresOf(t, m)
}

// broken is a store that does not answer.
type broken struct{ admin.Store }

func (broken) Load(_ context.Context, _ string) (cookies.Record, error) {
	return cookies.Record{}, errors.New("no answer")
}

func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is needed: run test/needs")
		}
		t.Skip("promtool is needed: run test/needs")
	}
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestFiguresAreAsPrometheusWantsThem(t *testing.T) {
	promtool(t, ownFigures(allFigures(t)), "check", "metrics")
}

// ownFigures leaves out those of the Go runtime, whose names are not ours.
func ownFigures(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "foregate_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestAlertRulesFireWhenTheyShould(t *testing.T) {
	promtool(t, "", "check", "rules", "../../deploy/prometheus/alerts.yaml")
	promtool(t, "", "test", "rules", "../../deploy/prometheus/alerts_test.yaml")
}

var figureName = regexp.MustCompile(`\bforegate_[a-z_]+[a-z]\b`)

// TestDashboardAndRulesAskForFiguresThatThereAre: a panel of a figure that nobody tells
// is empty for ever, and a rule of one is silent.
func TestDashboardAndRulesAskForFiguresThatThereAre(t *testing.T) {
	told := figureName.FindAllString(allFigures(t), -1)
	var rules strings.Builder
	rules.WriteString("groups: [{name: dashboard, rules: [\n")
	for i, expr := range dashboard(t) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expr)
		fmt.Fprintf(&rules, "{record: 'panel:%d', expr: %q},\n", i, expr)
	}
	rules.WriteString("]}]\n")
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range figureName.FindAllString(rules.String()+string(alerts), -1) {
		if !slices.Contains(told, name) {
			t.Errorf("nobody tells %s", name)
		}
	}
}

// dashboard are the expressions of all panels.
func dashboard(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/foregate.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil || len(board.Panels) < 10 {
		t.Fatalf("%d panels, %v", len(board.Panels), err)
	}
	var all []string
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// TestFiguresAreDocumented compares the table of docs/operate.md with what is told.
func TestFiguresAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Figures")
	for line := range strings.Lines(allFigures(t)) {
		name, ok := strings.CutPrefix(line, "# TYPE ")
		if name, _, _ = strings.Cut(name, " "); !ok || !strings.HasPrefix(name, "foregate_") {
			continue
		}
		short := "_" + strings.TrimPrefix(name, "foregate_directory_refresh_")
		if !strings.Contains(table, name) && !strings.Contains(table, short) {
			t.Errorf("%s is not in docs/operate.md", name)
		}
	}
}
