package upstream

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
)

const patience = 10 * time.Second // bounds every wait; no test comes near

// app is an application on a raw socket: it repairs nothing.
type app struct {
	url   *url.URL
	heads chan string  // each request's exact bytes up to the empty line
	conns atomic.Int32 // connections accepted so far
}

// startApp serves each connection with serve until it returns.
func startApp(t *testing.T, serve func(a *app, c net.Conn, in *bufio.Reader)) *app {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{url: &url.URL{Scheme: "http", Host: l.Addr().String()}, heads: make(chan string, 1024)}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.conns.Add(1)
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				serve(a, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return a
}

// next reads and records a request's head; ok is false at the connection's end.
func (a *app) next(in *bufio.Reader) (head string, ok bool) {
	head, ok = readHead(in)
	if ok {
		a.heads <- head
	}
	return head, ok
}

func readHead(in *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return b.String(), false
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String(), true
		}
	}
}

func answerWith(response string) func(*app, net.Conn, *bufio.Reader) {
	return func(a *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := a.next(in); !ok {
				return
			}
			io.WriteString(c, response)
		}
	}
}

func answerOK() func(*app, net.Conn, *bufio.Reader) {
	return answerWith("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

func (a *app) head(t *testing.T) string {
	t.Helper()
	select {
	case h := <-a.heads:
		return h
	case <-time.After(patience):
		t.Fatal("the application got no request")
		return ""
	}
}

// values returns the values of every line whose name folds like name.
func values(head, name string) []string {
	var got []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && fold(n) == fold(name) {
			got = append(got, strings.TrimSpace(v))
		}
	}
	return got
}

func alice() *authn.Identity {
	return &authn.Identity{
		Method: "entra", Issuer: "https://idp.example", Subject: "0017", User: "alice", Email: "alice@hospital.example",
		PreferredUsername: "aarcher", Name: "Alice Archer", Groups: []string{"users"}, Roles: []string{"nurse"},
	}
}

func signer(t testing.TB) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner([]*ecdsa.PrivateKey{key})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, cfg Config) *Upstream {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "careplan"
	}
	u, err := New(cfg, signer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func tripFor(u *Upstream, id *authn.Identity) Trip {
	t := Trip{Client: "192.0.2.7", Scheme: "https", Host: "app.test", RequestID: "req-1"}
	if id != nil {
		t.Who = u.Credentials(id)
	}
	return t
}

// front serves u on a real socket, every request with a copy of trip.
func front(t *testing.T, u *Upstream, trip Trip) string {
	t.Helper()
	return frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		own := trip
		u.Forward(w, r, &own)
	})
}

func frontFunc(t *testing.T, serve http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c, bufio.NewReader(c)
}

// send writes raw bytes and returns the final response, and its body as far as
// it came.
func send(t *testing.T, addr, raw string) (*http.Response, string, error) {
	t.Helper()
	c, in := dial(t, addr)
	io.WriteString(c, raw)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}
