package gate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// application stands behind Foregate and records the exact bytes of each request
// head. It answers 200 with its own mark unless answer says otherwise.
type application struct {
	t      *testing.T
	l      net.Listener
	mu     sync.Mutex
	heads  []string
	answer func(conn net.Conn, head string) (keep bool)
}

const mark = "the application answered"

func newApplication(t *testing.T) *application {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &application{t: t, l: l}
	t.Cleanup(func() { _ = l.Close() })
	go a.accept()
	return a
}

func (a *application) addr() string { return a.l.Addr().String() }

func (a *application) accept() {
	for {
		conn, err := a.l.Accept()
		if err != nil {
			return
		}
		go a.serve(conn)
	}
}

func (a *application) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, length, chunked, err := readHead(r)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.heads = append(a.heads, head)
		answer := a.answer
		a.mu.Unlock()
		if answer != nil {
			if !answer(conn, head) {
				return
			}
			continue
		}
		if chunked {
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(nil, io.NopCloser(chunks(r)), 1<<30))
		} else {
			_, _ = io.CopyN(io.Discard, r, int64(length))
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(len(mark))+"\r\n\r\n"+mark); err != nil {
			return
		}
	}
}

func readHead(r *bufio.Reader) (head string, length int, chunked bool, err error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", 0, false, err
		}
		b.WriteString(line)
		if line == "\r\n" || line == "\n" {
			return b.String(), length, chunked, nil
		}
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), ":")
		switch name {
		case "content-length":
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		case "transfer-encoding":
			chunked = true
		}
	}
}

// chunks reads a chunked body to its end.
func chunks(r *bufio.Reader) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				_ = pw.CloseWithError(err)
				return
			}
			n, _ := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
			if _, err := io.CopyN(pw, r, n); err != nil {
				_ = pw.CloseWithError(err)
				return
			}
			_, _ = r.ReadString('\n')
			if n == 0 {
				_ = pw.Close()
				return
			}
		}
	}()
	return pr
}

// take returns the request heads since the last call and forgets them.
func (a *application) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	heads := a.heads
	a.heads = nil
	return heads
}

func (a *application) answerWith(f func(conn net.Conn, head string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
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
