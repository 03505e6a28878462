package cookies_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

func TestP5SteadyStateNeedsNoStore(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	before := store.calls.Load()
	for range 1000 {
		s.Touch(wantUser(t, s, b, "alice"))
	}
	if calls := store.calls.Load() - before; calls != 0 {
		t.Errorf("1000 requests cost %d calls of the store", calls)
	}
}

func TestP11SteadyStateDoesNotAllocate(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	r := b.request()
	ours := r.Header.Get("Cookie")
	const others = "JSESSIONID=0123456789abcdef; theme=dark"
	for name, test := range map[string]struct {
		cookies string
		most    float64
	}{
		"only ours":  {ours, 0},
		"ours last":  {others + "; " + ours, 0},
		"ours first": {ours + "; " + others, 0},
		"between":    {"a=1; " + ours + "; b=2", 1}, // the header has to be written anew
	} {
		line := []string{test.cookies}
		key := new(int)
		got := testing.AllocsPerRun(500, func() {
			line[0] = test.cookies
			r.Header["Cookie"] = line
			sess, err := s.Load(t.Context(), r, true, app)
			if err != nil {
				t.Fatal(err)
			}
			s.Touch(sess)
			if sess.Kept() == nil {
				sess.Keep(key)
			}
			s.StripOwn(r.Header)
		})
		if got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, test.most)
		}
	}
	foreign := http.Header{"Cookie": {others}}
	if got := testing.AllocsPerRun(500, func() { s.StripOwn(foreign) }); got != 0 {
		t.Errorf("none of ours: %v allocations", got)
	}
	anonymous := &http.Request{Header: foreign}
	if got := testing.AllocsPerRun(500, func() { _, _ = s.Load(t.Context(), anonymous, true, app) }); got != 0 {
		t.Errorf("anonymous: %v allocations", got)
	}
}

// typical is what an identity provider tells of a person, without tokens.
func typical(i int) authn.Identity {
	return authn.Identity{
		Method: "entra", Issuer: "https://login.example/0f8fad5b-d9cb-469f-a165-70867728950e/v2.0",
		Subject: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-7086772895%02d", i%100),
		User:    "alice.archer", Email: "alice.archer@hospital.example", Checked: true, Name: "Alice Archer",
		Groups: []string{"Careplan-Users", "Wardwatch_Administrator"}, Roles: []string{"manager"},
		AMR: []string{"pwd", "mfa"}, Authenticated: time.Now(),
	}
}

func TestP13RecordIsSmall(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	sess := signIn(t, s, newBrowser(), typical(1))
	if n := len(sess.Key()) + len(store.records[sess.Key()].Data) + len(store.records[sess.Key()].Note); n > 700 {
		t.Errorf("a session takes %d bytes at the store, want at most 700", n)
	}
}

func TestP14CachedSessionIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector uses memory of its own")
	}
	const n = 5000
	store := discard{}
	s := open(t, store, nil)
	r := newBrowser().request()
	w := responseDiscard{}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		clear(w)
		if _, err := s.Start(t.Context(), w, r, true, opening, typical(i)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes for each cached session", each)
	if each > 1700 {
		t.Errorf("a cached session takes %.0f bytes", each)
	}
	runtime.KeepAlive(s)
}

func TestCacheIsBounded(t *testing.T) {
	store := newSpy()
	s := open(t, store, func(c *cookies.Config) { c.CacheBytes = 100 << 10 })
	browsers := make([]*browser, 400)
	for i := range browsers {
		browsers[i] = newBrowser()
		signIn(t, s, browsers[i], typical(i))
	}
	before := store.calls.Load()
	for _, b := range browsers {
		wantUser(t, s, b, "alice.archer") // still there, from the store if need be
	}
	if calls := store.calls.Load() - before; calls < 200 {
		t.Errorf("of 400 sessions only %d were read from the store: the cache is not bounded", calls)
	}
}

func BenchmarkLoadHit(b *testing.B) {
	s := open(b, memstore.New(), nil)
	br := newBrowser()
	signIn(b, s, br, typical(1))
	for name, cookie := range map[string]string{
		"alone":       br.header(),
		"behind-4KiB": strings.Repeat("JSESSIONID=0123456789abcdef0123456789; ", 105) + br.header(),
	} {
		r := br.request()
		r.Header.Set("Cookie", cookie)
		ctx := b.Context()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sess, err := s.Load(ctx, r, true, app)
				if err != nil {
					b.Fatal(err)
				}
				s.Touch(sess)
			}
		})
	}
}

func TestP19ForgedCookieCostsNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector a sync.Pool forgets on purpose")
	}
	s := open(t, memstore.New(), nil)
	r := forgedRequest(t, s)
	if got := testing.AllocsPerRun(500, func() { _, _ = s.Load(t.Context(), r, true, app) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// forgedRequest has a cookie of which some bytes in the middle are changed.
func forgedRequest(tb testing.TB, s *cookies.Sessions) *http.Request {
	b := newBrowser()
	signIn(tb, s, b, alice)
	value := []byte(b.values[secureName])
	copy(value[len(value)/2:], "forged-here")
	r := newBrowser().request()
	r.Header.Set("Cookie", secureName+"="+string(value))
	return r
}

func BenchmarkLoadForged(b *testing.B) {
	s := open(b, memstore.New(), nil)
	r := forgedRequest(b, s)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Load(ctx, r, true, app); err == nil {
			b.Fatal("a forged cookie was believed")
		}
	}
}

func BenchmarkStripOwn(b *testing.B) {
	s := open(b, memstore.New(), nil)
	br := newBrowser()
	signIn(b, s, br, alice)
	const others = "JSESSIONID=0123456789abcdef; theme=dark"
	for name, cookie := range map[string]string{
		"none": others, "last": others + "; " + br.header(), "between": "a=1; " + br.header() + "; " + others,
	} {
		b.Run(name, func(b *testing.B) {
			line := []string{cookie}
			h := http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				line[0] = cookie
				h["Cookie"] = line
				s.StripOwn(h)
			}
		})
	}
}
