package upstream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const get = "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"

func ownCookie(name string) bool { return strings.TrimPrefix(name, "__Host-") == "foregate" }

func TestHD5ApplicationsCannotSetOurCookies(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+
		"Set-Cookie: foregate=evil; Path=/\r\nset-cookie: __Host-foregate=evil; Secure\r\nSet-Cookie: =foregate=evil\r\n"+
		"Set-Cookie: \t foregate =evil\r\nSet-Cookie: foregate\r\nSet-Cookie: app=1; Path=/; HttpOnly\r\nSet-Cookie: foregate2=x=foregate\r\n\r\n"))
	u := open(t, Config{Route: Route{URL: a.url}, OwnCookie: ownCookie})
	trip := Trip{Response: http.Header{"Set-Cookie": {"foregate=renewed"}, "X-Frame-Options": {"DENY"}}}
	res, _, _ := send(t, front(t, u, trip), get)
	want := []string{"app=1; Path=/; HttpOnly", "foregate2=x=foregate", "foregate=renewed"}
	if diff := cmp.Diff(want, res.Header["Set-Cookie"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := res.Header.Get("X-Frame-Options"); got != "DENY" {
		t.Errorf("got %q", got)
	}
}

func TestHD6HopByHopHeadersOfResponsesStayHere(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Upgrade: h2c\r\nAlt-Svc: h3=\":443\"\r\nProxy-Authenticate: Basic\r\nX-Stays: 1\r\n\r\n"))
	res, _, _ := send(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}), get)
	for _, name := range []string{"X-Hop", "Keep-Alive", "Upgrade", "Connection", "Alt-Svc", "Proxy-Authenticate"} {
		if got := res.Header.Values(name); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	if res.Header.Get("X-Stays") != "1" {
		t.Error("an end-to-end header is gone")
	}
}

func TestHD6MalformedResponsesAre502(t *testing.T) {
	for name, response := range map[string]string{
		"no HTTP":           "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"status 000":        "HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n",
		"status 099":        "HTTP/1.1 099 Little\r\nContent-Length: 0\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"negative length":   "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"huge header":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxResponseHeader) + "\r\n\r\n",
		"switched unasked":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"switched to none":  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"1xx flood":         strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 99) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"large 1xx":         "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", maxInterimBytes) + "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"endless 100":       strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 99) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"nothing, hangs up": "",
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
				a.next(in)
				io.WriteString(c, response)
			})
			if got := finalStatus(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}), get); got != http.StatusBadGateway {
				t.Errorf("got %d", got)
			}
		})
	}
}

// finalStatus reads over 1xx responses.
func finalStatus(t *testing.T, addr, raw string) int {
	t.Helper()
	c, in := dial(t, addr)
	io.WriteString(c, raw)
	for {
		head, ok := readHead(in)
		var status int
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status); err != nil || !ok {
			t.Fatalf("got %q", head)
		}
		if status >= 200 {
			return status
		}
	}
}

func TestHD6LengthAndChunkedTogetherReachTheClientAsOne(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
	io.WriteString(c, get)
	if head, _ := readHead(in); len(values(head, "Content-Length"))+len(values(head, "Transfer-Encoding")) != 1 {
		t.Errorf("got %q", head)
	}
}

func TestEarlyHintsPassAndTheFinalHeadersStayWhole(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nSet-Cookie: a=1\r\nKeep-Alive: 1\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	trip := Trip{CloseAfter: true, Response: http.Header{"Set-Cookie": {"foregate=renewed"}}}
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), trip))
	io.WriteString(c, get)
	if got, want := first(readHead(in)), "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	final, err := io.ReadAll(in) // ends, since the connection is closed
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", "\r\nConnection: close\r\n", "\r\nSet-Cookie: foregate=renewed\r\n", "\r\n\r\nok"} {
		if !strings.Contains(string(final), want) {
			t.Errorf("no %q in %q", want, final)
		}
	}
}

func first(s string, _ bool) string { return s }

func TestHTTP10ClientsGetNoInterimResponse(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	res, body, _ := send(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}), "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	if res.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
}

