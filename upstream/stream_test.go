package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEventsArriveOneByOne(t *testing.T) {
	for name, head := range map[string]string{
		"event stream":   "Content-Type: text/event-stream; charset=utf-8\r\nContent-Length: 20\r\n\r\n",
		"unknown length": "Connection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan struct{})
			a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
				a.next(in)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"data: one\n")
				<-next
				io.WriteString(c, "data: two\n")
			})
			c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
			io.WriteString(c, get)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				close(next)
				t.Fatal(err)
			}
			body := make([]byte, 10)
			_, err = io.ReadFull(res.Body, body)
			close(next) // only now may the application go on
			if string(body) != "data: one\n" || err != nil {
				t.Fatalf("got %q, %v", body, err)
			}
			if _, err = io.ReadFull(res.Body, body); string(body) != "data: two\n" || err != nil {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
}

const handshake = "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX_Forwarded_User: evil\r\n\r\n"

func echo(a *app, c net.Conn, in *bufio.Reader) {
	a.next(in)
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\nKeep-Alive: 9\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: foregate=evil\r\n\r\n")
	io.Copy(c, in)
}

func TestWebSocketsPassWithIdentityAndEndWithTheSession(t *testing.T) {
	a := startApp(t, echo)
	u := open(t, Config{Route: Route{URL: a.url}, OwnCookie: ownCookie})
	trip := tripFor(u, alice())
	trip.CloseAfter = true
	signOut := make(chan context.CancelFunc, 1)
	returned := make(chan struct{})
	addr := frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		signOut <- cancel
		u.Forward(w, r.WithContext(ctx), &trip)
	})
	c, in := dial(t, addr)
	io.WriteString(c, handshake)
	answer, _ := readHead(in)
	if !strings.HasPrefix(answer, "HTTP/1.1 101 ") || len(values(answer, "Sec-WebSocket-Accept")) != 1 ||
		len(values(answer, "X-Hop"))+len(values(answer, "Keep-Alive"))+len(values(answer, "Set-Cookie")) > 0 {
		t.Errorf("got %q", answer)
	}
	if got, want := values(answer, "Connection"), []string{"Upgrade"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := values(a.head(t), "X-Forwarded-User"); !slices.Equal(got, []string{"alice"}) {
		t.Errorf("got %q", got)
	}
	io.WriteString(c, "hello")
	heard := make([]byte, 5)
	if _, err := io.ReadFull(in, heard); string(heard) != "hello" || err != nil {
		t.Errorf("got %q, %v", heard, err)
	}
	(<-signOut)()
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("got %q", rest)
	}
	select {
	case <-returned:
	case <-time.After(patience):
		t.Error("the tunnel goes on")
	}
}

func TestHT9OnlyAWebSocketHandshakeIsAnUpgrade(t *testing.T) {
	for name, request := range map[string]string{
		"h2c":         "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		"two at once": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
		"two lines":   "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n",
		"post":        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
		"unnamed":     "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, echo)
			res, _, _ := send(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}), request)
			head := a.head(t)
			if got := slices.Concat(values(head, "Upgrade"), values(head, "Connection"), values(head, "HTTP2-Settings")); len(got) > 0 {
				t.Errorf("the application was asked for %q", got)
			}
			if res.StatusCode != http.StatusBadGateway {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
}

func TestUpgradeThatTheApplicationDeclinesIsAnOrdinaryResponse(t *testing.T) {
	a := startApp(t, answerOK())
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
	io.WriteString(c, handshake+strings.Replace(get, "/", "/second", 1))
	for range 2 {
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("got %v, %v", res, err)
		}
		io.Copy(io.Discard, res.Body)
	}
	a.head(t)
	if got := requestLine(a.head(t)); got != "GET /second HTTP/1.1" {
		t.Errorf("got %q", got)
	}
}

const large = 64 << 20

// zeros is a body of n bytes that nobody had to store.
func zeros(n int64) io.Reader { return io.LimitReader(endless{}, n) }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestLargeBodiesFlowInBothDirectionsInLittleMemory(t *testing.T) {
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		a.next(in)
		n, _ := io.CopyN(io.Discard, in, large)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Received: %d\r\nContent-Length: %d\r\n\r\n", n, large)
		io.Copy(c, zeros(large))
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr, zeros(large))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = large
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if n != large || err != nil || res.Header.Get("X-Received") != fmt.Sprint(large) {
		t.Errorf("got %d, %v, sent %s", n, err, res.Header.Get("X-Received"))
	}
	runtime.ReadMemStats(&after)
	// All that was ever allocated, so that no collection can hide a copy.
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

func TestApplicationMayAnswerWhileTheClientStillSends(t *testing.T) {
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		a.next(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		io.CopyN(c, in, int64(len("5\r\nfirst\r\n5\r\nlater\r\n0\r\n\r\n"))) // echoes the chunks
		a.next(in)
	})
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"first", "later"} {
		fmt.Fprintf(c, "%x\r\n%s\r\n", len(part), part)
		heard := make([]byte, len(part))
		if _, err := io.ReadFull(res.Body, heard); string(heard) != part || err != nil {
			t.Fatalf("got %q, %v, want %q", heard, err, part)
		}
	}
	io.WriteString(c, "0\r\n\r\n")
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestManyClientsShareAsManyConnections(t *testing.T) {
	const clients, each = 64, 20
	a := startApp(t, func(_ *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := readHead(in); !ok {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	var wg sync.WaitGroup
	for range clients {
		c, in := dial(t, addr)
		wg.Go(func() {
			for range each {
				io.WriteString(c, get)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
			}
		})
	}
	wg.Wait()
	if n := a.conns.Load(); n > clients+8 {
		t.Errorf("%d connections for %d clients", n, clients)
	}
}
