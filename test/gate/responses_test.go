package gate

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// TestHD6OddResponsesAreMendedOrRefused: what an application answers cannot
// desynchronise a browser, nor open a tunnel that nobody asked for.
func TestHD6OddResponsesAreMendedOrRefused(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	for what, c := range map[string]struct {
		answer  string
		status  int
		without string
	}{
		"hop-by-hop header":     {"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: secret\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok", 200, "secret"},
		"length and chunks":     {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "Content-Length: 50"},
		"two lengths":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\noks", 502, "oks"},
		"negative length":       {"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nodd", 502, "\r\n\r\nodd"},
		"unknown coding":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502, "\r\nok\r\n"},
		"no HTTP":               {"SSH-2.0-OpenSSH_9.9\r\n\r\n", 502, "SSH"},
		"status 099":            {"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", 502, "099"},
		"bare CR in a value":    {"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok", 502, "evil"},
		"101 without a request": {upgrade, 502, "101 Switching"},
		"many interim answers":  {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 100) + plainAnswer, 502, mark},
		"huge interim answers":  {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 9000)+"\r\n\r\n", 3) + plainAnswer, 502, mark},
		"cookie in the interim": {"HTTP/1.1 103 Early Hints\r\nSet-Cookie: foregate=evil\r\n\r\n" + plainAnswer, 200, "evil"},
		"cookie in the trailer": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: foregate=evil\r\n\r\n", 200, "evil"},
		"huge header":           {"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 600<<10) + "\r\nContent-Length: 2\r\n\r\nok", 502, "aaaaaaaaaaaaaaaaaaa"},
		"another way round us":  {"HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nContent-Length: 2\r\n\r\nok", 200, "Alt-Svc"},
	} {
		f.up.answerBytes(c.answer)
		answer := f.get("/public/x", "", "Accept: text/html")
		if status := finalStatus(answer); status != c.status || strings.Contains(answer, c.without) {
			t.Errorf("%s: status %d, want %d without %q:\n%.400q", what, status, c.status, c.without, answer)
		}
	}
}

// finalStatus is the status behind the 1xx answers.
func finalStatus(answer string) int {
	for {
		status := statusOf(answer)
		if status == 0 || status >= 200 || status == 101 {
			return status
		}
		_, answer, _ = strings.Cut(answer, "\r\n\r\n")
	}
}

// TestHT2ResidueOfOneAnswerReachesNobodyElse: bytes behind an answer would be the
// next person's answer on a reused connection.
func TestHT2ResidueOfOneAnswerReachesNobodyElse(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	poison := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for what, first := range map[string]string{
		"behind a length":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + poison,
		"behind chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
		"behind no content":   "HTTP/1.1 204 No Content\r\n\r\n" + poison,
		"behind not modified": "HTTP/1.1 304 Not Modified\r\n\r\n" + poison,
	} {
		f.up.answerWith(sayOnce(first))
		for i := range 5 {
			if answer := f.get("/public/x", ""); strings.Contains(answer, "poison") {
				t.Errorf("%s: request %d got %.300q", what, i, answer)
			}
		}
	}
}

// sayOnce answers the first request with first and all others plainly, and keeps
// every connection open.
func sayOnce(first string) func(net.Conn, string) bool {
	var said atomic.Bool
	return func(conn net.Conn, _ string) bool {
		answer := plainAnswer
		if !said.Swap(true) {
			answer = first
		}
		_, err := io.WriteString(conn, answer)
		return err == nil
	}
}

// TestHT2RefusedExpectationsHurtNobodyElse: an application that refuses a body
// before it was sent, on a connection that it keeps, still waits for that body.
func TestHT2RefusedExpectationsHurtNobodyElse(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	f.up.answerWith(func(conn net.Conn, head string) bool {
		answer := plainAnswer
		if strings.HasPrefix(head, "POST ") {
			answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
		}
		_, err := io.WriteString(conn, answer)
		return err == nil
	})
	for range 20 {
		answer := f.raw("POST /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
		if finalStatus(answer) != 403 {
			t.Errorf("the refusal became %.100q", answer)
		}
		if answer := f.get("/public/y", ""); statusOf(answer) != 200 {
			t.Errorf("the neighbour got %.100q", answer)
		}
	}
}
