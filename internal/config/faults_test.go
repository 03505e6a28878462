package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	data, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("mistakes.yaml", data, "/nowhere", kinds())
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want *Faults", err)
	}
	golden := filepath.Join("testdata", "mistakes.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile(golden)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(err.Error()+"\n", "\n")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, f := range faults.All {
		if f.Problem == "" || f.Remedy == "" || f.Line < 1 || f.Column < 1 || f.File != "mistakes.yaml" {
			t.Errorf("incomplete fault: %#v", f)
		}
	}
}
