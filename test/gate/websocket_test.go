package gate

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// echo answers a handshake and sends back what it gets.
func echo(conn net.Conn, head string) bool {
	if !strings.Contains(head, "Upgrade: websocket") {
		_, err := io.WriteString(conn, plainAnswer)
		return err == nil
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	_, _ = io.Copy(conn, conn)
	return false
}

// TestSE14ForeignPagesOpenNoSocket with a person's cookie.
func TestSE14ForeignPagesOpenNoSocket(t *testing.T) {
	t.Parallel()
	f := start(t, options{app: "    return_hosts: [friend.test]"})
	alice := f.alice()
	f.up.answerWith(echo)
	for origin, want := range map[string]int{
		"http://app.test": 101, "http://friend.test": 101, "": 101,
		"https://evil.test": 403, "null": 403, "http://app.test.evil.test": 403, "http://evilapp.test": 403, "http://app.test@evil.test": 403, "file://": 403, "%zz": 403,
	} {
		f.up.take()
		line := "Origin: " + origin + "\r\n"
		if origin == "" {
			line = ""
		}
		answer := f.raw("GET /ws HTTP/1.1\r\nHost: app.test\r\nCookie: " + alice + "\r\n" + handshake + line + "\r\n")
		if got := statusOf(answer); got != want {
			t.Errorf("Origin %q: %d, want %d", origin, got, want)
		}
		if heads := f.up.take(); want == 403 && len(heads) > 0 {
			t.Errorf("Origin %q reached the application", origin)
		}
	}
	if got := statusOf(f.raw("GET /ws HTTP/1.1\r\nHost: app.test\r\n" + handshake + "\r\n")); got != 401 {
		t.Errorf("a stranger's socket: %d", got)
	}
}

// TestSE14ASocketEndsWithItsSession, though nobody sends anything on it.
func TestSE14ASocketEndsWithItsSession(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	b := newBrowser(f)
	b.signIn("alice", alicePassword, "/")
	f.up.answerWith(echo)
	ended := f.openSocket("foregate=" + b.cookie("foregate"))
	stays := f.openSocket(f.root())
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	began := time.Now()
	_ = ended.SetReadDeadline(began.Add(20 * time.Second))
	if n, err := ended.Read(make([]byte, 1)); err == nil || time.Since(began) > time.Second {
		t.Errorf("after signing out: %d bytes, %v after %v", n, err, time.Since(began))
	}
	if !echoes(stays) {
		t.Error("somebody else's socket ended too")
	}
}

// openSocket returns the connection of a WebSocket, which has echoed once.
func (f *foregate) openSocket(cookie string) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: app.test\r\nCookie: "+cookie+"\r\n"+handshake+"\r\n"); err != nil {
		f.t.Fatal(err)
	}
	if answer := readQuiet(conn); statusOf(answer) != http.StatusSwitchingProtocols || !echoes(conn) {
		f.t.Fatalf("no socket: %.200q", answer)
	}
	return conn
}

func echoes(conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return false
	}
	got := make([]byte, 5)
	_, err := io.ReadFull(conn, got)
	return err == nil && string(got) == "hello"
}

// TestHT9NoOtherTunnels: not by an upgrade to something else, and not where the
// application did not agree.
func TestHT9NoOtherTunnels(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"
	for what, lines := range map[string]string{
		"h2c":             "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
		"TLS":             "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
		"two":             "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
		"without consent": handshake,
	} {
		f.up.take()
		f.raw("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: " + alice + "\r\n" + lines + "\r\n" + smuggled)
		for i, head := range f.up.take() {
			if strings.HasPrefix(head, "GET /smuggled") {
				t.Errorf("%s: the application saw a request that nobody judged: %q", what, head)
			}
			if what != "without consent" && i == 0 && len(values(head, "Upgrade")) > 0 {
				t.Errorf("%s: the upgrade arrived: %q", what, head)
			}
		}
	}
	// An application that switches although nobody asked opens nothing.
	f.up.answerBytes("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	for _, lines := range []string{"", handshake} {
		if status := statusOf(f.raw("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: " + alice + "\r\n" + lines + "\r\n")); status != 502 {
			t.Errorf("a switch unasked: %d, want 502", status)
		}
	}
}
