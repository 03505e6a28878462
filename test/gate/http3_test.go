package gate

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"foregate/internal/certtest"
)

// http3Transport speaks HTTP/3 to the fixture, whatever host is asked for.
func http3Transport(t *testing.T, f *foregate) *http3.Transport {
	t.Helper()
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is made for this test alone
		QUICConfig:      &quic.Config{HandshakeIdleTimeout: 5 * time.Second},
		Dial: func(ctx context.Context, _ string, cfg *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, f.https, cfg, conf)
		},
	}
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

// newHTTP3Browser is a browser that asks by HTTP/3 alone.
func newHTTP3Browser(f *foregate) *browser {
	b := browserAt(f, "https://app.test", f.https)
	b.client.Transport = http3Transport(f.t, f)
	return b
}

// TestHT4WithoutTheKeyThereIsNoHTTP3: nothing listens, and no browser is told of it.
func TestHT4WithoutTheKeyThereIsNoHTTP3(t *testing.T) {
	f := start(t, options{tls: true})
	socket, err := net.ListenPacket("udp", f.https)
	if err != nil {
		t.Errorf("something has the port by UDP: %v", err)
	} else {
		_ = socket.Close()
	}
	b := newSecureBrowser(f)
	b.signIn("alice", alicePassword, "/")
	for _, target := range []string{"/", "/public/x", "/sso/sign-in", "/sso/session", "/nothing", "//"} {
		if got := b.get(target).Header.Values("Alt-Svc"); len(got) > 0 {
			t.Errorf("%s: Alt-Svc %q", target, got)
		}
	}
}

// TestHTTP3ServesWhatHTTPSDoes: from sign-in to sign-out, and what the application is told.
func TestHTTP3ServesWhatHTTPSDoes(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	b := newHTTP3Browser(f)
	if page := b.get("/ward"); page.StatusCode != http.StatusFound || page.Proto != "HTTP/3.0" {
		t.Fatalf("signed out: %s %s", page.Proto, page.Status)
	}
	if resp := b.signIn("alice", alicePassword, "/ward"); resp.Header.Get("Location") != "/ward" && !strings.HasSuffix(resp.Header.Get("Location"), "app.test/ward") {
		t.Errorf("signed in and led to %q", resp.Header.Get("Location"))
	}
	f.up.takeRequests()
	page := b.do("GET", "/ward?x=1", nil, http.Header{"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-User": {"root"}, "X_forwarded_user": {"root"}})
	if page.body != mark {
		t.Errorf("signed in: %s %q", page.Status, page.body)
	}
	_, port, _ := net.SplitHostPort(f.https)
	if got := page.Header.Values("Alt-Svc"); len(got) != 1 || got[0] != `h3=":`+port+`"; ma=86400` {
		t.Errorf("Alt-Svc %q", got)
	}
	if got := page.Header.Get("Strict-Transport-Security"); got == "" {
		t.Error("no Strict-Transport-Security")
	}
	seen := f.up.takeRequests()
	if len(seen) != 1 {
		t.Fatalf("the application was asked %d times", len(seen))
	}
	head := seen[0].head
	for name, want := range map[string]string{
		"Host": "app.test", "X-Forwarded-Host": "app.test", "X-Forwarded-Proto": "https",
		"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-User": "alice",
	} {
		if got := values(head, name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(head, "GET /ward?x=1 HTTP/1.1\r\n") || len(values(head, "Transfer-Encoding")) > 0 || len(values(head, "Content-Length")) > 0 {
		t.Errorf("the application sees %q", head)
	}
	if got := b.get("/admin/x").StatusCode; got != http.StatusForbidden {
		t.Errorf("what alice may not: %d", got)
	}
	out := b.get("/sso/sign-out")
	if out.StatusCode == http.StatusOK {
		b.submit(out, url.Values{})
	}
	if page := b.get("/ward"); page.StatusCode != http.StatusFound {
		t.Errorf("signed out again: %s", page.Status)
	}
}

// TestHTTP3BodiesArriveWhole, with a length and without, in both directions, and with the
// trailers that were announced.
func TestHTTP3BodiesArriveWhole(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	client := &http.Client{Transport: http3Transport(t, f), Timeout: 20 * time.Second}
	send := func(method string, body io.Reader, length int64, trailer http.Header) request {
		t.Helper()
		r, err := http.NewRequest(method, "https://app.test/public/x", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength, r.Trailer = length, trailer
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != mark {
			t.Errorf("%s: %q, %v", method, text, err)
		}
		seen := f.up.takeRequests()
		if len(seen) != 1 {
			t.Fatalf("%s: the application was asked %d times", method, len(seen))
		}
		return seen[0]
	}
	long := strings.Repeat("0123456789", 100_000)
	for _, method := range []string{"POST", "DELETE"} {
		if got := send(method, strings.NewReader(long), int64(len(long)), nil); got.body != long || len(values(got.head, "Content-Length")) != 1 {
			t.Errorf("%s with a length: %d bytes, %q", method, len(got.body), got.head)
		}
		if got := send(method, io.MultiReader(strings.NewReader(long)), -1, nil); got.body != long || len(values(got.head, "Transfer-Encoding")) != 1 {
			t.Errorf("%s without one: %d bytes, %q", method, len(got.body), got.head)
		}
	}
	for _, method := range []string{"GET", "OPTIONS", "DELETE"} {
		if got := send(method, nil, 0, nil); got.body != "" || len(values(got.head, "Transfer-Encoding")) > 0 {
			t.Errorf("%s without a body: %q", method, got.head)
		}
	}
	if got := send("POST", io.MultiReader(strings.NewReader("abc")), -1, http.Header{"X-Sum": {"6"}}); got.body != "abc" || !strings.Contains(got.trailer, "X-Sum: 6") {
		t.Errorf("with a trailer: %q, %q", got.body, got.trailer)
	}
	f.up.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nAlt-Svc: h3=\":9\"\r\nX-Good: y\r\nTrailer: X-Sum\r\n\r\n")
		for range 100 {
			_, _ = io.WriteString(conn, "2710\r\n"+long[:10_000]+"\r\n")
		}
		_, _ = io.WriteString(conn, "0\r\nX-Sum: 7\r\n\r\n")
		return false
	})
	resp, err := client.Get("https://app.test/public/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != long {
		t.Errorf("an answer of %d bytes, %v", len(text), err)
	}
	if h := resp.Header; h.Get("X-Good") != "y" || h.Get("Keep-Alive")+h.Get("Connection") != "" || resp.Trailer.Get("X-Sum") != "7" {
		t.Errorf("its fields: %q, %q", h, resp.Trailer)
	}
	if got := resp.Header.Values("Alt-Svc"); len(got) != 1 || strings.Contains(got[0], ":9") {
		t.Errorf("Alt-Svc %q", got)
	}
	for _, half := range []string{"Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		f.up.answerWith(func(conn net.Conn, _ string) bool {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+half)
			return false
		})
		if resp, err = client.Get("https://app.test/public/x"); err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("what breaks off looks whole: %q", half)
		}
	}
}

