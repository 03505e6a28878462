package gate

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// impatient waits for nobody longer than a second.
const impatient = "limits: {header_timeout: 1s, body_timeout: 1s, idle_timeout: 1s}"

// endsWithin reports what came back until the other side closed the connection,
// and fails when it does not do so in time.
func endsWithin(t *testing.T, what string, conn net.Conn, limit time.Duration) string {
	t.Helper()
	began := time.Now()
	_ = conn.SetReadDeadline(began.Add(limit))
	b, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("%s: still open after %v", what, limit)
	}
	return string(b)
}

// TestHT3SlowClientsAreCut: who sends a header or a body a byte at a time, or
// nothing, does not keep a connection.
func TestHT3SlowClientsAreCut(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: impatient, tls: true})
	const soon = 8 * time.Second
	trickle := func(conn net.Conn, first, more string) {
		go func() {
			_, err := io.WriteString(conn, first)
			for deadline := time.Now().Add(12 * time.Second); err == nil && time.Now().Before(deadline); {
				wait(200 * time.Millisecond)
				_, err = io.WriteString(conn, more)
			}
		}()
	}
	slow, idle, silent, handshake := f.dial(), f.dial(), f.dial(), f.dialHTTPS()
	trickle(slow, "GET /public/x HTTP/1.1\r\nHost: app.test\r\n", "X: y\r\n")
	if _, err := io.WriteString(idle, "GET /x HTTP/1.1\r\nHost: app.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	endsWithin(t, "a slow header", slow, soon)
	endsWithin(t, "an idle connection", idle, soon)
	endsWithin(t, "a connection without a request", silent, soon)
	endsWithin(t, "a handshake that never comes", handshake, soon)
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

func (f *foregate) dialHTTPS() net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.https)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestHT3StandingBodiesAreCut, in both directions, and moving ones are not.
func TestHT3StandingBodiesAreCut(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: impatient})
	const soon = 8 * time.Second
	head := "POST /public/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n"

	upload := f.dial()
	if _, err := io.WriteString(upload, head+"abc"); err != nil {
		t.Fatal(err)
	}
	if answer := endsWithin(t, "a body that stands still", upload, soon); answer != "" && statusOf(answer) != 408 {
		t.Errorf("a body that stands still: %.100q", answer)
	}

	steady := f.dial()
	_, err := io.WriteString(steady, head)
	for i := 0; i < 10 && err == nil; i++ { // 3 s in all
		wait(300 * time.Millisecond)
		_, err = io.WriteString(steady, "a")
	}
	if answer := readQuiet(steady); err != nil || statusOf(answer) != 200 {
		t.Errorf("a slow but steady body: %v, %.100q", err, answer)
	}

	f.up.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
		_, _ = io.CopyN(conn, zeros{}, 64<<20)
		return false
	})
	download := f.dial()
	if err := download.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(download, "GET /public/download HTTP/1.1\r\nHost: app.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	f.waitForLog("an answer that nobody takes", soon, func(logs string) bool {
		return strings.Contains(logs, `"path":"/public/download","status":200`)
	})
}

