package upstream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestApplicationOnAUnixSocket(t *testing.T) {
	name := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Method+" "+r.Host+r.URL.Path+" "+string(body))
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	addr := front(t, open(t, Config{Route: Route{URL: &url.URL{Scheme: "unix", Path: name}}}), tripFor(open(t, Config{Route: Route{URL: nowhere()}}), nil))
	for request, want := range map[string]string{
		"GET /a HTTP/1.1\r\nHost: app.test\r\n\r\n":                          "GET app.test/a ",
		"POST /b HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc": "POST app.test/b abc",
	} {
		for range 2 { // on a new connection, and on a kept one
			if res, body, _ := send(t, addr, request); res.StatusCode != http.StatusOK || body != want {
				t.Errorf("got %d %q, want %q", res.StatusCode, body, want)
			}
		}
	}
	s.Close()
	if res, body, _ := send(t, addr, get); res.StatusCode != http.StatusBadGateway || strings.Contains(body, name) {
		t.Errorf("without the socket: %d %q", res.StatusCode, body)
	}
}

// secured is an https application that wants a client's certificate, and that is
// reached by its address though its certificate has another name.
func secured(t *testing.T) (*httptest.Server, Route) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.ServerName+" "+r.TLS.PeerCertificates[0].Subject.Organization[0])
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, Route{URL: target, CA: pool, ServerName: "example.com"}
}

func TestHTTPSApplicationThatAsksForACertificate(t *testing.T) {
	s, to := secured(t)
	if res, _, _ := send(t, front(t, open(t, Config{Route: to}), Trip{}), get); res.StatusCode != http.StatusBadGateway {
		t.Errorf("without a certificate: %d", res.StatusCode)
	}
	to.Certificate = &s.TLS.Certificates[0]
	if res, body, _ := send(t, front(t, open(t, Config{Route: to}), Trip{}), get); body != "example.com Acme Co" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	to.ServerName = "somebody-else.example"
	if res, _, _ := send(t, front(t, open(t, Config{Route: to}), Trip{}), get); res.StatusCode != http.StatusBadGateway {
		t.Errorf("with a certificate of another name: %d", res.StatusCode)
	}
}

// TestHTTP2StreamsBothWays plays what gRPC needs: each message passes while both
// sides are still open, and a trailer that was not announced ends it.
func TestHTTP2StreamsBothWays(t *testing.T) {
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	a := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("X-Saw", r.Proto+" "+r.Header.Get("Te"))
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			io.WriteString(w, "got "+in.Text()+"\n")
			http.NewResponseController(w).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "7")
	}))
	a.Config.Protocols = both
	a.Start()
	t.Cleanup(a.Close)
	target, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	u := open(t, Config{Route: Route{URL: target, H2C: true}})
	f := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Forward(w, r, &Trip{}) }))
	f.Config.Protocols = both
	f.Start()
	t.Cleanup(f.Close)

	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: only}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	out, in := io.Pipe()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/care.Plan/Watch", out)
	r.Header.Set("Te", "trailers")
	go io.WriteString(in, "one\n")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("X-Saw"); got != "HTTP/2.0 trailers" {
		t.Errorf("the application saw %q", got)
	}
	lines := bufio.NewReader(res.Body)
	for _, message := range []string{"one", "two", "three"} {
		if message != "one" {
			io.WriteString(in, message+"\n")
		}
		if got, err := lines.ReadString('\n'); got != "got "+message+"\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	in.Close()
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("after the last message: %q, %v", rest, err)
	}
	if got := res.Trailer.Get("Grpc-Status"); got != "7" {
		t.Errorf("trailer %v", res.Trailer)
	}
	for range 50 { // streams share a connection, and none waits for another
		start := time.Now()
		res, err := client.Post(f.URL, "application/grpc", strings.NewReader("x\n"))
		if err != nil || time.Since(start) > time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
