package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// built is what is compiled of the module before anything is measured.
type built struct {
	foregate    string // the binary
	foregateErr error
	lookup      string // the test binary of cookies, for BenchmarkLoadHit
	lookupErr   error
	version     string // of the source
}

// build compiles into dir. What does not compile is not measured, and the rest
// still is.
func build(ctx context.Context, dir, binary string) (built, error) {
	root, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return built{}, fmt.Errorf("run bench inside the module: %w", err)
	}
	if binary != "" {
		if binary, err = filepath.Abs(binary); err != nil { // servers are started in another folder
			return built{}, err
		}
	}
	b := built{foregate: binary, lookup: filepath.Join(dir, "cookies.test")}
	if binary == "" {
		b.foregate = filepath.Join(dir, "foregate")
		_, b.foregateErr = goCommand(ctx, root, "build", "-trimpath", "-ldflags=-s -w", "-o", b.foregate, ".")
	}
	if _, b.lookupErr = goCommand(ctx, root, "test", "-c", "-o", b.lookup, "./cookies"); b.lookupErr == nil {
		_, b.lookupErr = os.Stat(b.lookup) // without tests the command succeeds and writes nothing
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output(); err == nil {
		b.version = strings.TrimSpace(string(out))
	}
	return b, nil
}

// goCommand returns what the go command prints, in one line of an error if it
// ends with one.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as the binary that is given away
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w: %.500s", args[0], err, strings.Join(strings.Fields(errOut.String()), " "))
	}
	return strings.TrimSpace(out.String()), nil
}
