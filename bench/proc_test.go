package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStatOfAProcessWithAnAwkwardName(t *testing.T) {
	line := "42 (a) S 7 (b c) S 17 42 42 0 -1 4194304 100 0 0 0 150 50 9 9 20 0 3 0 1000 1000000 25 184467 1 1 0"
	got, err := parseStat([]byte(line))
	want := stat{parent: 17, cpu: 2 * time.Second, rss: int64(25 * os.Getpagesize())}
	if err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
}

func TestBrokenStatIsRefused(t *testing.T) {
	for _, line := range []string{"", "42", "42 (a) S 1", "42 (a) S x 42 42 0 -1 4194304 100 0 0 0 1 1 0 0 20 0 3 0 1 1 1 1"} {
		if got, err := parseStat([]byte(line)); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", line, got)
		}
	}
}

func TestBusyCoreLeavesIdleAndWaitingOut(t *testing.T) {
	text := "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 10 1 20 500 300 2 3 4 0 0\ncpu1 7 0 0 1 1 0 0 0 0 0\nintr 1\n"
	got, err := parseCoreBusy(text, 0)
	if err != nil || got != 400*time.Millisecond {
		t.Errorf("core 0 was busy for %v, %v; want 400ms", got, err)
	}
	if _, err := parseCoreBusy(text, 2); err == nil {
		t.Error("a core that is not there has a figure")
	}
}

func TestTreeHoldsChildrenAndCountsThem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	procs, err := treeOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if procs[0] != os.Getpid() || !slices.Contains(procs, child.Process.Pid) {
		t.Errorf("tree = %v, want %d first and %d in it", procs, os.Getpid(), child.Process.Pid)
	}
	if u, err := procs.usage(); err != nil || u.rss == 0 {
		t.Errorf("usage = %+v, %v", u, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if _, err := procs.usage(); err == nil {
		t.Error("usage of a tree that lost a process is no error")
	}
}

func TestFiguresAreSummedOverLabels(t *testing.T) {
	text := `# HELP ops Calls.
# TYPE ops counter
ops{operation="load",note="} 7 {"} 3
ops{operation="create"} 4 1700000000000
go_memstats_mallocs_total 1.5e+06
odd{a="b"} NaN-ish
alone
`
	want := figures{"ops": 7, "go_memstats_mallocs_total": 1.5e6}
	if diff := cmp.Diff(want, parseFigures(text)); diff != "" {
		t.Error(diff)
	}
}

func TestAFigureThatIsNotShownIsAnError(t *testing.T) {
	if v, err := grown(figures{}, figures{"ops": 3}, "ops"); err == nil {
		t.Errorf("grown = %v without an error", v)
	}
}
