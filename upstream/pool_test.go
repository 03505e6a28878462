package upstream

import (
	"bufio"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// dead is an address that nobody listens at.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func saying(name string) func(*app, net.Conn, *bufio.Reader) {
	return answerWith("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name)
}

func several(t *testing.T, first string, also ...string) (*Upstream, string) {
	t.Helper()
	at := nowhere()
	at.Host = first
	u := open(t, Config{Route: Route{URL: at, Also: also}})
	return u, front(t, u, tripFor(u, nil))
}

const plainGet = "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"

func TestRequestsGoToEachAddressInTurn(t *testing.T) {
	a, b := startApp(t, saying("a")), startApp(t, saying("b"))
	_, addr := several(t, a.url.Host, b.url.Host)
	count := map[string]int{}
	for range 10 {
		_, body, _ := send(t, addr, plainGet)
		count[body]++
	}
	if count["a"] != 5 || count["b"] != 5 {
		t.Errorf("got %v, want five each", count)
	}
}

func TestWhatCouldNotBeConnectedGoesToAnotherAddress(t *testing.T) {
	for _, raw := range []string{
		plainGet,
		"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		bodies := make(chan string, 8)
		b := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				body, _ := io.ReadAll(r.Body)
				bodies <- string(body)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb")
			}
		})
		u, addr := several(t, dead(t), b.url.Host)
		for range 4 {
			res, body, _ := send(t, addr, raw)
			if res.StatusCode != http.StatusOK || body != "b" {
				t.Fatalf("got %d %q for %q", res.StatusCode, body, raw)
			}
			if got := <-bodies; strings.HasPrefix(raw, "POST") && got != "hello" {
				t.Errorf("the application got the body %q", got)
			}
		}
		out := u.routes[0].pool.addresses[0]
		if out.until.Load() == 0 || out.fails.Load() == 0 {
			t.Errorf("the dead address is in: until %d, %d failures", out.until.Load(), out.fails.Load())
		}
		if got := u.Addresses(); len(got) != 2 || got[0].In || !got[1].In || got[1].Host != b.url.Host {
			t.Errorf("addresses %+v", got)
		}
	}
}

func TestFailedTLSGoesToAnotherAddress(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		bodies := make(chan string, 8)
		good := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies <- r.Proto + " " + string(body)
		}))
		good.EnableHTTP2 = http2
		good.StartTLS()
		t.Cleanup(good.Close)
		bad := startApp(t, func(_ *app, _ net.Conn, in *bufio.Reader) { in.ReadByte() }) // hangs up in the handshake
		ca := x509.NewCertPool()
		ca.AddCert(good.Certificate())
		u := open(t, Config{Route: Route{
			URL: &url.URL{Scheme: "https", Host: bad.url.Host}, Also: []string{good.Listener.Addr().String()}, CA: ca,
		}})
		addr := front(t, u, tripFor(u, nil))
		want := "HTTP/1.1 hello"
		if http2 {
			want = "HTTP/2.0 hello"
		}
		for range 3 {
			res, _, _ := send(t, addr, "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
			if res.StatusCode != http.StatusOK {
				t.Fatalf("got %d, want 200", res.StatusCode)
			}
			if got := <-bodies; got != want {
				t.Errorf("the application got %q, want %q", got, want)
			}
		}
		if bad.conns.Load() == 0 {
			t.Error("the address that hangs up was never tried")
		}
	}
}

func TestWhatMayHaveBegunIsNotSentToAnotherAddress(t *testing.T) {
	hangUp := func(a *app, c net.Conn, in *bufio.Reader) { a.next(in) }
	a, b := startApp(t, hangUp), startApp(t, hangUp)
	_, addr := several(t, a.url.Host, b.url.Host)
	res, _, _ := send(t, addr, "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if res.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d, want 502", res.StatusCode)
	}
	if n := a.conns.Load() + b.conns.Load(); n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
}

