package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/proxy/admin"
	"foregate/proxy/pages"
	"foregate/upstream"
)

// newServer is a Server with one app at app.test, its sessions in memory.
func newServer(tb testing.TB, store cookies.Store, to *url.URL, rules []Rule, methods ...*Method) *Server {
	tb.Helper()
	cfg := cookies.Config{Secrets: [][]byte{bytes.Repeat([]byte("s"), 32)}}
	metrics := admin.NewMetrics("test")
	sessions, err := cookies.New(store, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = sessions.Close() })
	attempts, err := cookies.NewAttempts(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	page, err := pages.New()
	if err != nil {
		tb.Fatal(err)
	}
	s := New(Config{
		Prefix: "/sso", MaxForm: 64 << 10, MaxTarget: 16 << 10, Patience: time.Minute,
		Sessions: sessions, Attempts: attempts, Pages: page, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	})
	up, err := upstream.New(upstream.Config{
		Name: "app", Route: upstream.Route{URL: to}, OwnCookie: sessions.Own, StripCookies: sessions.StripOwn, OnError: s.UpstreamFailed,
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(up.Close)
	names := []string{"local"}
	app := &App{
		Name: "app", Hosts: []string{"app.test"}, Methods: names, Policy: NewPolicy(names, rules), Upstream: up,
		Terms: map[string]Terms{"local": {Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}}, Audience: "app:app",
	}
	s.Swap(NewSet([]*App{app}, methods))
	return s
}

// sessionOf returns the Cookie header of a session of nora.
func sessionOf(tb testing.TB, s *Server) string {
	tb.Helper()
	w := httptest.NewRecorder()
	_, err := s.Sessions.Start(context.Background(), w, httptest.NewRequest("GET", "/", nil), false, cookies.Opening{Audience: "app:app", Limits: cookies.Limits{Idle: time.Hour, Lifetime: time.Hour}}, authn.Identity{Method: "local", Issuer: "i", Subject: "nora", User: "nora", Groups: []string{"staff"}})
	if err != nil {
		tb.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}

// wire asks over one kept-alive connection and allocates nothing itself.
type wire struct {
	tb      testing.TB
	conn    net.Conn
	r       *bufio.Reader
	request []byte
}

func dial(tb testing.TB, address, request string) *wire {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &wire{tb, conn, bufio.NewReaderSize(conn, 64<<10), []byte(request)}
}

// ask sends the request and reads the answer: a header, and a body of the length
// that ends the test's own answers.
func (w *wire) ask() {
	if _, err := w.conn.Write(w.request); err != nil {
		w.tb.Fatal(err)
	}
	length, first := 0, true
	for {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			w.tb.Fatal(err)
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) && !bytes.HasPrefix(line, []byte("HTTP/1.1 302 ")) {
			w.tb.Fatalf("%s", line)
		}
		first = false
		if bytes.HasPrefix(line, []byte("Content-Length: ")) {
			for _, c := range bytes.TrimSpace(line[len("Content-Length: "):]) {
				length = length*10 + int(c-'0')
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := w.r.Discard(length); err != nil {
		w.tb.Fatal(err)
	}
}

// application answers everything with 1 KiB and allocates nothing, so that it
// does not count.
func application(tb testing.TB) *url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("x", 1024))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, answer)
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

func answerAll(conn net.Conn, answer []byte) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) == 2 {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

type pool struct{ sync.Pool }

func (p *pool) Get() []byte  { return p.Pool.Get().(*[32 << 10]byte)[:] }
func (p *pool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }

// bareProxy is what a signed-in request is compared with.
func bareProxy(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(to); pr.SetXForwarded(); pr.Out.Host = pr.In.Host },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &pool{sync.Pool{New: func() any { return new([32 << 10]byte) }}},
	}
}

func serve(tb testing.TB, h http.Handler) string {
	server := httptest.NewUnstartedServer(h)
	if s, ok := h.(*Server); ok {
		server.Config = s.HTTPServer(ServerLimits{})
	}
	server.Start()
	tb.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func page(cookie string) string {
	return "GET /patients/4711 HTTP/1.1\r\nHost: app.test\r\nAccept: text/html\r\nUser-Agent: test\r\nCookie: " + cookie + "\r\n\r\n"
}

// TestP10SignedInRequestAllocatesAtMostEightMoreThanABareProxy counts the whole
// process: both servers, the proxy and the transport.
func TestP10SignedInRequestAllocatesAtMostEightMoreThanABareProxy(t *testing.T) {
	to := application(t)
	s := newServer(t, memstore.New(), to, nil)
	cookie := sessionOf(t, s)
	least := testing.AllocsPerRun(300, dial(t, serve(t, bareProxy(to)), page(cookie)).ask)
	got := testing.AllocsPerRun(300, dial(t, serve(t, s), page(cookie)).ask)
	t.Logf("%v allocations, a bare proxy makes %v", got, least)
	if got > least+8 {
		t.Errorf("%v allocations, a bare proxy makes %v", got, least)
	}
}

func TestP19RefusalAllocatesLittle(t *testing.T) {
	to := application(t)
	s := newServer(t, memstore.New(), to, nil)
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { redirect(w, http.StatusFound, "/sso/sign-in?rd=%2F") })
	least := testing.AllocsPerRun(300, dial(t, serve(t, plain), page("a=b")).ask)
	got := testing.AllocsPerRun(300, dial(t, serve(t, s), page("a=b")).ask)
	t.Logf("%v allocations, a bare redirect makes %v", got, least)
	if got > least+10 {
		t.Errorf("%v allocations, a bare redirect makes %v", got, least)
	}
}

func BenchmarkRefusal(b *testing.B) {
	s := newServer(b, memstore.New(), application(b), nil)
	r := httptest.NewRequest("GET", "http://app.test/patients/4711", nil)
	r.Header.Set("Accept", "text/html")
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(discard{http.Header{}}, r)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

var _ io.Writer = discard{}
