package gate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"foregate/internal/dnstest"
)

// keepAlive is a connection that has asked once and waits.
type keepAlive struct {
	net.Conn
	r *bufio.Reader
}

// ask sends a GET and reads the whole answer.
func (k *keepAlive) ask(target, cookie string) (int, error) {
	_ = k.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: app.test\r\nCookie: %s\r\n\r\n", target, cookie); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (f *foregate) keepAlive() *keepAlive {
	f.t.Helper()
	conn := f.dial()
	return &keepAlive{conn, bufio.NewReader(conn)}
}

// plainProgram is Foregate as it is delivered: the race detector takes several times the
// memory.
func plainProgram(t *testing.T) string {
	t.Helper()
	program, err := buildPlain()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var buildPlain = sync.OnceValues(func() (string, error) {
	program := binary + "-plain"
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "foregate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// memoryLimit is a cgroup of so many bytes: the command that runs a program in it. It is
// nil where no cgroup can be made.
func memoryLimit(t *testing.T, bytes int) []string {
	t.Helper()
	for _, c := range []struct{ parent, file string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir := filepath.Join(c.parent, fmt.Sprintf("foregate-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		limit, err := os.OpenFile(filepath.Join(dir, c.file), os.O_WRONLY, 0) // made by the kernel, or this is no cgroup
		if err != nil {
			continue
		}
		_, err = limit.WriteString(strconv.Itoa(bytes))
		if errors.Join(err, limit.Close()) == nil {
			return []string{"sh", "-c", "echo $$ > " + dir + `/cgroup.procs && exec "$@"`, "sh"}
		}
	}
	return nil
}

// most is the largest memory that the process has held, in bytes.
func (f *foregate) most() int {
	f.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		f.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		f.t.Fatal(err)
	}
	return kib << 10
}

// TestFM21MemoryOf256MiB is enough for 5,000 connections that wait and 200 requests a second.
func TestFM21MemoryOf256MiB(t *testing.T) {
	const (
		limit   = 256 << 20
		waiting = 5000
		rate    = 200
		lasts   = 8 * time.Second
	)
	o := options{program: plainProgram(t), env: []string{"GOMEMLIMIT=220MiB"}, under: memoryLimit(t, limit)}
	if o.under == nil {
		t.Log("no cgroup can be made here: the most memory that was held is judged alone")
	}
	f := start(t, o)
	alice := f.alice()
	idle := make([]*keepAlive, waiting)
	for i := range idle {
		idle[i] = f.keepAlive()
		if status, err := idle[i].ask("/x", alice); status != 200 {
			t.Fatalf("connection %d: %d, %v", i, status, err)
		}
	}
	var wrong atomic.Int32
	var asked sync.WaitGroup
	lines := make(chan *keepAlive, 50)
	for range cap(lines) {
		lines <- f.keepAlive()
	}
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	began := time.Now()
	total := 0
	for time.Since(began) < lasts {
		<-tick.C
		line := <-lines
		total++
		asked.Go(func() {
			if status, _ := line.ask("/y", alice); status != 200 {
				wrong.Add(1)
			}
			lines <- line
		})
	}
	asked.Wait()
	took := time.Since(began)
	for _, i := range []int{0, waiting / 2, waiting - 1} {
		if status, err := idle[i].ask("/x", alice); status != 200 {
			t.Errorf("connection %d afterwards: %d, %v", i, status, err)
		}
	}
	if o.under != nil {
		if where, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", f.cmd.Process.Pid)); err != nil || !strings.Contains(string(where), "foregate-test-") {
			t.Errorf("the process is in no cgroup of the test: %s %v", where, err)
		}
	}
	t.Logf("%d connections wait, %.0f requests a second: at most %.1f MiB", waiting, float64(total)/took.Seconds(), float64(f.most())/(1<<20))
	if wrong.Load() > 0 {
		t.Errorf("%d of %d requests failed", wrong.Load(), total)
	}
	if f.most() > limit {
		t.Errorf("%d MiB", f.most()>>20)
	}
}

// cpu is what the process has used so far.
func (f *foregate) cpu() time.Duration {
	f.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.cmd.Process.Pid))
	if err != nil {
		f.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest) // from the third of proc(5) on
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // a hundredth of a second each
}

func (f *foregate) pauses() int {
	_, rest, found := strings.Cut(f.adminPage("/metrics"), `foregate_accept_pauses_total{listener="http"} `)
	var n float64
	if _, err := fmt.Sscan(rest, &n); !found || err != nil {
		f.t.Fatal("no figure of pauses: ", err)
	}
	return int(n)
}

// TestFM21FewFiles: with 1,024 files the application can be reached however many connections
// come; the new ones take the place of those that wait, and nothing is tried in a circle.
func TestFM21FewFiles(t *testing.T) {
	f := start(t, options{under: []string{"sh", "-c", `ulimit -n 1024 && exec "$@"`, "sh"}, top: "limits: {header_timeout: 10s}"})
	const limit = (1024 - 100) / 2
	alice := f.alice()
	if got := f.metric("foregate_connections_limit"); got != limit {
		t.Fatalf("at most %v connections, want %d", got, limit)
	}
	// 1,500 people, each of whom keeps their connection.
	var served, lost atomic.Int32
	var all sync.WaitGroup
	for range 1500 {
		line := f.keepAlive()
		all.Go(func() {
			if status, _ := line.ask("/x", alice); status == 200 {
				served.Add(1)
			} else {
				lost.Add(1)
			}
		})
	}
	all.Wait()
	if served.Load() < 1500 {
		t.Errorf("%d of 1500 were served, %d were not", served.Load(), lost.Load())
	}
	if f.pauses() == 0 {
		t.Error("no pause is counted")
	}
	// And as many that say nothing.
	silent := make([]net.Conn, 600)
	for i := range silent {
		silent[i] = f.dial()
	}
	until(t, "no more connections are taken", func() bool { return f.metric("foregate_connections") >= limit })
	before := f.cpu()
	wait(3 * time.Second)
	if used := f.cpu() - before; used > time.Second {
		t.Errorf("%v of CPU in 3 s of waiting", used)
	}
	until(t, "somebody new is served", func() bool { return statusOf(f.get("/x", alice)) == 200 })
	for _, conn := range silent {
		_ = conn.Close()
	}
	until(t, "all places are free again", func() bool { return f.metric("foregate_connections") <= 5 })
	if got := strings.Count(f.logs.String(), "new ones wait"); got != 1 {
		t.Errorf("told %d times", got)
	}
}

// TestFM21NameServersDown: the application keeps its address, and it is told once.
func TestFM21NameServersDown(t *testing.T) {
	t.Parallel()
	const server = "127.0.9.53"
	dir := t.TempDir()
	names := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(names, []byte("nameserver "+server+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mount := []string{"unshare", "--mount", "sh", "-c", "mount --bind " + names + ` /etc/resolv.conf && exec "$@"`, "sh"}
	if out, err := exec.Command(mount[0], append(mount[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("the name servers of a process can be set by root alone: %v %s", err, out)
	}
	s := dnstest.Start(t, server+":53", "127.0.0.1")
	up := newApplication(t)
	_, port, _ := net.SplitHostPort(up.addr())
	f := start(t, options{
		up: up, under: mount, env: []string{"GODEBUG=netdns=go"},
		apps: `  - name: named
    hosts: [named.test]
    upstream: {url: "http://inner.example:` + port + `", idle_timeout: 100ms}
    methods: [local]
    rules: [{allow: anyone}]
`,
	})
	ask := func() int {
		wait(150 * time.Millisecond) // so that a new connection is needed
		return statusOf(f.raw("GET / HTTP/1.1\r\nHost: named.test\r\nConnection: close\r\n\r\n"))
	}
	if status := ask(); status != 200 || s.Asked() == 0 {
		t.Fatalf("%d, asked %d times", status, s.Asked())
	}
	for _, mode := range []int{dns.RcodeServerFailure, dnstest.Silence} {
		s.Answer(mode)
		began := time.Now()
		for range 10 {
			if status := ask(); status != 200 {
				t.Fatalf("without name servers (%d): %d", mode, status)
			}
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("ten requests took %v", took)
		}
	}
	if got := strings.Count(f.logs.String(), "name servers do not answer"); got != 1 {
		t.Errorf("told %d times:\n%s", got, f.logs.String())
	}
}
