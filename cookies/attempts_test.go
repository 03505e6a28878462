package cookies_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foregate/authn"
	"foregate/cookies"
)

func openAttempts(t testing.TB, change func(*cookies.Config)) *cookies.Attempts {
	t.Helper()
	cfg := cookies.Config{Secrets: [][]byte{secret("a")}}
	if change != nil {
		change(&cfg)
	}
	a, err := cookies.NewAttempts(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newAttempt() *authn.Attempt {
	return &authn.Attempt{
		Method: "entra", Host: "careplan.example", Return: "/patients/7?tab=2",
		Values: map[string]string{"nonce": strings.Repeat("n", 43), "verifier": strings.Repeat("v", 43)},
	}
}

func save(t testing.TB, a *cookies.Attempts, b *browser, at *authn.Attempt) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := a.Save(w, b.request(), true, at); err != nil {
		t.Fatal(err)
	}
	b.take(w)
}

func TestAttemptComesBackAsItWas(t *testing.T) {
	a := openAttempts(t, nil)
	b := newBrowser()
	want := newAttempt()
	want.Hint, want.Fresh = "alice@hospital.example", true
	save(t, a, b, want)
	if len(want.ID) < 1+27 || want.Began.IsZero() {
		t.Errorf("Save left ID %q, began %v", want.ID, want.Began)
	}
	got, err := a.Find(b.request(), true, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.Keep("code", "sent")
	save(t, a, b, want)
	if got, err = a.Find(b.request(), true, want.ID); err != nil || got.Values["code"] != "sent" {
		t.Errorf("after saving again: %v, %v", got, err)
	}
	if len(b.names) != 1 {
		t.Errorf("one attempt takes %d cookies", len(b.names))
	}
}

func TestAttemptIDIsKnownBeforeItIsSaved(t *testing.T) {
	a := openAttempts(t, nil)
	b := newBrowser()
	at := newAttempt()
	at.ID = a.NewID(b.request(), true)
	id := at.ID
	save(t, a, b, at)
	if got, err := a.Find(b.request(), true, id); err != nil || got.ID != id {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAttemptIsOfOneBrowser(t *testing.T) {
	a := openAttempts(t, nil)
	mine, theirs := newBrowser(), newBrowser()
	at := newAttempt()
	save(t, a, mine, at)
	save(t, a, theirs, newAttempt())
	for name, test := range map[string]struct {
		b  *browser
		id string
	}{
		"SE8 another browser": {theirs, at.ID},
		"no cookies":          {newBrowser(), at.ID},
		"empty ID":            {mine, ""},
		"slot only":           {mine, at.ID[:1]},
		"part of the ID":      {mine, at.ID[:20]},
		"other ID":            {mine, at.ID[:1] + strings.Repeat("A", 27)},
		"no such slot":        {mine, "9" + at.ID[1:]},
		"not a slot":          {mine, "\xff" + at.ID[1:]},
	} {
		if _, err := a.Find(test.b.request(), true, test.id); !errors.Is(err, cookies.ErrNoAttempt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAttemptIsOfOneSlotNameAndPurpose(t *testing.T) {
	a := openAttempts(t, nil)
	b := newBrowser()
	at := newAttempt()
	save(t, a, b, at)
	name := b.names[0]
	value := b.values[name]
	slot := name[len(name)-1]
	for forged, with := range map[string]string{
		"moved to another slot": strings.TrimSuffix(name, string(slot)) + string('0'+(slot-'0'+1)%6) + "=" + value,
		"without prefix":        strings.TrimPrefix(name, "__Host-") + "=" + value,
		"SE5 twice":             name + "=" + value + "; " + name + "=" + value,
		"SE5 after garbage":     name + "=x; " + name + "=" + value,
		"cut":                   name + "=" + value[:len(value)-4],
		"as a session":          "__Host-foregate=" + value,
	} {
		r := newBrowser().request()
		r.Header.Set("Cookie", with)
		for _, id := range []string{at.ID, string('0'+(slot-'0'+1)%6) + at.ID[1:]} {
			if _, err := a.Find(r, true, id); !errors.Is(err, cookies.ErrNoAttempt) {
				t.Errorf("%s: got %v", forged, err)
			}
		}
	}
	other := openAttempts(t, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b")} })
	if _, err := other.Find(b.request(), true, at.ID); !errors.Is(err, cookies.ErrNoAttempt) {
		t.Errorf("other secret: got %v", err)
	}
	rotated := openAttempts(t, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b"), secret("a")} })
	if _, err := rotated.Find(b.request(), true, at.ID); err != nil {
		t.Errorf("rotated secret: %v", err)
	}
}

func TestAttemptEndsAfterTenMinutes(t *testing.T) {
	at := newClock()
	a := openAttempts(t, func(c *cookies.Config) { c.Clock = at.now })
	b := newBrowser()
	attempt := newAttempt()
	save(t, a, b, attempt)
	at.step(10*time.Minute - time.Second)
	if _, err := a.Find(b.request(), true, attempt.ID); err != nil || !a.Any(b.request(), true) {
		t.Errorf("a second before: %v", err)
	}
	at.step(time.Second)
	stale, err := a.Find(b.request(), true, attempt.ID)
	if !errors.Is(err, cookies.ErrStale) || stale.Return != attempt.Return || a.Any(b.request(), true) {
		t.Errorf("then: %v", err)
	}
	at.step(24 * time.Hour)
	if _, err := a.Find(b.request(), true, attempt.ID); err == nil || a.Any(b.request(), true) {
		t.Errorf("a day later: %v", err)
	}
}

func TestSE4AttemptCookieAttributes(t *testing.T) {
	a := openAttempts(t, func(c *cookies.Config) { c.Domain, c.Persistent = "hospital.example", true })
	for secure, want := range map[bool]string{
		true:  "__Host-foregate-attempt-*; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=None",
		false: "foregate-attempt-*; Path=/; Max-Age=86400; HttpOnly",
	} {
		w := httptest.NewRecorder()
		at := newAttempt()
		if err := a.Save(w, newBrowser().request(), secure, at); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		want = strings.Replace(want, "*", at.ID[:1]+"=*", 1)
		wantCookie(t, w, strings.Replace(want, "*", c.Value, 1))

		r := newBrowser().request()
		r.Header.Set("Cookie", c.Name+"="+c.Value)
		w = httptest.NewRecorder()
		a.Drop(w, r, secure, at.ID)
		wantCookie(t, w, strings.Replace(strings.Replace(want, "*", "", 1), "=86400", "=0", 1))
	}
}

func TestDropLeavesWhatTookTheSlotSince(t *testing.T) {
	a := openAttempts(t, nil)
	b := newBrowser()
	old := newAttempt()
	save(t, a, b, old)
	newer := newAttempt()
	newer.ID = old.ID[:1] + strings.Repeat("B", 27)
	save(t, a, b, newer)
	w := httptest.NewRecorder()
	a.Drop(w, b.request(), true, old.ID)
	if got := w.Header()["Set-Cookie"]; len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestSE7AttemptsDoNotPileUp(t *testing.T) {
	clock := newClock()
	a := openAttempts(t, func(c *cookies.Config) { c.Clock = clock.now })
	for name, parallel := range map[string]bool{"one after another": false, "all at once": true} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser()
			responses := make([]*httptest.ResponseRecorder, 200)
			attempts := make([]*authn.Attempt, 200)
			var all sync.WaitGroup
			for i := range 200 {
				clock.step(time.Millisecond)
				attempts[i] = newAttempt()
				responses[i] = httptest.NewRecorder()
				r := b.request()
				if !parallel {
					if err := a.Save(responses[i], r, true, attempts[i]); err != nil {
						t.Fatal(err)
					}
					b.take(responses[i])
					for _, recent := range attempts[max(0, i-5) : i+1] {
						wantAttempt(t, a, b, recent)
					}
					continue
				}
				all.Go(func() {
					if err := a.Save(responses[i], r, true, attempts[i]); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if parallel {
				for _, w := range responses {
					b.take(w)
				}
			}
			if len(b.names) > 6 || len(b.header()) > 8000 {
				t.Errorf("200 requests left %d cookies of %d bytes", len(b.names), len(b.header()))
			}
			wantAttempt(t, a, b, attempts[199])
		})
	}
}

func wantAttempt(t *testing.T, a *cookies.Attempts, b *browser, want *authn.Attempt) {
	t.Helper()
	if _, err := a.Find(b.request(), true, want.ID); err != nil {
		t.Fatalf("one of the newest attempts is gone: %v", err)
	}
}

func TestSE7LongAttemptsPushOutOldOnes(t *testing.T) {
	clock := newClock()
	a := openAttempts(t, func(c *cookies.Config) { c.Clock = clock.now })
	b := newBrowser()
	for i := range 20 {
		clock.step(time.Second)
		at := newAttempt()
		at.Return = "/" + strings.Repeat(fmt.Sprint(i%10), 1500)
		save(t, a, b, at)
		if n := len(b.header()); n > 7900 {
			t.Fatalf("after %d attempts the header has %d bytes", i+1, n)
		}
		if got, err := a.Find(b.request(), true, at.ID); err != nil || got.Return != at.Return {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
}

func TestTooLongReturnAddressLeadsToTheStart(t *testing.T) {
	a := openAttempts(t, nil)
	for name, test := range map[string]struct {
		long  string
		value string
	}{
		"above 2 KiB":            {"/" + strings.Repeat("x", 2048), ""},
		"too long with the rest": {"/" + strings.Repeat("x", 2000), strings.Repeat("y", 1000)},
		"escapes when sealed":    {"/" + strings.Repeat("<", 2000), ""},
	} {
		b := newBrowser()
		at := newAttempt()
		at.Return = test.long
		at.Keep("more", test.value)
		save(t, a, b, at)
		got, err := a.Find(b.request(), true, at.ID)
		if err != nil || got.Return != "/" || got.Values["more"] != test.value {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for length, want := range map[int]int{2048: 2048, 2049: 1} {
		b, at := newBrowser(), &authn.Attempt{Return: "/" + strings.Repeat("x", length-1)}
		save(t, a, b, at)
		if got, err := a.Find(b.request(), true, at.ID); err != nil || len(got.Return) != want {
			t.Errorf("of %d bytes: got %v, %v", length, got, err)
		}
	}
	at := newAttempt()
	at.Keep("more", strings.Repeat("y", 4000))
	w := httptest.NewRecorder()
	if err := a.Save(w, newBrowser().request(), true, at); err == nil || len(w.Header()) != 0 {
		t.Errorf("an attempt that fits in no cookie: got %v, headers %v", err, w.Header())
	}
	at = newAttempt()
	at.ID = "x"
	if err := a.Save(w, newBrowser().request(), true, at); err == nil {
		t.Error("a foreign ID was saved")
	}
}

func FuzzAttempt(f *testing.F) {
	// Each fuzzing process has its own secret: what the others sealed is forged.
	a := openAttempts(f, func(c *cookies.Config) { c.Secrets = [][]byte{secret(rand.Text())} })
	b := newBrowser()
	at := newAttempt()
	save(f, a, b, at)
	f.Add(b.header(), at.ID)
	f.Add("__Host-foregate-attempt-0=x", "0")
	f.Add(b.header()+"; "+b.header(), at.ID)
	f.Fuzz(func(t *testing.T, header, id string) {
		r := newBrowser().request()
		r.Header.Set("Cookie", header)
		got, err := a.Find(r, true, id)
		if (got == nil) == (err == nil) {
			t.Errorf("got %v, %v", got, err)
		}
		if err == nil && (id != at.ID || !strings.Contains(header, b.values[b.names[0]])) {
			t.Errorf("%q was forged", header)
		}
		a.Any(r, true)
		w := httptest.NewRecorder()
		if err := a.Save(w, r, true, newAttempt()); err != nil {
			t.Errorf("save beside %q: %v", header, err)
		}
	})
}