// wait lets time pass on purpose: slowness is what is tested here.
func wait(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		pause()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// logTime is how long a line may take from Foregate to this process.
const logTime = 20 * time.Second

// waitForLog waits until the log says so.
func (f *foregate) waitForLog(what string, limit time.Duration, said func(logs string) bool) {
	f.t.Helper()
	for deadline := time.Now().Add(limit); !said(f.logs.String()); pause() {
		if time.Now().After(deadline) {
			f.t.Errorf("%s: not in the log after %v", what, limit)
			return
		}
	}
}

// TestFM9PatienceIsForBodiesOnly: an application that thinks about what was
// posted, or streams with long pauses, is not cut by the patience with clients.
func TestFM9PatienceIsForBodiesOnly(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: impatient})
	f.up.answerWith(thinkThenAnswer)
	post := func(path string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n"
	}
	var wg sync.WaitGroup
	for what, c := range map[string]struct{ first, last, end string }{
		"a post":                     {post("/public/think") + "Content-Length: 3\r\n\r\nabc", "", mark},
		"a slow post":                {post("/public/think") + "Content-Length: 3\r\n\r\nab", "c", mark},
		"a slow chunked post":        {post("/public/think") + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "1\r\nc\r\n0\r\n\r\n", mark},
		"a stream with pauses":       {"GET /public/stream HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n", "", "late\r\n0\r\n\r\n"},
		"a stream in answer to post": {post("/public/stream") + "Content-Length: 3\r\n\r\nab", "c", "late\r\n0\r\n\r\n"},
	} {
		conn := f.dial()
		wg.Go(func() {
			_, err := io.WriteString(conn, c.first)
			if c.last != "" && err == nil {
				wait(700 * time.Millisecond) // more than half of the patience
				_, err = io.WriteString(conn, c.last)
			}
			if answer := endsWithin(t, what, conn, 15*time.Second); err != nil || statusOf(answer) != 200 || !strings.HasSuffix(answer, c.end) {
				t.Errorf("%s: %v, %d bytes, ends with %q", what, err, len(answer), answer[max(0, len(answer)-40):])
			}
		})
	}
	wg.Wait()
}

// thinkThenAnswer pauses longer than Foregate is patient, before its answer or
// twice within it.
func thinkThenAnswer(conn net.Conn, head string) bool {
	const breath, size = 2500 * time.Millisecond, 600 << 10
	if !strings.Contains(head, " /public/stream ") {
		wait(breath)
		_, _ = io.WriteString(conn, plainAnswer)
		return false
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", size, strings.Repeat("a", size))
	for range 2 {
		wait(breath)
		_, _ = io.WriteString(conn, "4\r\nlate\r\n")
	}
	_, _ = io.WriteString(conn, "0\r\n\r\n")
	return false
}

// TestHT5WhatIsTooLargeIsRefusedUnread.
func TestHT5WhatIsTooLargeIsRefusedUnread(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "limits: {max_header_bytes: 8192, max_url_bytes: 2048, max_form_bytes: 4096}"})
	alice := f.alice()
	f.up.takeRequests()
	if status := statusOf(f.get("/x", alice, "X: "+strings.Repeat("a", 16_000))); status != 431 {
		t.Errorf("a header of 16 kB: %d, want 431", status)
	}
	for _, target := range []string{"/x?" + strings.Repeat("a", 3000), "/" + strings.Repeat("a", 3000), "/sso/sign-in?rd=" + strings.Repeat("a", 3000)} {
		if status := statusOf(f.get(target, alice)); status != 414 {
			t.Errorf("%.20s…: %d, want 414", target, status)
		}
	}
	form := "attempt=x&username=" + strings.Repeat("a", 5000)
	for _, target := range []string{"/sso/start/local", "/sso/callback/local"} {
		head := "POST " + target + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
		for what, request := range map[string]string{
			"with its length":          head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(form), form),
			"in chunks":                head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(form), form),
			"announced and never sent": head + "Content-Length: 1000000000\r\n\r\n" + form,
		} {
			if status := statusOf(f.raw(request)); status != 413 {
				t.Errorf("%s, a form %s: %d, want 413", target, what, status)
			}
		}
	}
	many := "attempt=x" + strings.Repeat("&a=", 1300)
	answer := f.raw(fmt.Sprintf("POST /sso/start/local HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: a=1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(many), many))
	if status := statusOf(answer); status != 422 {
		t.Errorf("a form of many fields: %d", status)
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("the application was asked: %q", heads)
	}
	// What is meant for the application is the application's to limit.
	big := strings.Repeat("b", 1<<20)
	f.raw(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s", alice, len(big), big))
	if got := f.up.takeRequests(); len(got) != 1 || got[0].body != big {
		t.Errorf("an upload of a megabyte arrived %d times", len(got))
	}
}
