package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ward is one address of an application: it counts what it is asked.
type ward struct {
	*httptest.Server
	asked atomic.Int32
}

func startWard(t *testing.T, answer http.HandlerFunc) *ward {
	t.Helper()
	w := new(ward)
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		answer(rw, r)
	}))
	w.Config.Protocols = new(http.Protocols)
	w.Config.Protocols.SetHTTP1(true)
	w.Config.Protocols.SetUnencryptedHTTP2(true)
	w.Start()
	t.Cleanup(w.Close)
	return w
}

func (w *ward) host() string { return w.Listener.Addr().String() }

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

var twice = Retry{Statuses: []int{502, 503, 504}, Times: 1}

// retrying is an upstream at addresses, each asked first in turn, and where it is served;
// trips gets what became of each request.
func retrying(t *testing.T, r Route, hosts ...string) (u *Upstream, addr string, trips chan Trip) {
	t.Helper()
	r.URL, r.Also = &url.URL{Scheme: "http", Host: hosts[0]}, hosts[1:]
	u = open(t, Config{Route: r})
	trips = make(chan Trip, 1024)
	return u, frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		trip := tripFor(u, nil)
		defer func() { trips <- trip }()
		u.Forward(w, r, &trip)
	}), trips
}

// startAt makes the next request of u go to its address i first.
func startAt(u *Upstream, i int) {
	p := u.routes[0].pool
	p.next.Store(uint32(i + len(p.addresses) - 1))
}

func ask(t *testing.T, method, addr string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestRefusedRequestIsPutToAnotherAddress(t *testing.T) {
	for _, h2c := range []bool{false, true} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			a, b := startWard(t, status(503, "no")), startWard(t, status(200, "yes"))
			u, addr, trips := retrying(t, Route{Retry: twice, H2C: h2c}, a.host(), b.host())
			startAt(u, 0)
			want := "yes"
			if method == http.MethodHead {
				want = ""
			}
			if code, body := ask(t, method, addr); code != 200 || body != want {
				t.Errorf("%s, h2c %t: got %d %q", method, h2c, code, body)
			}
			trip := <-trips
			if n, how := trip.Retries(); n != 1 || how != RetryAnswered {
				t.Errorf("%s, h2c %t: told of %d retries, %q", method, h2c, n, how)
			}
			if a.asked.Load() != 1 || b.asked.Load() != 1 {
				t.Errorf("%s, h2c %t: asked %d and %d times", method, h2c, a.asked.Load(), b.asked.Load())
			}
			for _, at := range u.routes[0].pool.addresses {
				if n := at.active.Load(); n != 0 || at.until.Load() != 0 {
					t.Errorf("%s, h2c %t: %d requests are under way at %s, out until %d", method, h2c, n, at.host, at.until.Load())
				}
			}
		}
	}
}

func TestWhatMayDoSomethingIsAskedOnce(t *testing.T) {
	const head = "HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n"
	const upgrade = "HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, raw := range []string{
		"POST / " + head + "Content-Length: 0\r\n\r\n",
		"POST / " + head + "Idempotency-Key: 7\r\nContent-Length: 0\r\n\r\n",
		"POST / " + head + "Content-Length: 5\r\n\r\nhello",
		"PUT / " + head + "Content-Length: 5\r\n\r\nhello",
		"DELETE / " + head + "\r\n",
		"GET / " + head + "Content-Length: 5\r\n\r\nhello",
		"GET / " + head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"OPTIONS / " + head + "Content-Length: 5\r\n\r\nhello",
		"GET / " + upgrade + "\r\n",
	} {
		var bodies atomic.Int32
		refuse := func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies.Add(int32(len(body)))
			w.WriteHeader(503)
		}
		a, b := startWard(t, refuse), startWard(t, refuse)
		u, addr, trips := retrying(t, Route{Retry: twice}, a.host(), b.host())
		startAt(u, 0)
		if res, _, _ := send(t, addr, raw); res.StatusCode != 503 {
			t.Errorf("got %d for %q", res.StatusCode, raw)
		}
		trip := <-trips
		if n, how := trip.Retries(); n != 0 || how != "" {
			t.Errorf("told of %d retries, %q, for %q", n, how, raw)
		}
		if n := a.asked.Load() + b.asked.Load(); n != 1 || bodies.Load() > 5 {
			t.Errorf("asked %d times, with %d bytes, for %q", n, bodies.Load(), raw)
		}
	}
}

func TestAnswerThatMustStandStands(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"another status": status(500, "a"),
		"Retry-After": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			status(503, "a")(w, nil)
		},
		"after a 1xx": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			status(503, "a")(w, nil)
		},
	} {
		a, b := startWard(t, answer), startWard(t, status(200, "b"))
		u, addr, _ := retrying(t, Route{Retry: twice}, a.host(), b.host())
		startAt(u, 0)
		if code, body := ask(t, http.MethodGet, addr); code < 500 || body != "a" || b.asked.Load() != 0 {
			t.Errorf("%s: got %d %q, and the other was asked %d times", name, code, body, b.asked.Load())
		}
	}
}

