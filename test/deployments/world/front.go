package world

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
)

// front is the balancer: each request goes to the next replica.
type front struct {
	port string
	from atomic.Pointer[string] // where people are
	turn atomic.Int64

	mu    sync.Mutex
	gates []string
}

func openFront(w *World) *front {
	f := new(front)
	at := "10.20.0.7"
	f.from.Store(&at)
	l, err := net.Listen("tcp", w.address())
	if err != nil {
		w.T.Fatal(err)
	}
	_, f.port, _ = net.SplitHostPort(l.Addr().String())
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: &httputil.ReverseProxy{Rewrite: f.rewrite}}}
	s.Start()
	w.T.Cleanup(s.Close)
	return f
}

func (f *front) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(&url.URL{Scheme: "http", Host: f.next()})
	p.Out.Host = p.In.Host
	p.Out.Header.Set("X-Forwarded-For", *f.from.Load())
	p.Out.Header.Set("X-Forwarded-Proto", "http")
}

func (f *front) use(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gates = append(f.gates, addr)
}

func (f *front) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.gates) == 0 {
		return "127.0.0.1:9" // nobody yet
	}
	return f.gates[int(f.turn.Add(1))%len(f.gates)]
}

// serve runs a server that ends with the world, and returns its address.
func (w *World) serve(h http.Handler) string {
	w.T.Helper()
	l, err := net.Listen("tcp", w.address())
	if err != nil {
		w.T.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	w.T.Cleanup(s.Close)
	return "http://" + l.Addr().String()
}