// TestAltSvcIsForBrowsers: who asks about others' requests, or carries them, is not told.
func TestAltSvcIsForBrowsers(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	told := func(target string, header http.Header) bool {
		return len(newSecureBrowser(f).do("GET", target, nil, header).Header.Values("Alt-Svc")) > 0
	}
	question := http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.test"}, "X-Forwarded-Uri": {"/public/x"}}
	if !told("/sso/sign-in", nil) || !told("//", nil) || !told("/public/x", nil) {
		t.Error("a browser is not told")
	}
	if told("/sso/verify", question) || told("/sso/verify/x", nil) {
		t.Error("who asks about others' requests is told")
	}
	if got := newBrowser(f).get("/sso/sign-in").Header.Values("Alt-Svc"); len(got) > 0 {
		t.Errorf("by plain http: Alt-Svc %q", got)
	}
	f.edit(func(yaml string) string {
		yaml = regexp.MustCompile(`    upstream: \{url: "[^"]*", response_timeout: 5s\}`).ReplaceAllString(yaml, "    forward_auth: {}")
		return yaml + "\ntrusted_proxies: [127.0.0.1]\n"
	})
	f.restart()
	for uri, want := range map[string]int{"/public/x": http.StatusOK, "/ward": http.StatusFound, "//": http.StatusBadRequest} {
		question.Set("X-Forwarded-Uri", uri)
		if got := newSecureBrowser(f).do("GET", "/sso/verify", nil, question); got.StatusCode != want {
			t.Errorf("asked about %s: %d", uri, got.StatusCode)
		}
		if told("/sso/verify", question) {
			t.Errorf("asked about %s, a proxy is told", uri)
		}
	}
	if told("/sso/sign-in", nil) {
		t.Error("a proxy is told")
	}
}

