package gate

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// runUnder starts Foregate as systemd does: with sockets that it inherits, and a
// socket for what it has to say.
func (f *foregate) runUnder(names string, sockets []*os.File, notify string) {
	f.t.Helper()
	f.logs = &logBuffer{}
	// LISTEN_PID is the process's own number, so a shell sets it.
	f.cmd = exec.Command("sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh", binary, "serve", "-c", filepath.Join(f.dir, "foregate.yaml"))
	f.cmd.Stderr, f.cmd.ExtraFiles = f.logs, sockets
	f.cmd.Env = append(os.Environ(), "LISTEN_FDS="+fmt.Sprint(len(sockets)), "LISTEN_FDNAMES="+names, "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=600000")
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
}

// told waits for a state that Foregate tells systemd.
func told(t *testing.T, from *net.UnixConn, want string) {
	t.Helper()
	_ = from.SetReadDeadline(time.Now().Add(20 * time.Second))
	for buf := make([]byte, 4096); ; {
		n, err := from.Read(buf)
		if err != nil {
			t.Fatalf("%s was not told: %v", want, err)
		}
		if strings.HasPrefix(string(buf[:n]), want) {
			return
		}
	}
}

// TestNoConnectionIsRefusedWhileItRestarts, where systemd keeps the socket.
func TestNoConnectionIsRefusedWhileItRestarts(t *testing.T) {
	f := start(t, options{})
	f.stop()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // the file is another handle of the same socket
	defer socket.Close()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(f.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()

	stop := make(chan struct{})
	var asked, failed int
	var client sync.WaitGroup
	client.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			asked++
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
			r, _ := http.NewRequest("GET", "http://"+f.addr+"/public/x", nil)
			r.Host = "app.test"
			resp, err := c.Do(r)
			if err != nil || resp.StatusCode != http.StatusOK {
				failed++
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	})
	for range 3 {
		f.runUnder("http", []*os.File{socket}, filepath.Join(f.dir, "notify"))
		told(t, notify, "READY=1")
		told(t, notify, "WATCHDOG=1")
		if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		told(t, notify, "RELOADING=1\nMONOTONIC_USEC=")
		told(t, notify, "READY=1")
		if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		told(t, notify, "STOPPING=1")
		if err := f.cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, f.logs.String())
		}
	}
	f.runUnder("http", []*os.File{socket}, filepath.Join(f.dir, "notify"))
	told(t, notify, "READY=1")
	close(stop)
	client.Wait()
	if failed > 0 || asked == 0 {
		t.Errorf("%d of %d requests failed over three restarts", failed, asked)
	}
	t.Logf("%d new connections over three restarts, %d failed", asked, failed)
}

// TestASocketNobodyAskedForIsAFault that says what to do.
func TestASocketNobodyAskedForIsAFault(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for name, want := range map[string]string{"https": "a socket for listen.https, which the configuration does not have", "web": `a socket named "web"`} {
		f.runUnder(name, []*os.File{socket}, "")
		if err := f.cmd.Wait(); err == nil || !strings.Contains(f.logs.String(), want) {
			t.Errorf("%s: %v\n%s", name, err, f.logs.String())
		}
	}
}
