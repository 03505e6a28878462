package gate

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// explain runs the command beside the Foregate that runs.
func (f *foregate) explain(args ...string) (string, error) {
	all := append([]string{"explain", "-c", filepath.Join(f.dir, "foregate.yaml")}, args...)
	out, err := exec.Command(binary, all...).CombinedOutput()
	return string(out), err
}

// TestASupportCodeIsExplained in whatever way it was written down.
func TestASupportCodeIsExplained(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	answer := f.get("/admin/x?secret=hush", f.alice(), "Accept: text/html")
	m := regexp.MustCompile(`support code: <b>(\w+)</b>`).FindStringSubmatch(answer)
	if statusOf(answer) != 403 || m == nil {
		t.Fatalf("no page with a code:\n%s", answer)
	}
	code := m[1]
	spoken := strings.ToLower(code[:4] + "-" + code[4:8] + " " + strings.ReplaceAll(code[8:], "0", "O"))
	for _, id := range []string{code, spoken} {
		said, err := f.explain("--error-id", id)
		if err != nil {
			t.Fatalf("%s: %v\n%s", id, err, said)
		}
		for _, want := range []string{"GET app.test/admin/x on ", "app:    app", "who:    alice, from 127.0.0.1", "answer: 403 Forbidden", "shown:  You are signed in, but", "why:    in none of the rule's groups", "rule:   3 of the app"} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is missing in\n%s", want, said)
			}
		}
		if strings.Contains(said, "hush") {
			t.Errorf("what was in the query is shown:\n%s", said)
		}
	}
	if said, err := f.explain("--error-id", "0000000000000"); err == nil || !strings.Contains(said, "nothing is remembered of this code") {
		t.Errorf("an unknown code: %v\n%s", err, said)
	}
	if said, err := f.explain("--error-id", code, "--url", "https://app.test/"); err == nil || !strings.Contains(said, "say one of them") {
		t.Errorf("both: %v\n%s", err, said)
	}
	if said, err := f.explain("--error-id", code, "--json"); err != nil || !strings.Contains(said, `"rule":3`) {
		t.Errorf("as JSON: %v\n%s", err, said)
	}
}
