package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
)

// stub answers at once, so that nothing but the proxy itself is measured.
type stub struct{}

func (stub) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: 2,
		Header: http.Header{"Content-Type": {"text/html"}, "Content-Length": {"2"}},
		Body:   io.NopCloser(strings.NewReader("ok")),
	}, nil
}

// sink is a ResponseWriter that keeps nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteHeader(int)             {}

func browserRequest(tb testing.TB) *http.Request {
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/ward/3", nil)
	for name, value := range map[string]string{
		"User-Agent": "Mozilla/5.0", "Accept": "text/html", "Accept-Language": "en", "Accept-Encoding": "gzip", "Cookie": "a=1; b=2",
		"Referer": "https://app.test/", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin",
		"Upgrade-Insecure-Requests": "1", "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https", "Cache-Control": "no-cache",
	} {
		r.Header.Set(name, value)
	}
	ctx, cancel := context.WithCancel(r.Context()) // a server's requests can be cancelled
	tb.Cleanup(cancel)
	return r.WithContext(ctx)
}

func bare(u *Upstream) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(u.cfg.URL)
			pr.SetXForwarded()
		},
		Transport:  stub{},
		BufferPool: newBuffers(),
	}
}

func stubbed(tb testing.TB) (*Upstream, *Trip) {
	u := open(tb, Config{Route: Route{URL: nowhere()}, Assertion: true, OwnCookie: ownCookie, StripCookies: func(http.Header) {}})
	u.routes[0].proxy.Transport = guarded{stub{}}
	trip := tripFor(u, alice())
	return u, &trip
}

func TestForwardAllocatesAtMostFiveMoreThanABareProxy(t *testing.T) {
	u, trip := stubbed(t)
	r, plain := browserRequest(t), bare(u)
	least := testing.AllocsPerRun(200, func() { plain.ServeHTTP(sink{http.Header{}}, r) })
	if got := testing.AllocsPerRun(200, func() { u.Forward(sink{http.Header{}}, r, trip) }); got > least+5 {
		t.Errorf("%v allocations, a bare proxy makes %v", got, least)
	}
}

func BenchmarkBare(b *testing.B) {
	u, _ := stubbed(b)
	r, plain := browserRequest(b), bare(u)
	b.ReportAllocs()
	for b.Loop() {
		plain.ServeHTTP(sink{http.Header{}}, r)
	}
}

func BenchmarkForward(b *testing.B) {
	u, trip := stubbed(b)
	r := browserRequest(b)
	b.ReportAllocs()
	for b.Loop() {
		u.Forward(sink{http.Header{}}, r, trip)
	}
}

func TestRetryAllocatesNothingUntilAnAnswerIsRefused(t *testing.T) {
	count := func(retry Retry) float64 {
		at := nowhere()
		u := open(t, Config{Route: Route{URL: at, Also: []string{"other.invalid"}, Retry: retry}, Assertion: true})
		for _, a := range u.routes[0].pool.addresses {
			a.via = guarded{stub{}}
		}
		trip, r := tripFor(u, alice()), browserRequest(t)
		return testing.AllocsPerRun(200, func() { u.Forward(sink{http.Header{}}, r, &trip) })
	}
	if without, with := count(Retry{}), count(twice); with > without {
		t.Errorf("%v allocations, without retry %v", with, without)
	}
}

func TestOwnLoginAllocatesNoMoreThanOneForAll(t *testing.T) {
	count := func(route Route) float64 {
		route.URL = nowhere()
		u := open(t, Config{Route: route})
		u.routes[0].proxy.Transport = guarded{stub{}}
		trip, r := tripWith(t, u, alice(), &BasicUser{"AARCHER", "secret"}), browserRequest(t)
		return testing.AllocsPerRun(200, func() { u.Forward(sink{http.Header{}}, r, &trip) })
	}
	if all, own := count(Route{Basic: &BasicUser{"foregate", "secret"}}), count(Route{PerUser: true}); own > all {
		t.Errorf("%v allocations, with one for all %v", own, all)
	}
}
