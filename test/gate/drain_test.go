package gate

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	drainSockets = 200
	drainUploads = 20
	drainClients = 16
)

// balanced starts HAProxy before two Foregates; it asks each for /readyz every second.
func balanced(t *testing.T, all ...*foregate) string {
	t.Helper()
	addr, dir := freeAddress(t), t.TempDir()
	var servers strings.Builder
	for i, f := range all {
		_, port, err := net.SplitHostPort(f.admin)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&servers, "  server f%d %s check port %s inter 1s fall 1 rise 1\n", i, f.addr, port)
	}
	cfg := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(`global
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  retries 3
  option redispatch
frontend in
  bind %s
  default_backend foregates
backend foregates
  balance roundrobin
  option httpchk GET /readyz
%s`, addr, &servers)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(haproxy(), "-db", "-f", cfg)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal("haproxy: ", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", out.String())
		}
	})
	until(t, "haproxy listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

// haproxy is where Debian puts it, which the PATH of a plain user lacks.
func haproxy() string {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return path
	}
	return "/usr/sbin/haproxy"
}

// reached is how many requests came to a Foregate's application, by kind of end.
type reached struct{ asked, failed atomic.Int64 }

// browse asks through the balancer until stop closes.
func browse(addr string, stop <-chan struct{}, r *reached) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		default:
		}
		req, _ := http.NewRequest("GET", "http://"+addr+"/public/x", nil)
		req.Host = "app.test"
		r.asked.Add(1)
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			r.failed.Add(1)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		time.Sleep(drainClients * time.Millisecond) // a thousand a second in all
	}
}

// upload sends a form slowly, over the whole of the drain.
func upload(addr string, during time.Duration, done *reached) {
	body, w := io.Pipe()
	go func() {
		for range 20 {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
			time.Sleep(during / 20)
		}
		_ = w.Close()
	}()
	req, _ := http.NewRequest("POST", "http://"+addr+"/public/upload", body)
	req.Host, req.ContentLength = "app.test", 20_000
	done.asked.Add(1)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		done.failed.Add(1)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
}

// hold opens a WebSocket at f and waits for the code with which it is closed.
func hold(f *foregate, cookie string, opened *sync.WaitGroup, goodbyes *atomic.Int64) {
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		opened.Done()
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: app.test\r\nCookie: "+cookie+"\r\n"+handshake+"\r\n")
	r := bufio.NewReader(conn)
	head, err := readHead(r)
	opened.Done()
	if err != nil || statusOf(head) != http.StatusSwitchingProtocols {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	frame := make([]byte, 4)
	if _, err := io.ReadFull(r, frame); err == nil && bytes.Equal(frame, []byte{0x88, 2, 3, 0xe9}) {
		goodbyes.Add(1)
		_, _ = conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe9}) // as a browser answers
	}
}

// TestFM10NobodyNoticesThatOneOfTwoEnds: a thousand requests a second through HAProxy,
// WebSockets and slow uploads, while one of two Foregates gets SIGTERM.
func TestFM10NobodyNoticesThatOneOfTwoEnds(t *testing.T) {
	const drain = 4 * time.Second
	app := newApplication(t)
	prolong := func(f *foregate) *foregate {
		f.edit(func(yaml string) string { return strings.Replace(yaml, "drain: 0s", "drain: "+drain.String(), 1) })
		f.restart()
		return f
	}
	leaving := start(t, options{up: app})
	staying := start(t, options{up: app})
	prolong(leaving)
	addr := balanced(t, leaving, staying)
	alice := leaving.alice()

	app.answerWith(echo)
	var goodbyes atomic.Int64
	var opened, sockets sync.WaitGroup
	opened.Add(drainSockets)
	for range drainSockets {
		sockets.Go(func() { hold(leaving, alice, &opened, &goodbyes) })
	}
	opened.Wait()
	app.answerWith(nil)

	var pages, forms reached
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range drainClients {
		clients.Go(func() { browse(addr, stop, &pages) })
	}
	for range drainUploads {
		clients.Go(func() { upload(leaving.addr, 2*drain, &forms) })
	}
	time.Sleep(time.Second)
	began := time.Now()
	if err := leaving.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz says no", func() bool {
		resp, err := http.Get("http://" + leaving.admin + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	toldAfter := time.Since(began)
	if answer := leaving.get("/public/x", ""); statusOf(answer) != http.StatusOK {
		t.Errorf("while it drains it answers %.40q", answer)
	}
	err := leaving.cmd.Wait()
	took := time.Since(began)
	time.Sleep(time.Second)
	close(stop)
	clients.Wait()
	sockets.Wait()

	if err != nil {
		t.Errorf("exit: %v", err)
	}
	if pages.failed.Load() > 0 || forms.failed.Load() > 0 {
		t.Errorf("%d of %d requests and %d of %d uploads failed", pages.failed.Load(), pages.asked.Load(), forms.failed.Load(), forms.asked.Load())
	}
	if n := goodbyes.Load(); n != drainSockets {
		t.Errorf("%d of %d WebSockets were closed with 1001", n, drainSockets)
	}
	if toldAfter > time.Second || took < drain {
		t.Errorf("/readyz said no after %s, the process ended after %s", toldAfter, took)
	}
	t.Logf("/readyz 503 after %s, ended after %s: %d requests, %d failed; %d uploads, %d failed; %d WebSockets closed with 1001",
		toldAfter.Round(time.Millisecond), took.Round(time.Millisecond), pages.asked.Load(), pages.failed.Load(), forms.asked.Load(), forms.failed.Load(), goodbyes.Load())
}

// TestFM10ASecondSignalDoesNotWait, nor does Ctrl-C.
func TestFM10ASecondSignalDoesNotWait(t *testing.T) {
	for name, signals := range map[string][]os.Signal{"twice": {syscall.SIGTERM, syscall.SIGTERM}, "Ctrl-C": {os.Interrupt}} {
		f := start(t, options{})
		f.edit(func(yaml string) string { return strings.Replace(yaml, "drain: 0s", "drain: 1m", 1) })
		f.restart()
		began := time.Now()
		for _, sig := range signals {
			if err := f.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := f.cmd.Wait(); err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("%s: ended after %s with %v", name, time.Since(began), err)
		}
	}
}
