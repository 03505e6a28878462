// Package deploy looks at what deploy/ gives away with the tools that will read it.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mostExposed is what systemd-analyze security may say at most, of 10.
const mostExposed = 2.0

// TestSystemdTakesTheUnits and finds the service well locked up.
func TestSystemdTakesTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze: ", err)
	}
	dir := t.TempDir()
	units, err := filepath.Glob("../../deploy/systemd/*.s[eo][rc]*")
	if err != nil || len(units) != 4 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	verify := []string{"verify"}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The binary is not installed here.
		copied := filepath.Join(dir, filepath.Base(unit))
		if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), "/usr/bin/foregate", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		verify = append(verify, copied)
	}
	if out, err := exec.Command("systemd-analyze", verify...).CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", filepath.Join(dir, "foregate.service")).CombinedOutput()
	m := regexp.MustCompile(`exposure level for foregate.service: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("security: %v\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > mostExposed {
		t.Errorf("exposure %s, want %v at most\n%s", m[1], mostExposed, out)
	}
}
