package gate

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// runFront starts another proxy, which ends with the test, and returns when it listens. If
// the test fails it says what the proxy wrote, also into error.log in its folder.
func runFront(t *testing.T, addr, dir string, cmd *exec.Cmd) {
	t.Helper()
	name := filepath.Base(cmd.Path)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(name, ": ", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log")) // not all have one
			t.Logf("%s said:\n%s%s", name, out.String(), log)
		}
	})
	until(t, name+" listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}
