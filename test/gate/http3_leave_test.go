package gate

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/quicvarint"
)

// TestFM10HTTP3LeavesInOrder: clients are told to go (GOAWAY), what is under way is answered
// whole, nobody new is let in, and who says nothing does not hold up the end.
func TestFM10HTTP3LeavesInOrder(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	f.edit(func(yaml string) string { return strings.Replace(yaml, "drain: 0s", "drain: 1s", 1) })
	f.restart()
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	f.up.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		asked <- struct{}{}
		<-goOn
		_, err := conn.Write(bytes.Repeat([]byte("x"), 100_000))
		return err == nil
	})
	idle := http3Open(t, f)
	control, err := idle.AcceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got int
	var failed error
	var slow sync.WaitGroup
	slow.Go(func() {
		client := &http.Client{Transport: http3Transport(t, f), Timeout: 20 * time.Second}
		resp, err := client.Get("https://app.test/public/slow")
		if failed = err; err == nil {
			var text []byte
			text, failed = io.ReadAll(resp.Body)
			got = len(text)
			_ = resp.Body.Close()
		}
	})
	<-asked
	began := time.Now()
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(300 * time.Millisecond)
	if page := newHTTP3Browser(f).get("/sso/sign-in"); page.StatusCode != http.StatusOK {
		t.Errorf("while it drains: %s", page.Status)
	}
	r := quicvarint.NewReader(control)
	frames := make(map[uint64]bool)
	if _, err := quicvarint.Read(r); err != nil { // of the stream
		t.Fatal(err)
	}
	_ = control.SetReadDeadline(time.Now().Add(10 * time.Second))
	for !frames[7] {
		kind, err := quicvarint.Read(r)
		if err != nil {
			t.Fatalf("no GOAWAY: %v", err)
		}
		length, err := quicvarint.Read(r)
		if err == nil {
			_, err = io.CopyN(io.Discard, control, int64(length))
		}
		if err != nil {
			t.Fatal(err)
		}
		frames[kind] = true
	}
	if told := time.Since(began); told < time.Second {
		t.Errorf("told to go after %s, within drain", told)
	}
	close(goOn)
	slow.Wait()
	if failed != nil || got != 100_000 {
		t.Errorf("the answer under way: %d bytes, %v", got, failed)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, f.logs.String())
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s, for a client that did not go", took)
	} else {
		t.Logf("ended after %s", took.Round(10*time.Millisecond))
	}
}

// TestFM10ASecondSignalDoesNotWaitForHTTP3.
func TestFM10ASecondSignalDoesNotWaitForHTTP3(t *testing.T) {
	f := start(t, options{tls: true, http3: true})
	f.edit(func(yaml string) string { return strings.Replace(yaml, "drain: 0s", "drain: 1m", 1) })
	f.restart()
	asked, ended := make(chan struct{}), make(chan struct{})
	f.up.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		close(asked)
		<-ended
		return false
	})
	defer close(ended)
	go func() {
		resp, err := (&http.Client{Transport: http3Transport(t, f), Timeout: time.Minute}).Get("https://app.test/public/slow")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	<-asked
	began := time.Now()
	for range 2 {
		if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := f.cmd.Wait(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("ended after %s with %v", time.Since(began), err)
	}
}

// TestHTTP3SurvivesAReload, and shows a renewed certificate afterwards.
func TestHTTP3SurvivesAReload(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	b := newHTTP3Browser(f)
	before := b.get("/public/x").TLS.PeerCertificates[0]
	fresh := t.TempDir()
	certificate(t, fresh)
	for _, name := range []string{"cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(fresh, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(f.dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the renewed certificate is shown", func() bool {
		return !newHTTP3Browser(f).get("/public/x").TLS.PeerCertificates[0].Equal(before)
	})
	page := b.get("/public/x")
	if page.StatusCode != http.StatusOK || !page.TLS.PeerCertificates[0].Equal(before) {
		t.Errorf("the connection from before: %s", page.Status)
	}
	f.edit(func(yaml string) string { return strings.Replace(yaml, ", http3: true", "", 1) })
	f.waitForLog("a restart is needed", 10*time.Second, func(logs string) bool {
		return strings.Contains(logs, "only after a restart") && strings.Contains(logs, `"listen"`)
	})
	if page := b.get("/public/x"); page.StatusCode != http.StatusOK {
		t.Errorf("after a reload: %s", page.Status)
	}
	f.restart()
	if got := newSecureBrowser(f).get("/public/x").Header.Values("Alt-Svc"); len(got) > 0 {
		t.Errorf("switched off: Alt-Svc %q", got)
	}
}

// TestSystemdKeepsTheSocketOfHTTP3 over restarts: who comes in between waits.
func TestSystemdKeepsTheSocketOfHTTP3(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	f.stop()
	packets, err := net.ListenPacket("udp", f.https)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := packets.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = packets.Close() // the file is another handle of the same socket
	defer socket.Close()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(f.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	for range 2 {
		came := make(chan int, 1)
		go func() { came <- newHTTP3Browser(f).get("/public/x").StatusCode }() // nobody is there yet
		wait(200 * time.Millisecond)
		f.runUnder("http3", []*os.File{socket}, filepath.Join(f.dir, "notify"))
		told(t, notify, "READY=1")
		if got := <-came; got != http.StatusOK {
			t.Errorf("who came before it ran: %d", got)
		}
		if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := f.cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, f.logs.String())
		}
	}
	f.edit(func(yaml string) string { return strings.Replace(yaml, ", http3: true", "", 1) })
	f.runUnder("http3", []*os.File{socket}, "")
	if err := f.cmd.Wait(); err == nil || !strings.Contains(f.logs.String(), "a socket for listen.http3, which the configuration does not have") {
		t.Errorf("not asked for: %v\n%s", err, f.logs.String())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stream, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for name, given := range map[string]*os.File{"http3": stream, "https": socket} {
		f.runUnder(name, []*os.File{given}, "")
		if err := f.cmd.Wait(); err == nil || !strings.Contains(f.logs.String(), "ListenDatagram and FileDescriptorName=http3") {
			t.Errorf("%s of the other kind: %v\n%s", name, err, f.logs.String())
		}
	}
}