func TestNobodyIsAskedWhereThereIsNobodyElse(t *testing.T) {
	a, b := startWard(t, status(503, "a")), startWard(t, status(200, "b"))
	u, addr, trips := retrying(t, Route{Retry: twice}, a.host(), b.host())
	u.routes[0].pool.addresses[1].until.Store(forever) // as a health check does
	for range 3 {
		if code, body := ask(t, http.MethodGet, addr); code != 503 || body != "a" {
			t.Errorf("got %d %q", code, body)
		}
		trip := <-trips
		if n, how := trip.Retries(); n != 0 || how != "" {
			t.Errorf("told of %d retries, %q", n, how)
		}
	}
	if a.asked.Load() != 3 || b.asked.Load() != 0 {
		t.Errorf("asked %d and %d times", a.asked.Load(), b.asked.Load())
	}
}

func TestLastAnswerIsHandedOnAsItCame(t *testing.T) {
	whole := strings.Repeat("no bed ", 20_000)
	refuse := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-From", name)
			w.Header().Set("Trailer", "X-Sum")
			status(503, whole)(w, nil)
			w.Header().Set("X-Sum", name)
		}
	}
	for _, h2c := range []bool{false, true} {
		a, b := startWard(t, refuse("a")), startWard(t, refuse("b"))
		for last, hosts := range map[string][]string{
			"b": {a.host(), b.host()},
			"a": {a.host(), dead(t)}, // the answer at hand, since no better one came
		} {
			u, addr, trips := retrying(t, Route{Retry: twice, H2C: h2c}, hosts...)
			startAt(u, 0)
			res, err := http.Get("http://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(body) != whole || res.StatusCode != 503 || res.Header.Get("X-From") != last || res.Trailer.Get("X-Sum") != last {
				t.Errorf("h2c %t: got %d from %q, %d bytes, trailer %v, %v, want %q", h2c, res.StatusCode, res.Header.Get("X-From"), len(body), res.Trailer, err, last)
			}
			trip := <-trips
			if n, how := trip.Retries(); n != 1 || how != RetryRefused {
				t.Errorf("h2c %t: told of %d retries, %q", h2c, n, how)
			}
			for _, at := range u.routes[0].pool.addresses {
				if n := at.active.Load(); n != 0 {
					t.Errorf("h2c %t: %d requests are under way at %s", h2c, n, at.host)
				}
			}
		}
	}
}

func TestAsManyTimesAsConfigured(t *testing.T) {
	for times, want := range map[int]int{1: 503, 2: 200, 3: 200} {
		a, b, c := startWard(t, status(503, "")), startWard(t, status(503, "")), startWard(t, status(200, ""))
		u, addr, trips := retrying(t, Route{Retry: Retry{Statuses: []int{503}, Times: times}}, a.host(), b.host(), c.host())
		startAt(u, 0)
		if code, _ := ask(t, http.MethodGet, addr); code != want {
			t.Errorf("with %d times got %d, want %d", times, code, want)
		}
		trip := <-trips
		if n, _ := trip.Retries(); n != min(times, 2) {
			t.Errorf("with %d times told of %d", times, n)
		}
	}
}

func TestRefusedBodyIsNotRead(t *testing.T) {
	const size = 1 << 30
	for _, h2c := range []bool{false, true} {
		sent := make(chan int, 1)
		a := startWard(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.WriteHeader(503)
			piece, n := make([]byte, 1<<20), 0
			for n < size {
				m, err := w.Write(piece)
				if n += m; err != nil {
					break
				}
			}
			sent <- n
		})
		b := startWard(t, func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush() // from now on the refusal is not needed
			select {
			case n := <-sent:
				_, _ = fmt.Fprint(w, n < size/10)
			case <-time.After(patience):
				_, _ = fmt.Fprint(w, "the application is still sending")
			}
		})
		u, addr, _ := retrying(t, Route{Retry: twice, H2C: h2c}, a.host(), b.host())
		startAt(u, 0)
		if code, body := ask(t, http.MethodGet, addr); code != 200 || body != "true" {
			t.Errorf("h2c %t: got %d %q", h2c, code, body)
		}
	}
}

