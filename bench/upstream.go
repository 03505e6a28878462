package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	pageSize   = 1 << 10
	mebibyte   = 1 << 20
	markHeader = "X-Bench-Upstream" // tells an answer of the upstream from a page of a proxy
)

// upstreamHandler is the application behind every proxy.
//
//	GET  /page           1 KiB
//	GET  /who            1 KiB, and who the proxy says is asking in the mark
//	GET  /bytes?n=N      N bytes, with a Content-Length
//	GET  /events?every=D an endless stream of events, one in each D
//	GET  /socket         a WebSocket that answers a text with the same
//	POST /sink           reads the body and answers with its length
//	POST /echo           answers with the body
func upstreamHandler() http.Handler {
	page := make([]byte, pageSize)
	for i := range page {
		page[i] = "<p>bench</p>\n"[i%13]
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set(markHeader, "1")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set(markHeader, r.Header.Get("X-Forwarded-User"))
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /bytes", serveBytes)
	mux.HandleFunc("GET /events", serveEvents)
	mux.HandleFunc("GET /socket", serveSocket)
	mux.HandleFunc("POST /sink", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, n)
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	return mux
}

func serveBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
	if err != nil || n < 0 {
		http.Error(w, "n is the number of bytes", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	chunk := make([]byte, min(n, 256<<10))
	for n > 0 {
		written, err := w.Write(chunk[:min(n, int64(len(chunk)))])
		if err != nil {
			return
		}
		n -= int64(written)
	}
}

// serveEvents sends the time of sending, in nanoseconds since 1970, and flushes
// after each event: what holds an event back is then the proxy.
func serveEvents(w http.ResponseWriter, r *http.Request) {
	every, err := time.ParseDuration(r.FormValue("every"))
	if err != nil || every <= 0 {
		http.Error(w, "every is the time between two events", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		if _, err := fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano()); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// socketAccepted is the answer to socketHandshake.
const socketAccepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// serveSocket opens the WebSocket that the load generator asks for, whose key and frame
// are always the same (RFC 6455, sections 4.2.2 and 5.2).
func serveSocket(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, socketAccepted)
	got := make([]byte, len(askedFrame))
	for err == nil {
		if _, err = io.ReadFull(conn, got); err != nil || string(got) != askedFrame {
			return
		}
		_, err = io.WriteString(conn, answeredFrame)
	}
}

// upstreamRole serves on addr, which may end in :0.
func upstreamRole(ctx context.Context, addr string, out io.Writer) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	return serveUntil(ctx, out, listening{l, upstreamHandler()})
}

// listening is one listener and what it answers.
type listening struct {
	net.Listener
	http.Handler
}

// serveUntil prints the addresses on one line, which says that they answer, and
// serves them until ctx ends.
func serveUntil(ctx context.Context, out io.Writer, all ...listening) error {
	failed := make(chan error, len(all))
	for _, l := range all {
		// No timeouts: each costs a little, and a yardstick has none to spare.
		s := &http.Server{Handler: l.Handler}
		defer s.Close()
		go func() { failed <- s.Serve(l.Listener) }()
		fmt.Fprint(out, l.Addr(), " ")
	}
	fmt.Fprintln(out)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
