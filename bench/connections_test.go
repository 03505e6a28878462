package main

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHandshakesAreOfTheKindThatWasOrdered(t *testing.T) {
	cert, key, root, err := makeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, _, another, err := makeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, root string
		tickets    bool
		resume     bool
		fails      string // empty: not
	}{
		{name: "full", root: root, tickets: true},
		{name: "resumed", root: root, tickets: true, resume: true},
		{name: "no tickets", root: root, resume: true, fails: "gave no ticket"},
		{name: "another's certificate", root: another, tickets: true, fails: "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: !c.tickets}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			o := &order{Kind: "handshake", Addr: server.Listener.Addr().String(), Host: secureHost, Root: c.root, Resume: c.resume, Conns: 2, For: 200 * time.Millisecond}
			got, err := o.carryOut(t.Context())
			switch {
			case c.fails == "" && (err != nil || got.Done == 0 || got.P50 == 0):
				t.Errorf("handshakes = %+v, %v", got, err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Errorf("handshakes = %v, want %q", err, c.fails)
			}
		})
	}
}

func TestSocketsMustStayOpenAndIdle(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/socket", serveSocket)
	mux.HandleFunc("/page", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, socketAccepted)
		_, _ = io.ReadFull(conn, make([]byte, len(askedFrame)))
		_, _ = io.WriteString(conn, answeredFrame)
		time.AfterFunc(150*time.Millisecond, func() { _ = conn.Close() })
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{"/socket": "", "/page": "status 200, want 101", "/short": "did not stay idle"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		o := &order{Kind: "sockets", Addr: server.Listener.Addr().String(), Host: "bench.test", Path: path, Conns: 100, For: 300 * time.Millisecond, Status: 101}
		got, err := o.carryOut(ctx)
		cancel()
		switch {
		case want == "" && (err != nil || got.Done != 100):
			t.Errorf("%s: %+v, %v", path, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestFewerSocketsWhereFilesAreFew(t *testing.T) {
	s := &stand{options: options{sockets: 1 << 40}}
	n, err := s.allowedSockets()
	if err != nil || n < 1 || n >= 1<<40 || len(s.notes) != 1 {
		t.Errorf("allowedSockets = %d, %v, notes %q", n, err, s.notes)
	}
}