func TestOutageIsNotDoubled(t *testing.T) {
	a, b := startWard(t, status(503, "")), startWard(t, status(503, ""))
	u, addr, trips := retrying(t, Route{Retry: twice}, a.host(), b.host())
	const requests, at = 400, 8
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			for range requests / at {
				if code, _ := ask(t, http.MethodGet, addr); code != 503 {
					t.Errorf("got %d", code)
				}
			}
		})
	}
	began := time.Now()
	all.Wait()
	if spans := 1 + int32(time.Since(began)/budgetSpan); a.asked.Load()+b.asked.Load() > requests+requests/budgetShare+budgetSpare*spans {
		t.Errorf("%d requests became %d", requests, a.asked.Load()+b.asked.Load())
	}
	withheld := 0
	for range requests {
		trip := <-trips
		if n, how := trip.Retries(); how == RetryWithheld {
			withheld++
			if n != 0 {
				t.Errorf("%d retries, and it was withheld", n)
			}
		}
	}
	if withheld < requests/2 {
		t.Errorf("%d of %d were withheld", withheld, requests)
	}
	s := u.routes[0].pool.budget.current()
	s.began = s.began.Add(-budgetSpan)
	if !u.routes[0].pool.budget.take() {
		t.Error("the budget is not renewed")
	}
}

func TestAnswerAtHandWhereTheOtherTakesTooLong(t *testing.T) {
	for _, h2c := range []bool{false, true} {
		end := make(chan struct{})
		a := startWard(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(800 * time.Millisecond)
			status(503, "a")(w, nil)
		})
		b := startWard(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-end:
			}
		})
		t.Cleanup(func() { close(end) }) // before the servers are closed
		u, addr, _ := retrying(t, Route{Retry: twice, H2C: h2c, Timeouts: Timeouts{ResponseHeader: time.Second}}, a.host(), b.host())
		startAt(u, 0)
		began := time.Now()
		code, body := ask(t, http.MethodGet, addr)
		if took := time.Since(began); code != 503 || body != "a" || took < 900*time.Millisecond || took > 1600*time.Millisecond {
			t.Errorf("h2c %t: got %d %q after %v, want the answer at hand after a second", h2c, code, body, took)
		}
		if b.asked.Load() != 1 {
			t.Errorf("h2c %t: the other was asked %d times", h2c, b.asked.Load())
		}
	}
}

func TestClientThatLeavesEndsAllTries(t *testing.T) {
	asked, left := make(chan struct{}), make(chan struct{})
	a := startWard(t, status(503, strings.Repeat("a", 1<<20)))
	b := startWard(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(left)
	})
	u, addr, _ := retrying(t, Route{Retry: twice}, a.host(), b.host())
	startAt(u, 0)
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
	go func() { <-asked; cancel() }()
	if res, err := http.DefaultClient.Do(r); err == nil {
		res.Body.Close()
		t.Errorf("got %d", res.StatusCode)
	}
	select {
	case <-left:
	case <-time.After(patience):
		t.Fatal("the second address was not told")
	}
	for _, at := range u.routes[0].pool.addresses {
		if at.until.Load() != 0 {
			t.Errorf("%s is out", at.host)
		}
	}
}

func TestStreamBehindARefusalIsNotHeldBack(t *testing.T) {
	more := make(chan struct{})
	a := startWard(t, status(503, ""))
	b := startWard(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range []string{"data: 1\n\n", "data: 2\n\n"} {
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	})
	u, addr, _ := retrying(t, Route{Retry: twice, Timeouts: Timeouts{ResponseHeader: 500 * time.Millisecond}}, a.host(), b.host())
	startAt(u, 0)
	res, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	for _, want := range []string{"data: 1\n", "data: 2\n"} {
		line, err := in.ReadString('\n')
		if err != nil || line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
		_, _ = in.ReadString('\n')
		time.Sleep(600 * time.Millisecond) // an answer that has begun may take any time
		more <- struct{}{}
	}
}

func TestAddressThatHangsUpIsNotAskedAgain(t *testing.T) {
	a := startApp(t, func(a *app, _ net.Conn, in *bufio.Reader) { a.next(in) })
	b := startWard(t, status(200, "b"))
	u, addr, _ := retrying(t, Route{Retry: twice}, a.url.Host, b.host())
	startAt(u, 0)
	if res, _, _ := send(t, addr, plainGet); res.StatusCode != http.StatusBadGateway || b.asked.Load() != 0 {
		t.Errorf("got %d; nothing was answered, and the other was asked %d times", res.StatusCode, b.asked.Load())
	}
}

func TestRetryIsChecked(t *testing.T) {
	for _, r := range []Route{
		{Retry: twice},
		{Also: []string{"b:80"}, Retry: Retry{Times: 1}},
		{Also: []string{"b:80"}, Retry: Retry{Statuses: []int{503}}},
		{Also: []string{"b:80"}, Retry: Retry{Statuses: []int{503}, Times: 4}},
		{Also: []string{"b:80"}, Retry: Retry{Statuses: []int{404}, Times: 1}},
	} {
		r.URL = nowhere()
		if _, err := New(Config{Name: "careplan", Route: r}, nil); err == nil {
			t.Errorf("%+v, %q was taken", r.Retry, r.Also)
		}
	}
}
