package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// codePattern is a support code, as pages show it.
var codePattern = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{13}\b`)

// TestFM9AnApplicationThatIsDownIsSaidSoAtOnce, with a code that the log has too,
// and nothing of what stands behind.
func TestFM9AnApplicationThatIsDownIsSaidSoAtOnce(t *testing.T) {
	f := start(t, options{})
	alice := f.alice()
	f.up.stop()
	began := time.Now()
	answer := f.get("/x", alice, "Accept: text/html")
	if took := time.Since(began); statusOf(answer) != 502 || took > time.Second {
		t.Errorf("%d after %v", statusOf(answer), took)
	}
	code := codePattern.FindString(answerBody(answer))
	if code == "" {
		t.Fatal("the page has no support code")
	}
	f.waitForLog("the support code", logTime, func(logs string) bool {
		return strings.Contains(logs, `"request_id":"`+code+`","status":502`)
	})
	for _, secret := range []string{f.up.addr(), "127.0.0.1", "refused", "goroutine", "dial"} {
		if strings.Contains(answer, secret) {
			t.Errorf("the page tells %q", secret)
		}
	}
	if status := statusOf(f.get("/sso/session", alice)); status != 200 {
		t.Errorf("her session: %d", status)
	}
	script := f.get("/x", alice, "Accept: application/json")
	if statusOf(script) != 502 || !strings.Contains(script, `"code":"`) {
		t.Errorf("a script is told %.300q", script)
	}
}

// TestFM9ASlowApplicationIsGivenUpInTime, and only that request of it.
func TestFM9ASlowApplicationIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	slow := newApplication(t)
	slow.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.Copy(io.Discard, conn) // until Foregate has had enough
		return false
	})
	f := start(t, options{apps: fmt.Sprintf(`
  - name: slow
    hosts: [slow.test]
    upstream: {url: "http://%s", response_timeout: 500ms}
    methods: [local]
    rules: [{allow: anyone}]`, slow.addr())})
	conn, began := f.dial(), time.Now()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: slow.test\r\nConnection: close\r\nAccept: text/html\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := endsWithin(t, "a slow application", conn, 10*time.Second)
	if took := time.Since(began); statusOf(answer) != 504 || took > 4*time.Second || codePattern.FindString(answerBody(answer)) == "" {
		t.Errorf("after %v: %.300q", took, answer)
	}
	if status := statusOf(f.get("/public/x", "")); status != 200 {
		t.Errorf("the other application: %d", status)
	}
}

// TestHT12FM9AnAnswerThatBreaksOffIsNotAWholeOne: whoever reads it must see that
// something is missing.
func TestHT12FM9AnAnswerThatBreaksOffIsNotAWholeOne(t *testing.T) {
	f := start(t, options{})
	for what, part := range map[string]string{
		"with a length":     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
		"in chunks":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
		"in half a chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nonly this",
		"in a broken chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
	} {
		f.up.answerBytes(part)
		answer := f.get("/public/x", "")
		announced := headerLines(answer, "Content-Length")
		whole := strings.HasSuffix(answer, "\r\n0\r\n\r\n") || len(announced) == 1 && announced[0] == fmt.Sprint(len(answerBody(answer)))
		if strings.Contains(answer, " 200 OK") && whole {
			t.Errorf("%s: looks whole: %q", what, answer)
		}
	}
	f.up.answerBytes("HTTP/1.1 200 OK\r\nContent-")
	if status := statusOf(f.get("/public/x", "")); status != 502 {
		t.Errorf("half a header: %d, want 502", status)
	}
	f.up.answerWith(nil)
	if status := statusOf(f.get("/public/x", "")); status != 200 {
		t.Errorf("the next request: %d", status)
	}
}

// TestHT12FM9AClientThatGoesAwayIsNotWorkedForAnyLonger.
func TestHT12FM9AClientThatGoesAwayIsNotWorkedForAnyLonger(t *testing.T) {
	f := start(t, options{})
	left := make(chan error, 10)
	f.up.answerWith(func(conn net.Conn, head string) bool {
		if strings.Contains(head, " /public/stream ") {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := bufio.NewReader(conn).ReadByte()
		left <- err
		return false
	})
	for _, request := range []string{
		"GET /public/wait HTTP/1.1\r\nHost: app.test\r\n\r\n",
		"GET /public/stream HTTP/1.1\r\nHost: app.test\r\n\r\n",
		"POST /public/upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000\r\n\r\n",
	} {
		conn := f.dial()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); len(f.up.take()) == 0 && time.Now().Before(deadline); {
			pause()
		}
		_ = conn.Close()
		if err := <-left; err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%.20q: the application was left with %v", request, err)
		}
	}
}

// TestB7OddQueriesAreDroppedOrKeptWhole: two readers of a doubtful parameter may
// differ, so it goes, unless the application is one that needs it.
func TestB7OddQueriesAreDroppedOrKeptWhole(t *testing.T) {
	t.Parallel()
	f := start(t, options{apps: `
  - name: old
    hosts: [old.test]
    upstream: {url: "http://APPLICATION"}
    methods: [local]
    raw_query: true
    rules: [{allow: anyone}]`})
	for _, c := range []struct{ host, query, want string }{
		{"app.test", "?a=1&b=%20+", "?a=1&b=%20+"},
		{"app.test", "?a=1;b=2&c=%zz&d=4", "?d=4"},
		{"app.test", "?x=1;role=admin&y=2", "?y=2"},
		{"old.test", "?a=1;b=2&c=%zz", "?a=1;b=2&c=%zz"},
		{"old.test", "?%u0041=%&&;=", "?%u0041=%&&;="},
		{"old.test", "?", "?"},
		{"old.test", "", ""},
	} {
		f.up.take()
		f.raw("GET /public/x" + c.query + " HTTP/1.1\r\nHost: " + c.host + "\r\nConnection: close\r\n\r\n")
		heads := f.up.take()
		if want := "GET /public/x" + c.want + " HTTP/1.1\r\n"; len(heads) != 1 || !strings.HasPrefix(heads[0], want) {
			t.Errorf("%s, %q: the application saw %.80q, want %q", c.host, c.query, heads, want)
		}
	}
}
