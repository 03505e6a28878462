package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// carry hands an order to the load role as the stand does: as JSON.
func carry(t *testing.T, server *httptest.Server, o order) (outcome, error) {
	t.Helper()
	o.Addr = server.Listener.Addr().String()
	o.Host = o.Addr
	in, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := loadRole(t.Context(), bytes.NewReader(in), &out); err != nil {
		return outcome{}, err
	}
	var res outcome
	return res, json.Unmarshal(out.Bytes(), &res)
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func pageOrder() order {
	return order{Kind: "page", Path: "/page", Conns: 3, For: 100 * time.Millisecond, Status: 200, Size: pageSize}
}

func TestPagesCountsWhatTheServerAnswered(t *testing.T) {
	var answered atomic.Int64
	cookies := make([]atomic.Int64, 2)
	up := upstreamHandler()
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered.Add(1)
		for i, c := range []string{"a=1", "a=2"} {
			if r.Header.Get("Cookie") == c {
				cookies[i].Add(1)
			}
		}
		up.ServeHTTP(w, r)
	}))
	o := pageOrder()
	o.Cookies = []string{"a=1", "a=2"}
	res, err := carry(t, server, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Done == 0 || res.Done != answered.Load() || res.Reopened != 0 {
		t.Errorf("counted %d of %d requests, %d connections reopened", res.Done, answered.Load(), res.Reopened)
	}
	if res.P50 <= 0 || res.P99 < res.P50 || res.Rate <= 0 {
		t.Errorf("p50 %v, p99 %v, %v per second", res.P50, res.P99, res.Rate)
	}
	if a, b := cookies[0].Load(), cookies[1].Load(); a == 0 || b == 0 || a+b != res.Done {
		t.Errorf("cookies were sent %d and %d times in %d requests, want turns", a, b, res.Done)
	}
}

func TestPagesReopensWhatTheServerCloses(t *testing.T) {
	up := upstreamHandler()
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		up.ServeHTTP(w, r)
	}))
	res, err := carry(t, server, pageOrder())
	if err != nil || res.Done == 0 || res.Reopened != res.Done {
		t.Errorf("%d requests, %d connections reopened, %v", res.Done, res.Reopened, err)
	}
}

func TestPagesRefusesAnswersThatAreNotThePage(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "status 403, want 200"},
		"another page":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sign in here") }, "a body of 12 bytes"},
		"no length": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		}, "without a Content-Length"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1024")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "reading a"},
		"endless head": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 20<<10))
		}, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := carry(t, serve(t, c.answer), pageOrder())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestEventsAreCountedWithTheirDelay(t *testing.T) {
	server := serve(t, upstreamHandler())
	res, err := carry(t, server, order{Kind: "events", Path: "/events?every=5ms", Conns: 2, For: 300 * time.Millisecond, Status: 200})
	if err != nil {
		t.Fatal(err)
	}
	if res.Done < 2 || res.Done > 2*61 || res.P50 <= 0 {
		t.Errorf("%d events on two streams in 300 ms, one in 5 ms each; p50 %v", res.Done, res.P50)
	}
}

func TestEventsThatEndEarlyAreAnError(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: 1\n\n") }))
	_, err := carry(t, server, order{Kind: "events", Path: "/", Conns: 1, For: 5 * time.Second, Status: 200})
	if err == nil || !strings.Contains(err.Error(), "ended early") {
		t.Errorf("the error is %v", err)
	}
}

func TestTransfersCarryEveryByte(t *testing.T) {
	server := serve(t, upstreamHandler())
	for _, o := range []order{
		{Kind: "download", Path: "/bytes?n=3000000", Size: 3000000, Status: 200},
		{Kind: "upload", Path: "/sink", Size: 3000000, Status: 200},
	} {
		if res, err := carry(t, server, o); err != nil || res.Done != 1 {
			t.Errorf("%s: %+v, %v", o.Kind, res, err)
		}
	}
	_, err := carry(t, server, order{Kind: "download", Path: "/bytes?n=100", Size: 101, Status: 200})
	if err == nil {
		t.Error("a download that is too short is no error")
	}
	_, err = carry(t, server, order{Kind: "upload", Path: "/echo", Size: 100, Status: 200})
	if err == nil {
		t.Error("an upload that nobody counted is no error")
	}
}

func TestUnknownOrderIsRefused(t *testing.T) {
	if _, err := carry(t, serve(t, upstreamHandler()), order{Kind: "dance"}); err == nil {
		t.Error("no error")
	}
}