func TestCloseAfterEndsTheConnectionAlsoAfterAnError(t *testing.T) {
	for name, target := range map[string]func() Config{
		"answer": func() Config { return Config{Route: Route{URL: startApp(t, answerOK()).url}} },
		"error":  func() Config { return Config{Route: Route{URL: nowhere()}} },
	} {
		t.Run(name, func(t *testing.T) {
			c, in := dial(t, front(t, open(t, target()), Trip{CloseAfter: true}))
			io.WriteString(c, get+get)
			all, err := io.ReadAll(in)
			if err != nil || strings.Count(string(all), "HTTP/1.1 ") != 1 || !strings.Contains(string(all), "Connection: close") {
				t.Errorf("got %q, %v", all, err)
			}
		})
	}
}

func TestResponseTrailersPassButNoCookieInThem(t *testing.T) {
	for _, announced := range []string{"", "Trailer: X-Sum, Set-Cookie\r\n"} {
		a := startApp(t, answerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: foregate=evil\r\n\r\n"))
		res, body, err := send(t, front(t, open(t, Config{Route: Route{URL: a.url}, OwnCookie: ownCookie}), Trip{}), get)
		if err != nil || body != "ok" {
			t.Errorf("got %q, %v", body, err)
		}
		if diff := cmp.Diff(http.Header{"X-Sum": {"7"}}, res.Trailer); diff != "" {
			t.Errorf("%q (-want +got):\n%s", announced, diff)
		}
	}
}

func TestHT2ConnectionWithExtraBytesIsNotUsedAgain(t *testing.T) {
	gone := make(chan struct{}, 8)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := a.next(in); !ok {
				gone <- struct{}{}
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
	})
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	for range 3 {
		if _, body, _ := send(t, addr, get); body != "ok" {
			t.Errorf("got %q", body)
		}
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatal("the connection was kept")
		}
	}
	if n := a.conns.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestHT1ExtraBytesNeverAnswerAnotherClient(t *testing.T) {
	serve := func(c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := readHead(in); !ok {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
	}
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	for scheme, each := range map[string]int{"http": 60, "https": 5} { // every https request is a handshake
		t.Run(scheme, func(t *testing.T) {
			a := startApp(t, func(_ *app, c net.Conn, in *bufio.Reader) {
				if scheme == "https" {
					secure := tls.Server(c, &tls.Config{Certificates: certificate.TLS.Certificates})
					c, in = secure, bufio.NewReader(secure)
				}
				serve(c, in)
			})
			target := url.URL{Scheme: scheme, Host: a.url.Host}
			pool := x509.NewCertPool()
			pool.AddCert(certificate.Certificate())
			addr := front(t, open(t, Config{Route: Route{URL: &target, CA: pool}}), Trip{})
			var clients sync.WaitGroup
			for range 32 {
				c, in := dial(t, addr)
				clients.Go(func() {
					for range each {
						io.WriteString(c, get)
						res, err := http.ReadResponse(in, nil)
						if err != nil {
							t.Error(err)
							return
						}
						if body, err := io.ReadAll(res.Body); string(body) != "ok" {
							t.Errorf("got %q, %v", body, err)
						}
					}
				})
			}
			clients.Wait()
		})
	}
}

func TestHT2EarlyResponseEndsTheConnection(t *testing.T) {
	gone := make(chan struct{}, 1)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		if _, ok := a.next(in); ok {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
			io.Copy(io.Discard, in)
			gone <- struct{}{}
		}
	})
	c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	a.head(t)
	if head, _ := readHead(in); !strings.HasPrefix(head, "HTTP/1.1 413 ") {
		t.Errorf("got %q", head)
	}
	c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the connection was kept")
	}
	if n := len(a.heads); n != 0 {
		t.Errorf("the application saw %d further requests", n)
	}
}

func TestContentTypeIsNeverGuessed(t *testing.T) {
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n0\r\n\r\n",
	} {
		a := startApp(t, answerWith(response))
		res, _, _ := send(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}), get)
		if got, ok := res.Header["Content-Type"]; ok {
			t.Errorf("%q: the client is told %q", response, got)
		}
	}
}
