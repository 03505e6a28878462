package upstream

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func TestFM9ApplicationThatIsDownIs502AtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: l.Addr().String()}
	l.Close()
	began := time.Now()
	res, body, _ := send(t, front(t, open(t, Config{Route: Route{URL: target}}), Trip{}), get)
	if res.StatusCode != http.StatusBadGateway || time.Since(began) > time.Second {
		t.Errorf("got %d after %v", res.StatusCode, time.Since(began))
	}
	if strings.Contains(body, "127.0.0.1") {
		t.Errorf("the page says where the application is: %q", body)
	}
}

func TestFM9SlowHeaderIs504(t *testing.T) {
	a := startApp(t, func(a *app, _ net.Conn, in *bufio.Reader) {
		a.next(in)
		a.next(in) // until the connection ends
	})
	u := open(t, Config{Route: Route{URL: a.url, Timeouts: Timeouts{ResponseHeader: 50 * time.Millisecond}}})
	if res, _, _ := send(t, front(t, u, Trip{}), get); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestFM9BodyThatBreaksOffIsNeverACleanResponse(t *testing.T) {
	for name, response := range map[string]string{
		"short of its length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
		"without last chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
		"chunk cut":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart",
		"bad chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
				a.next(in)
				io.WriteString(c, response)
				c.(*net.TCPConn).CloseWrite()
				a.next(in)
			})
			c, in := dial(t, front(t, open(t, Config{Route: Route{URL: a.url}}), Trip{}))
			io.WriteString(c, get)
			res, err := http.ReadResponse(in, nil)
			if err == nil {
				_, err = io.ReadAll(res.Body)
			}
			if err == nil {
				t.Error("the response looks whole")
			}
		})
	}
}

func TestFM9ClientThatLeavesEndsTheApplicationsWork(t *testing.T) {
	gone := make(chan struct{})
	a := startApp(t, func(a *app, _ net.Conn, in *bufio.Reader) {
		a.next(in)
		a.next(in)
		close(gone)
	})
	u := open(t, Config{Route: Route{URL: a.url}, OnError: func(http.ResponseWriter, *http.Request, error) { t.Error("a page for nobody") }})
	c, _ := dial(t, front(t, u, Trip{}))
	io.WriteString(c, get)
	a.head(t)
	c.Close()
	select {
	case <-gone:
	case <-time.After(time.Second):
		t.Error("the application works on")
	}
}

func TestCancelledRequestIsNotAnEmptySuccess(t *testing.T) {
	a := startApp(t, func(a *app, _ net.Conn, in *bufio.Reader) {
		a.next(in)
		a.next(in)
	})
	u := open(t, Config{Route: Route{URL: a.url}})
	end := make(chan context.CancelFunc, 1)
	addr := frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		end <- cancel
		u.Forward(w, r.WithContext(ctx), &Trip{})
	})
	c, in := dial(t, addr)
	io.WriteString(c, get)
	a.head(t)
	(<-end)()
	if all, _ := io.ReadAll(in); len(all) > 0 {
		t.Errorf("got %q", all)
	}
}

func TestFaultsOfTheClientsBodyAreNotTheApplications(t *testing.T) {
	a := startApp(t, func(a *app, _ net.Conn, in *bufio.Reader) {
		a.next(in)
		io.Copy(io.Discard, in)
	})
	u := open(t, Config{Route: Route{URL: a.url}})
	addr := frontFunc(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10)
		u.Forward(w, r, &Trip{})
	})
	for body, want := range map[string]int{
		"zz\r\n":                         http.StatusBadRequest,
		"14\r\n12345678901234567890\r\n": http.StatusRequestEntityTooLarge,
	} {
		res, _, _ := send(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		if res.StatusCode != want {
			t.Errorf("%q: got %d, want %d", body, res.StatusCode, want)
		}
	}
}

func TestFM18CertificateNobodyVouchesForIs502(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if res, body, _ := send(t, front(t, open(t, Config{Route: Route{URL: target, CA: pool}}), Trip{}), get); res.StatusCode != http.StatusOK || body != "HTTP/2.0" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	if res, _, _ := send(t, front(t, open(t, Config{Route: Route{URL: target, CA: x509.NewCertPool()}}), Trip{}), get); res.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestStatusOfAnError(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusBadGateway:            errors.New("connection refused"),
		http.StatusGatewayTimeout:        fmt.Errorf("dial: %w", os.ErrDeadlineExceeded),
		http.StatusRequestTimeout:        &bodyError{os.ErrDeadlineExceeded},
		http.StatusBadRequest:            &bodyError{io.ErrUnexpectedEOF},
		http.StatusRequestEntityTooLarge: &bodyError{&http.MaxBytesError{Limit: 1}},
		http.StatusForbidden:             authn.Refused("no", nil),
	} {
		if got := StatusOf(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
	if got := StatusOf(&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}); got != http.StatusBadGateway {
		t.Errorf("nobody to connect to: got %d", got)
	}
	if got := StatusOf(&authn.Error{Public: "no"}); got != http.StatusBadRequest {
		t.Errorf("got %d", got)
	}
}

func TestResponseThatBreaksOffIsLogged(t *testing.T) {
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		a.next(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
	})
	lines := make(chan string, 8)
	u := open(t, Config{Route: Route{URL: a.url}, Log: slog.New(slog.NewTextHandler(writer(lines), nil))})
	c, _ := dial(t, front(t, u, Trip{}))
	io.WriteString(c, get)
	select {
	case line := <-lines:
		if !strings.Contains(line, "app=careplan") || !strings.Contains(line, "unexpected EOF") {
			t.Errorf("got %q", line)
		}
	case <-time.After(patience):
		t.Error("nothing was logged")
	}
}

type writer chan string

func (w writer) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