// TestPB3HeadersOfAStrangerDecideNothingByHTTP3, and a trusted proxy's do.
func TestPB3HeadersOfAStrangerDecideNothingByHTTP3(t *testing.T) {
	t.Parallel()
	claim := http.Header{"X-Forwarded-For": {"192.0.2.7"}}
	for top, want := range map[string]string{"": "127.0.0.1", "trusted_proxies: [127.0.0.1]": "192.0.2.7"} {
		f := start(t, options{tls: true, http3: true, top: top})
		newHTTP3Browser(f).do("GET", "/public/x", nil, claim)
		for _, r := range f.up.takeRequests() {
			if got := values(r.head, "X-Forwarded-For"); len(got) != 1 || got[0] != want {
				t.Errorf("%q: X-Forwarded-For %q", top, got)
			}
		}
	}
}

// TestHT8StrangersNamesAreRefusedByHTTP3, as is what is older than TLS 1.3, and nothing can
// be played back (0-RTT).
func TestHT8StrangersNamesAreRefusedByHTTP3(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	dial := func(cfg *tls.Config) (*quic.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		cfg.InsecureSkipVerify = true
		conn, err := quic.DialAddrEarly(ctx, f.https, cfg, &quic.Config{HandshakeIdleTimeout: 5 * time.Second})
		if err != nil {
			return nil, err
		}
		select {
		case <-conn.HandshakeComplete():
			return conn, nil
		case <-conn.Context().Done():
			return nil, context.Cause(conn.Context())
		}
	}
	for _, name := range []string{"evil.test", "app.test.evil.test"} {
		if _, err := dial(&tls.Config{ServerName: name, NextProtos: []string{"h3"}}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, protocols := range [][]string{{"h2"}, {"acme-tls/1"}, {"hq-interop"}} {
		if _, err := dial(&tls.Config{ServerName: "app.test", NextProtos: protocols}); err == nil {
			t.Errorf("%s is spoken", protocols)
		}
	}
	cache := tls.NewLRUClientSessionCache(4)
	for i := range 2 {
		conn, err := dial(&tls.Config{ServerName: "app.test", NextProtos: []string{"h3"}, ClientSessionCache: cache})
		if err != nil {
			t.Fatal(err)
		}
		state := conn.ConnectionState()
		if state.TLS.Version != tls.VersionTLS13 || state.TLS.NegotiatedProtocol != "h3" || state.Used0RTT || state.SupportsDatagrams.Remote {
			t.Errorf("connection %d: %s %s, 0-RTT %v, datagrams %v", i, tls.VersionName(state.TLS.Version), state.TLS.NegotiatedProtocol, state.Used0RTT, state.SupportsDatagrams.Remote)
		}
		if i == 1 && !state.TLS.DidResume {
			t.Error("the second connection did not resume: 0-RTT was not tried")
		}
		wait(300 * time.Millisecond) // until the ticket is there
		_ = conn.CloseWithError(0, "")
	}
}

// TestACertificateSignsInByHTTP3, also where people must prove anew who they are, and none of
// another authority does.
func TestACertificateSignsInByHTTP3(t *testing.T) {
	t.Parallel()
	c := withCards(t, "", func(o *options) { o.http3 = true })
	at := func(cert tls.Certificate) *browser {
		transport := http3Transport(t, c.foregate)
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		b := browserAt(c.foregate, "https://other.test", c.https)
		b.client.Transport = transport
		return b
	}
	b := at(c.staff.Person("Alice Archer", "alice@hospital.example"))
	for _, start := range []string{"/sso/start/card?rd=/x", "/sso/start/card?rd=/x&fresh=1"} {
		if in := b.get(start); in.Proto != "HTTP/3.0" || in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != "/x" {
			t.Errorf("%s: %s %d %s\n%s", start, in.Proto, in.StatusCode, in.Header.Get("Location"), in.body)
		}
	}
	c.up.take()
	b.get("/x")
	if head := strings.Join(c.up.take(), ""); !strings.Contains(head, "X-Forwarded-User: alice@hospital.example\r\n") {
		t.Errorf("the application sees\n%s", head)
	}
	if in := at(certtest.New(t, "Staff CA").Person("Alice Archer", "alice@hospital.example")).get("/sso/start/card?rd=/x"); in.StatusCode != http.StatusBadRequest {
		t.Errorf("of another authority: %d", in.StatusCode)
	}
}
