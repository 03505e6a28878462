package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whatever an application answers, a client sees the same whether its request went
// directly or by http.Transport.
func TestDirectAnswersAsTheTransportDoes(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX-A: 1\r\nX-A: 2\r\n\r\n" + long,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: foregate=1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: image/x-odd\r\nContent-Length: 6\r\n\r\n<html>",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\n\r\nno",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"HTTP/1.1 099 Odd\r\n\r\n",
		"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-Big: " + strings.Repeat("x", 300<<10) + "\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
		"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"SSH-2.0-OpenSSH\r\n",
		"\r\n\r\n",
		"",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			name := fmt.Sprintf("%s %.60q", method, response)
			got, want := through(t, method, response, true), through(t, method, response, false)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-transport +direct):\n%s", name, diff)
			}
		}
	}
}

// seen is what a client and the application got to see.
type seen struct {
	Status  int
	Header  http.Header
	Interim []int
	Body    string
	Broken  bool // it ended early
	Trailer http.Header
	Head    string // of the request, as the application got it
}

func through(t *testing.T, method, response string, directly bool) seen {
	t.Helper()
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		if _, ok := a.next(in); ok {
			io.WriteString(c, response)
		}
	})
	u := open(t, Config{Route: Route{URL: a.url}, OwnCookie: func(name string) bool { return name == "foregate" }})
	if !directly {
		u.routes[0].proxy.Transport = guarded{u.routes[0].transport}
	}
	c, in := dial(t, front(t, u, tripFor(u, alice())))
	io.WriteString(c, method+" /a%2Fb?x=1 HTTP/1.1\r\nHost: app.test\r\nUser-Agent: test\r\nX-Odd: a, b\r\nTE: trailers\r\nConnection: close\r\n\r\n")
	var s seen
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			s.Broken = true
			break
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			s.Interim = append(s.Interim, res.StatusCode)
			continue
		}
		body, err := io.ReadAll(res.Body)
		s.Status, s.Header, s.Body, s.Broken, s.Trailer = res.StatusCode, res.Header, string(body), err != nil, res.Trailer
		s.Header.Del("Date")
		break
	}
	if s.Broken && s.Body == "" { // whether the header went out before the fault is chance
		s.Status, s.Header = 0, nil
	}
	s.Head = strings.ReplaceAll(a.head(t), a.url.Host, "the application")
	_, token, _ := strings.Cut(s.Head, textproto.CanonicalMIMEHeaderKey(AssertionHeader)+": ")
	if line, _, ok := strings.Cut(token, "\r\n"); ok {
		s.Head = strings.ReplaceAll(s.Head, line, "signed") // differs each time
	}
	return s
}

// A connection that the application closed while nobody used it is noticed before
// the next request goes out: the application sees each request once.
func TestDirectNoticesAClosedConnection(t *testing.T) {
	closed := make(chan struct{}, 8)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		if _, ok := a.next(in); ok {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		c.Close()
		closed <- struct{}{}
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	for range 3 {
		if res, body, err := send(t, addr, get); res.StatusCode != http.StatusOK || body != "ok" || err != nil {
			t.Fatalf("got %d %q, %v", res.StatusCode, body, err)
		}
		<-closed
	}
	if n := len(a.heads); n != 3 {
		t.Errorf("the application saw %d requests, want 3", n)
	}
}

// What an application sends on a connection that waits is nobody's answer.
func TestHT1DirectDropsAConnectionThatSpeaksUnasked(t *testing.T) {
	spoken, answered := make(chan struct{}, 8), make(chan struct{})
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := a.next(in); !ok {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			select { // the client has its response, so the connection waits
			case <-answered:
			case <-time.After(patience):
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
			spoken <- struct{}{}
		}
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	for range 3 {
		if _, body, _ := send(t, addr, get); body != "ok" {
			t.Errorf("got %q", body)
		}
		answered <- struct{}{}
		<-spoken
	}
	if n := a.conns.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestDirectReusesAConnectionAndGivesItUpInTime(t *testing.T) {
	gone := make(chan struct{}, 8)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := a.next(in); !ok {
				gone <- struct{}{}
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url, Timeouts: Timeouts{Idle: 300 * time.Millisecond}}}), Trip{})
	for range 5 {
		send(t, addr, get)
	}
	if n := a.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the unused connection was kept")
	}
}

func TestDirectClosesAConnectionWhoseBodyNobodyReads(t *testing.T) {
	gone := make(chan struct{}, 1)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		if _, ok := a.next(in); ok {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
			for {
				if _, err := io.WriteString(c, strings.Repeat("x", 1<<16)); err != nil {
					break
				}
			}
		}
		gone <- struct{}{}
	})
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
	io.WriteString(c, get)
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the application goes on for a client that has left")
	}
}
