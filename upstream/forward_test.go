package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func requestLine(head string) string {
	line, _, _ := strings.Cut(head, "\r\n")
	return line
}

func TestPathGoesOutByteForByteBehindTheBasePath(t *testing.T) {
	a := startApp(t, answerOK())
	for _, base := range []string{"", "/", "/base", "/base/"} {
		target := *a.url
		target.Path = base
		addr := front(t, open(t, Config{Route: Route{URL: &target}}), Trip{})
		for _, path := range []string{"/", "/a%2Fb//c/d;jsessionid=1", "//x", "/%61", "/a%20b", "/a+b", "/%C3%BC", "/x?", "/x?a=b&c=%20"} {
			send(t, addr, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			want := "GET " + strings.TrimSuffix(base, "/") + path + " HTTP/1.1"
			if got := requestLine(a.head(t)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

func TestB7OddQueriesAreDroppedUnlessAskedFor(t *testing.T) {
	a := startApp(t, answerOK())
	for raw, want := range map[bool]string{false: "/?y=2", true: "/?x=1;role=admin&%uFFFF&z=%zz&y=2"} {
		addr := front(t, open(t, Config{Route: Route{URL: a.url}, RawQuery: raw}), Trip{})
		send(t, addr, "GET /?x=1;role=admin&%uFFFF&z=%zz&y=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if got := requestLine(a.head(t)); got != "GET "+want+" HTTP/1.1" {
			t.Errorf("raw_query %v: got %q", raw, got)
		}
	}
}

func TestB6ConnectAndTraceNeverLeave(t *testing.T) {
	a := startApp(t, answerOK())
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	for _, line := range []string{"CONNECT evil.test:443", "CONNECT /", "TRACE /"} {
		res, _, _ := send(t, addr, line+" HTTP/1.1\r\nHost: evil.test:443\r\nConnection: close\r\n\r\n")
		if res.StatusCode < 400 {
			t.Errorf("%s: got %d", line, res.StatusCode)
		}
	}
	if n := a.conns.Load(); n != 0 {
		t.Errorf("%d connections to the application", n)
	}
}

func TestB9NothingIsAddedToARequest(t *testing.T) {
	a := startApp(t, answerOK())
	addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
	send(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got, want := a.head(t), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHD5OurCookiesStayHereAndOthersPassUnchanged(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}, StripCookies: func(h http.Header) {
		for i, line := range h["Cookie"] {
			h["Cookie"][i] = strings.Replace(line, "foregate=secret; ", "", 1)
		}
	}})
	send(t, front(t, u, Trip{}), "GET / HTTP/1.1\r\nHost: a\r\nCookie: foregate=secret; a=\"1 2\";b=%; =x\r\nConnection: close\r\n\r\n")
	if got, want := strings.Join(values(a.head(t), "Cookie"), "|"), `a="1 2";b=%; =x`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheRequestOfTheProxyIsLeftAsItWas(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}})
	left := make(chan []string, 1)
	addr := frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		trip := tripFor(u, alice())
		u.Forward(w, r, &trip)
		left <- append(r.Header["X-Forwarded-User"], r.Host, r.URL.Host)
	})
	send(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-User: evil\r\nConnection: close\r\n\r\n")
	if got := strings.Join(<-left, "|"); got != "evil|a|" {
		t.Errorf("got %q", got)
	}
}

// A connection that the application has closed meanwhile: what it never saw is
// sent again if that is safe, and a form is not.
func TestOnlySafeRequestsAreSentAgain(t *testing.T) {
	for _, c := range []struct {
		first, request string
		want           int
		heads          int
	}{
		{"GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", http.StatusOK, 3},
		{"OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", http.StatusOK, 3},
		{"OPTIONS", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", http.StatusBadGateway, 2},
		{"OPTIONS", "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", http.StatusBadGateway, 2},
	} {
		a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
			if a.next(in); a.conns.Load() == 1 {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				a.next(in) // and hangs up on the second request
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		addr := front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{})
		send(t, addr, c.first+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, _, _ := send(t, addr, c.request)
		if res.StatusCode != c.want || len(a.heads) != c.heads {
			t.Errorf("%q: got %d after %d requests, want %d after %d", c.request, res.StatusCode, len(a.heads), c.want, c.heads)
		}
	}
}
