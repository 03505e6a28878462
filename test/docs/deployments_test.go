package docs_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachSentenceOfTheDeploymentsHasItsStep: docs/deployments.md lists each sentence once,
// with a step that is told.
func TestEachSentenceOfTheDeploymentsHasItsStep(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "test/deployments/*_test.go"))
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var told strings.Builder
	for _, f := range files {
		told.WriteString(read(t, f))
	}
	row := regexp.MustCompile(`(?m)^\| (\d\.\d) \| [^|]+ \| (\d\.\d [^|]+) \|$`)
	listed := make(map[string]int)
	for _, m := range row.FindAllStringSubmatch(read(t, filepath.Join(root, "docs/deployments.md")), -1) {
		listed[m[1]]++
		if !strings.HasPrefix(m[2], m[1]) || !strings.Contains(told.String(), fmt.Sprintf("t.Run(%q, ", m[2])) {
			t.Errorf("no step is called %q", m[2])
		}
	}
	for deployment, sentences := range map[int]int{1: 6, 2: 8, 3: 6, 4: 6, 5: 6} {
		for n := 1; n <= sentences; n++ {
			if id := fmt.Sprintf("%d.%d", deployment, n); listed[id] != 1 {
				t.Errorf("%s is listed %d times", id, listed[id])
			}
		}
	}
}
