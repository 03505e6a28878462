package world

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const patience = 30 * time.Second

// gate is one Foregate.
type gate struct {
	w           *World
	dir         string
	addr, admin string
	cmd         *exec.Cmd
	logs        *logs
}

// open adds a Foregate, and starts it.
func (w *World) open() {
	w.T.Helper()
	dir, err := os.MkdirTemp("", "fg") // short enough for the path of a socket
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { _ = os.RemoveAll(dir) })
	if w.folder == "" {
		w.folder = dir
	}
	g := &gate{w: w, dir: dir, addr: w.address(), admin: w.address(), logs: new(logs)}
	for name, value := range w.secrets {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			w.T.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			w.T.Fatal(err)
		}
	}
	g.write(strings.ReplaceAll(w.example(g), "@FOLDER", w.folder))
	w.T.Cleanup(g.stop)
	g.start()
	w.gates = append(w.gates, g)
	w.front.use(g.addr)
}

func (g *gate) file() string { return filepath.Join(g.dir, "foregate.yaml") }

func (g *gate) write(text string) {
	g.w.T.Helper()
	text = strings.ReplaceAll(text, "@FOLDER", g.w.folder) // of what replicas share
	if err := os.WriteFile(g.file(), []byte(text), 0o600); err != nil {
		g.w.T.Fatal(err)
	}
}

// start returns when the gate is ready.
func (g *gate) start() {
	g.w.T.Helper()
	g.cmd = exec.Command(g.w.options.Binary, "serve", "-c", g.file())
	g.cmd.SysProcAttr = endWithParent()
	g.cmd.Stderr = g.logs
	if err := g.cmd.Start(); err != nil {
		g.w.T.Fatal(err)
	}
	g.w.Eventually("Foregate is ready", func() bool {
		resp, err := http.Get("http://" + g.admin + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (g *gate) stop() {
	if g.cmd == nil || g.cmd.Process == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { _ = g.cmd.Process.Kill() })
	defer kill.Stop()
	_ = g.cmd.Wait()
	g.cmd = nil
	if g.w.T.Failed() {
		g.w.T.Logf("foregate said:\n%s", g.logs)
	}
}

// reload makes the gate read its file again, and waits until it has.
func (g *gate) reload() {
	g.w.T.Helper()
	before := strings.Count(g.logs.String(), "configuration reloaded")
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.w.T.Fatal(err)
	}
	g.w.Eventually("the configuration is reloaded", func() bool {
		return strings.Count(g.logs.String(), "configuration reloaded") > before
	})
}

// Eventually waits for what must become true within half a minute.
func (w *World) Eventually(what string, holds func() bool) {
	w.T.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			w.T.Fatalf("not within %s: %s", patience, what)
		}
	}
}