func TestAllAddressesOutIsToldAtOnce(t *testing.T) {
	at := nowhere()
	at.Host = dead(t)
	var last error
	u := open(t, Config{Route: Route{URL: at, Also: []string{dead(t)}}, OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		last = err
		plainError(w, nil, err)
	}})
	addr := front(t, u, tripFor(u, nil))
	for range 3 {
		if res, _, _ := send(t, addr, plainGet); res.StatusCode != http.StatusBadGateway {
			t.Fatalf("got %d, want 502", res.StatusCode)
		}
		if after := describe(last).RetryAfter; after < time.Second || after > 4*time.Second {
			t.Errorf("got Retry-After %v", after)
		}
	}
	for _, a := range u.routes[0].pool.addresses {
		if a.fails.Load() == 0 {
			t.Error("no failure is counted")
		}
		if got := a.active.Load(); got != 0 {
			t.Errorf("%d requests are under way", got)
		}
	}
}

func TestOneRequestTriesAnAddressThatWasOut(t *testing.T) {
	a, b := startApp(t, saying("a")), startApp(t, saying("b"))
	u, addr := several(t, a.url.Host, b.url.Host)
	first := u.routes[0].pool.addresses[0]
	first.fails.Store(3)
	first.until.Store(time.Now().Add(time.Hour).UnixNano())
	for range 4 {
		if _, body, _ := send(t, addr, plainGet); body != "b" {
			t.Fatalf("got %q from an address that is out", body)
		}
	}
	now := time.Now()
	first.until.Store(now.Add(-time.Second).UnixNano())
	if !first.trial(now) || first.trial(now) {
		t.Error("not exactly one may try")
	}
	first.until.Store(now.Add(-time.Second).UnixNano())
	for range 2 {
		send(t, addr, plainGet)
	}
	if first.until.Load() != 0 || first.fails.Load() != 0 {
		t.Error("the address answers and is still out")
	}
}

func TestPauseGrows(t *testing.T) {
	for fails, want := range map[int32]time.Duration{0: 1, 1: 1, 2: 2, 3: 4, 6: 32, 7: 60, 1000: 60} {
		if got := pause(fails); got != want*time.Second {
			t.Errorf("after %d failures %v, want %v s", fails, got, int(want))
		}
	}
}

func TestFewestRequestsUnderWay(t *testing.T) {
	p := &pool{least: true, addresses: []*address{{index: 0}, {index: 1}, {index: 2}}}
	p.addresses[0].active.Store(2)
	p.addresses[2].active.Store(1)
	for range 3 {
		if a, _ := p.pick(0, new(Trip)); a.index != 1 {
			t.Errorf("got address %d, want the idle one", a.index)
		}
	}
	if a, _ := p.pick(1<<1, new(Trip)); a.index != 2 {
		t.Errorf("got address %d behind the one that was tried", a.index)
	}
}

func TestInnerNamesOfAllAddresses(t *testing.T) {
	b := startApp(t, answerWith("HTTP/1.1 302 Found\r\nLocation: http://second.internal:9000/next\r\nContent-Length: 0\r\n\r\n"))
	u, addr := several(t, b.url.Host, "second.internal:9000")
	u.routes[0].pool.addresses[1].until.Store(time.Now().Add(time.Hour).UnixNano()) // it is never looked up
	if res, _, _ := send(t, addr, plainGet); res.Header.Get("Location") != "https://app.test/next" {
		t.Errorf("got %q", res.Header.Get("Location"))
	}
}

func TestAddressesAreChecked(t *testing.T) {
	at := nowhere()
	for _, also := range [][]string{{at.Host}, {""}, {"b", "b"}, strings.Split("1 2 3 4 5 6 7 8 9 a b c d e f g", " ")} {
		if _, err := New(Config{Name: "careplan", Route: Route{URL: at, Also: also}}, nil); err == nil {
			t.Errorf("%q was taken", also)
		}
	}
}
