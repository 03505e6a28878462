package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// bareRole is the yardstick: httputil.ReverseProxy with a transport tuned for
// it and nothing else. It prints the addresses of the proxy and of its figures.
func bareRole(ctx context.Context, upstream string, out io.Writer) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	return serveTwo(ctx, out, bareProxy(u), http.HandlerFunc(serveFigures))
}

// bareProxy forwards the Host header as it came, as Foregate does, and adds
// nothing.
func bareProxy(u *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConns:        1024,
			MaxIdleConnsPerHost: 1024,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
		BufferPool: new(buffers),
	}
}

// buffers lends the memory that bodies are copied through. Arrays, because their
// pointers go in and out of the pool without an allocation.
type buffers struct{ pool sync.Pool }

type buffer [32 << 10]byte

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*buffer); ok {
		return buf[:]
	}
	return new(buffer)[:]
}

func (b *buffers) Put(buf []byte) { b.pool.Put((*buffer)(buf)) }

// serveFigures answers with the two figures that are compared with Foregate's,
// under the same names.
func serveFigures(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	fmt.Fprintf(w, "%s %d\n%s %d\n", metricMallocs, m.Mallocs, metricHeap, live[0].Value.Uint64())
}

// reply is an answer that is given to every request.
type reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// replyRole answers every request with the one reply that it is given. It is the
// yardstick of a refusal: the same bytes, and no thought.
func replyRole(ctx context.Context, encoded string, out io.Writer) error {
	var rep reply
	if err := json.Unmarshal([]byte(encoded), &rep); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	return serveTwo(ctx, out, rep, http.HandlerFunc(serveFigures))
}

func (rep reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, values := range rep.Header {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	w.WriteHeader(rep.Status)
	_, _ = w.Write(rep.Body)
}

func serveTwo(ctx context.Context, out io.Writer, public, figures http.Handler) error {
	var all []listening
	for _, h := range []http.Handler{public, figures} {
		l, err := net.Listen("tcp", loopback)
		if err != nil {
			return err
		}
		all = append(all, listening{l, h})
	}
	return serveUntil(ctx, out, all...)
}

// loopback is any free port that only this machine reaches.
const loopback = "127.0.0.1:0"
