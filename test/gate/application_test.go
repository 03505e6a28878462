package gate

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// application stands behind Foregate and records what arrives, byte for byte. It
// answers 200 with its own mark unless answerWith says otherwise.
type application struct {
	l        net.Listener
	mu       sync.Mutex
	conns    int
	requests []*request
	answer   func(conn net.Conn, head string) (keep bool)
}

// request is what arrived: the exact head, the body without its chunks, the
// trailer, and on which connection (the first is 1).
type request struct {
	head, body, trailer string
	conn                int
}

const mark = "the application answered"

// plainAnswer is what the application says when nothing else was asked of it.
var plainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(mark)) + "\r\n\r\n" + mark

func newApplication(t *testing.T) *application {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &application{l: l}
	t.Cleanup(a.stop)
	go a.accept()
	return a
}

func (a *application) addr() string { return a.l.Addr().String() }

// stop refuses connections from now on.
func (a *application) stop() { _ = a.l.Close() }

func (a *application) accept() {
	for {
		conn, err := a.l.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.conns++
		number := a.conns
		a.mu.Unlock()
		go a.serve(conn, number)
	}
}

func (a *application) serve(conn net.Conn, number int) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := readHead(r)
		if err != nil {
			return
		}
		req, answer := a.record(head, number)
		if answer != nil {
			if !answer(conn, head) {
				return
			}
			continue
		}
		body, trailer, err := readBody(r, head)
		a.mu.Lock()
		req.body, req.trailer = body, trailer
		a.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, plainAnswer); err != nil {
			return
		}
	}
}

func (a *application) record(head string, number int) (*request, func(net.Conn, string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	req := &request{head: head, conn: number}
	a.requests = append(a.requests, req)
	return req, a.answer
}

func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		b.WriteString(line)
		if line == "\r\n" || line == "\n" {
			return b.String(), nil
		}
	}
}

// readBody reads what head announces: chunks before a length.
func readBody(r *bufio.Reader, head string) (body, trailer string, err error) {
	if len(values(head, "Transfer-Encoding")) > 0 {
		return readChunks(r)
	}
	length := 0
	if announced := values(head, "Content-Length"); len(announced) > 0 {
		length, _ = strconv.Atoi(announced[0])
	}
	b := make([]byte, length)
	n, err := io.ReadFull(r, b)
	return string(b[:n]), "", err
}

func readChunks(r *bufio.Reader) (body, trailer string, err error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return b.String(), "", err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return b.String(), "", err
		}
		if n == 0 {
			trailer, err := readHead(r)
			return b.String(), trailer, err
		}
		if _, err := io.CopyN(&b, r, n); err != nil {
			return b.String(), "", err
		}
		if _, err := r.Discard(len("\r\n")); err != nil {
			return b.String(), "", err
		}
	}
}

// take returns the request heads since the last call and forgets them.
func (a *application) take() []string {
	var heads []string
	for _, req := range a.takeRequests() {
		heads = append(heads, req.head)
	}
	return heads
}

// takeRequests is take with all that arrived.
func (a *application) takeRequests() []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []request
	for _, req := range a.requests {
		out = append(out, *req)
	}
	a.requests = nil
	return out
}

// answerWith lets f answer from now on; nil brings the plain answer back. f gets
// no body: what the client sent beside the head may be read already.
func (a *application) answerWith(f func(conn net.Conn, head string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

// answerBytes lets the application answer everything with the same bytes and
// close the connection.
func (a *application) answerBytes(answer string) {
	a.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, answer)
		return false
	})
}

// values returns the values of a header in a recorded head, by its exact name.
func values(head, name string) []string {
	var out []string
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}
