package upstream

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sick is an application that can be told to answer badly when it is asked how it is.
type sick struct {
	*httptest.Server
	status atomic.Int32
	slow   atomic.Bool
	host   atomic.Pointer[string]
}

func newSick(t *testing.T, name string) *sick {
	t.Helper()
	s := new(sick)
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			_, _ = w.Write([]byte(name))
			return
		}
		s.host.Store(&r.Host)
		if s.slow.Load() {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestSickAddressesAreOutUntilTheyAreWell(t *testing.T) {
	a, b := newSick(t, "a"), newSick(t, "b")
	at, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	u := open(t, Config{Route: Route{URL: at, Also: []string{b.Listener.Addr().String()}, HostHeader: "inner.test",
		Health: Health{Path: "/healthz", Every: 20 * time.Millisecond, Timeout: 500 * time.Millisecond}}})
	addr := front(t, u, tripFor(u, nil))
	becomes := func(what string, want ...bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			got := u.Addresses()
			if got[0].In == want[0] && got[1].In == want[1] {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v", what, got)
			}
		}
	}
	answers := func(want string) {
		t.Helper()
		var got strings.Builder
		for range 4 {
			_, body, _ := send(t, addr, plainGet)
			got.WriteString(body)
		}
		if strings.Trim(got.String(), want) != "" {
			t.Errorf("answered by %s, want by %s", got.String(), want)
		}
	}
	becomes("at the start", true, true)
	a.status.Store(http.StatusServiceUnavailable)
	becomes("one is sick", false, true)
	answers("b")
	if host := *a.host.Load(); host != "inner.test" {
		t.Errorf("asked as %q", host)
	}
	b.slow.Store(true)
	becomes("both are", false, false)
	if res, _, _ := send(t, addr, plainGet); res.StatusCode != http.StatusBadGateway {
		t.Errorf("both are sick: %d", res.StatusCode)
	}
	a.status.Store(http.StatusNoContent)
	becomes("one is well", true, false)
	answers("a")
}

func TestNobodyIsAskedAfterTheEnd(t *testing.T) {
	a, b := newSick(t, "a"), newSick(t, "b")
	at, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 20 {
		u, err := New(Config{Name: "app", Route: Route{URL: at, Also: []string{b.Listener.Addr().String()}, Health: Health{Path: "/healthz", Every: time.Hour, Timeout: time.Second}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		u.Close()
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, and before %d", runtime.NumGoroutine(), before)
		}
	}
}
