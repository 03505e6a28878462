package cookies_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

const app = "careplan"

var (
	alice  = authn.Identity{Method: "entra", Issuer: "https://idp.example", Subject: "alice-1", User: "alice"}
	bob    = authn.Identity{Method: "entra", Issuer: "https://idp.example", Subject: "bob-2", User: "bob"}
	limits = cookies.Limits{Idle: 20 * time.Minute, Lifetime: 12 * time.Hour}

	opening = cookies.Opening{Audience: app, Limits: limits, App: "careplan", Client: "192.0.2.10"}
)

func secret(s string) []byte { return bytes.Repeat([]byte(s), 32) }

// open returns Sessions over store, closed with the test.
func open(t testing.TB, store cookies.Store, change func(*cookies.Config)) *cookies.Sessions {
	t.Helper()
	cfg := cookies.Config{Secrets: [][]byte{secret("a")}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	s, err := cookies.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// browser keeps cookies as a browser does, of one host and path.
type browser struct {
	names  []string
	values map[string]string
	last   http.Header // of the last response that was taken in
}

func newBrowser() *browser { return &browser{values: make(map[string]string)} }

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://careplan.example/", http.NoBody)
	if h := b.header(); h != "" {
		r.Header.Set("Cookie", h)
	}
	return r
}

func (b *browser) header() string {
	var pairs []string
	for _, name := range b.names {
		pairs = append(pairs, name+"="+b.values[name])
	}
	return strings.Join(pairs, "; ")
}

func (b *browser) take(w *httptest.ResponseRecorder) {
	res := w.Result()
	defer res.Body.Close()
	b.last = res.Header
	for _, c := range res.Cookies() {
		if _, ok := b.values[c.Name]; !ok {
			b.names = append(b.names, c.Name)
		}
		b.values[c.Name] = c.Value
		if c.MaxAge < 0 {
			b.drop(c.Name)
		}
	}
}

func (b *browser) drop(name string) {
	delete(b.values, name)
	for i, n := range b.names {
		if n == name {
			b.names = append(b.names[:i], b.names[i+1:]...)
			return
		}
	}
}

// signIn starts a session in b.
func signIn(t testing.TB, s *cookies.Sessions, b *browser, id authn.Identity) *cookies.Session {
	t.Helper()
	w := httptest.NewRecorder()
	sess, err := s.Start(t.Context(), w, b.request(), true, opening, id)
	if err != nil {
		t.Fatal(err)
	}
	b.take(w)
	return sess
}

func load(t testing.TB, s *cookies.Sessions, b *browser) (*cookies.Session, error) {
	t.Helper()
	return s.Load(t.Context(), b.request(), true, app)
}

func wantUser(t testing.TB, s *cookies.Sessions, b *browser, user string) *cookies.Session {
	t.Helper()
	sess, err := load(t, s, b)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if sess.Identity.User != user {
		t.Fatalf("got the session of %q, want %q", sess.Identity.User, user)
	}
	return sess
}

func wantNone(t testing.TB, s *cookies.Sessions, b *browser) {
	t.Helper()
	wantError(t, func() error { _, err := load(t, s, b); return err }(), cookies.ErrNoSession)
}

func wantError(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

var errDown = errors.New("the store is down")

// spy is a store in memory that is watched, can be down, and can be held up.
type spy struct {
	*memstore.Store
	calls atomic.Int64
	down  atomic.Bool

	mu      sync.Mutex
	loaded  func() // called between reading a record and returning it
	updated func() // the same of an update
	records map[string]cookies.Record
}

func newSpy() *spy { return &spy{Store: memstore.New(), records: make(map[string]cookies.Record)} }

func (s *spy) call() error {
	s.calls.Add(1)
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *spy) Create(ctx context.Context, key string, r cookies.Record) error {
	if err := s.call(); err != nil {
		return err
	}
	s.mu.Lock()
	s.records[key] = r
	s.mu.Unlock()
	return s.Store.Create(ctx, key, r)
}

func (s *spy) Load(ctx context.Context, key string) (cookies.Record, error) {
	if err := s.call(); err != nil {
		return cookies.Record{}, err
	}
	r, err := s.Store.Load(ctx, key)
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if loaded != nil {
		loaded()
	}
	return r, err
}

func (s *spy) Update(ctx context.Context, key string, r cookies.Record) error {
	if err := s.call(); err != nil {
		return err
	}
	err := s.Store.Update(ctx, key, r)
	s.mu.Lock()
	updated := s.updated
	s.mu.Unlock()
	if updated != nil {
		updated()
	}
	return err
}

func (s *spy) Delete(ctx context.Context, key string) error {
	if err := s.call(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

func (s *spy) onLoad(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = f
}

// clock is a clock on the wall that can be set. It has no monotonic reading.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *clock) step(d time.Duration) { c.at.Add(int64(d)) }

func cancelled(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	return r.WithContext(ctx), cancel
}

// discard is a store that keeps nothing.
type discard struct{ cookies.Store }

func (discard) Create(context.Context, string, cookies.Record) error { return nil }

type responseDiscard http.Header

func (w responseDiscard) Header() http.Header       { return http.Header(w) }
func (responseDiscard) Write(b []byte) (int, error) { return len(b), nil }
func (responseDiscard) WriteHeader(int)             {}
