package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// house is what a test is to the servers that it starts, for a program: where they are
// cleaned up, and where they say why they cannot start.
type house struct {
	testing.TB // what is not below is not used

	ctx      context.Context
	cleanups []func()
	failed   bool
}

// stopped is thrown where a test would end.
type stopped struct{ why string }

func newHouse(ctx context.Context) *house { return &house{ctx: ctx} }

// end cleans up, the last first.
func (h *house) end() {
	for i := len(h.cleanups) - 1; i >= 0; i-- {
		h.cleanups[i]()
	}
}

func (h *house) Helper()                  {}
func (h *house) Name() string             { return "example" }
func (h *house) Context() context.Context { return h.ctx }
func (h *house) Cleanup(f func())         { h.cleanups = append(h.cleanups, f) }
func (h *house) Failed() bool             { return h.failed }
func (h *house) Log(args ...any)          { fmt.Fprintln(os.Stderr, args...) }
func (h *house) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (h *house) Error(args ...any)                 { h.failed = true; h.Log(args...) }
func (h *house) Errorf(format string, args ...any) { h.failed = true; h.Logf(format, args...) }
func (h *house) Fatal(args ...any)                 { h.failed = true; panic(stopped{fmt.Sprint(args...)}) }
func (h *house) Fatalf(format string, args ...any) {
	h.failed = true
	panic(stopped{fmt.Sprintf(format, args...)})
}
func (h *house) Skip(args ...any)                 { panic(stopped{fmt.Sprint(args...)}) }
func (h *house) Skipf(format string, args ...any) { panic(stopped{fmt.Sprintf(format, args...)}) }

// TempDir is a folder that goes in the end.
func (h *house) TempDir() string {
	dir, err := os.MkdirTemp("", "foregate-example-")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
