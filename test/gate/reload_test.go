package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// metric is the value of one figure without labels.
func (f *foregate) metric(name string) (value float64) {
	f.t.Helper()
	resp, err := http.Get("http://" + f.admin + "/metrics")
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if _, err := fmt.Sscan(text, &value); err != nil {
				f.t.Fatal(err)
			}
			return value
		}
	}
	f.t.Fatalf("no figure %s", name)
	return 0
}

// until waits for a condition that another process fulfils.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); pause() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// TestFM14AChangedFileIsReadWithoutASignal, a broken one is refused with its place.
func TestFM14AChangedFileIsReadWithoutASignal(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.edit(func(yaml string) string { return strings.Replace(yaml, "/public/**", "/open/**", 1) })
	until(t, "the new rule holds", func() bool { return statusOf(f.get("/open/x", "")) == http.StatusOK })
	if got := statusOf(f.get("/public/x", "")); got == http.StatusOK {
		t.Error("the old rule holds too")
	}

	f.edit(func(yaml string) string { return strings.Replace(yaml, "hosts: [app.test]", "hsots: [app.test]", 1) })
	until(t, "the broken file is told of", func() bool { return f.metric("foregate_config_last_reload_successful") == 0 })
	if log := f.logs.String(); !strings.Contains(log, "foregate.yaml:") || !strings.Contains(log, "hsots") {
		t.Errorf("the log does not say where the fault is:\n%s", log)
	}
	if got := statusOf(f.get("/", alice)); got != http.StatusOK {
		t.Errorf("while the file is broken: %d", got)
	}

	f.edit(func(yaml string) string {
		return strings.Replace(strings.Replace(yaml, "hsots", "hosts", 1), "log: {level: debug}", "log: {level: debug, access: false}", 1)
	})
	until(t, "the mended file is in force", func() bool { return f.metric("foregate_config_last_reload_successful") == 1 })
	if !strings.Contains(f.logs.String(), "in force only after a restart") {
		t.Error("nothing said that the log of requests needs a restart")
	}
	if got := statusOf(f.get("/", alice)); got != http.StatusOK {
		t.Errorf("after all of it: %d", got)
	}
}

// TestFM14ASecretFileIsReadAgain when it alone changes.
func TestFM14ASecretFileIsReadAgain(t *testing.T) {
	t.Parallel()
	const before, after = "a-token-of-the-operators-script-1", "a-token-of-the-operators-script-2"
	f := start(t, options{
		top: "admin: {tokens: [{name: script, role: viewer, token: {file: token}}]}",
		prepare: func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, "token"), []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	})
	ask := func(token string) int {
		r, err := http.NewRequest("GET", "http://"+f.admin+"/api/v1/sessions", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask(before); got != http.StatusOK {
		t.Fatalf("with the token: %d", got)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "token"), []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the new token is taken", func() bool { return ask(after) == http.StatusOK })
	if got := ask(before); got != http.StatusUnauthorized {
		t.Errorf("with the old token: %d", got)
	}
}

// reloads is how often the configuration is read anew under load.
const reloads = 1000

// TestFM14AThousandReloadsLoseNothing: no request, no WebSocket, no memory.
func TestFM14AThousandReloadsLoseNothing(t *testing.T) {
	f := start(t, options{})
	alice := f.alice()
	f.up.answerWith(echo)
	socket, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := io.WriteString(socket, "GET /ws HTTP/1.1\r\nHost: app.test\r\nCookie: "+alice+"\r\n"+handshake+"\r\n"); err != nil {
		t.Fatal(err)
	}
	fromSocket := bufio.NewReader(socket)
	if head, err := readHead(fromSocket); err != nil || statusOf(head) != http.StatusSwitchingProtocols {
		t.Fatalf("no WebSocket: %v\n%s", err, head)
	}

	var asked, failed atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, _ := http.NewRequest("GET", "http://"+f.addr+"/", nil)
				r.Host = "app.test"
				r.Header.Set("Cookie", alice)
				asked.Add(1)
				resp, err := client.Do(r)
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}
		})
	}
	began := time.Now()
	var warm float64 // the heap; what the race detector keeps for itself is no measure
	files := 0
	for n := range reloads {
		if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, "a reload", func() bool { return strings.Count(f.logs.String(), `"configuration reloaded"`) > n })
		if n == reloads/5 {
			warm, files = f.heap(), f.openFiles()
		}
	}
	took := time.Since(began)
	close(stop)
	clients.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
	if _, err := io.WriteString(socket, "still here"); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("still here"))
	if _, err := io.ReadFull(fromSocket, said); err != nil || string(said) != "still here" {
		t.Errorf("the WebSocket said %q, %v", said, err)
	}
	grown := f.heap() - warm
	if grown > 8<<20 {
		t.Errorf("%.0f bytes more in the heap than after a fifth of the reloads", grown)
	}
	if now := f.openFiles(); now > files+20 {
		t.Errorf("%d open files, %d after a fifth of the reloads", now, files)
	}
	t.Logf("%d reloads in %s: %d requests, %d failed; %.0f KiB more heap than after a fifth of them, %d open files", reloads, took.Round(time.Millisecond), asked.Load(), failed.Load(), grown/1024, f.openFiles())
}

// heap is what the process uses of it, in bytes: the least of a few looks, between
// which garbage is collected.
func (f *foregate) heap() float64 {
	f.t.Helper()
	least := f.metric("go_memstats_heap_inuse_bytes")
	for range 20 {
		pause()
		least = min(least, f.metric("go_memstats_heap_inuse_bytes"))
	}
	return least
}

// openFiles is how many the process has.
func (f *foregate) openFiles() int {
	f.t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.cmd.Process.Pid))
	if err != nil {
		f.t.Skip("no /proc here: ", err)
	}
	return len(names)
}
