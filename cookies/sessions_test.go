package cookies_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

const secureName = "__Host-foregate"

func TestSessionIsTheSameFromMemoryAndFromTheStore(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	b := newBrowser()
	id := alice
	id.Groups = []string{"Careplan-Users", "Ärzte"}
	id.Claims = map[string]any{"ward": "7b", "level": float64(3)}
	id.Private = map[string]string{"id_token": "e30"}
	id.Authenticated = time.Now().UTC().Truncate(time.Second)
	started := signIn(t, s, b, id)

	other := open(t, store, nil) // nothing in its memory
	for name, sessions := range map[string]*cookies.Sessions{"memory": s, "store": other} {
		got := wantUser(t, sessions, b, "alice")
		inMemory := id
		inMemory.Private = nil
		if diff := cmp.Diff(inMemory, got.Identity); diff != "" {
			t.Errorf("from the %s: identity (-want +got):\n%s", name, diff)
		}
		if got.Audience != app || got.Limits != limits || !got.Began().Equal(started.Began()) {
			t.Errorf("from the %s: got %s, %v, %v", name, got.Audience, got.Limits, got.Began())
		}
		if got.Handle() == "" || got.Handle() != started.Handle() || !strings.HasPrefix(got.Key(), got.Handle()) {
			t.Errorf("from the %s: got handle %q, want %q", name, got.Handle(), started.Handle())
		}
	}
}

func TestSessionDoesNotChangeWithItsCallersIdentity(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	id := alice
	id.Groups = []string{"users"}
	signIn(t, s, b, id)
	id.Groups[0] = "administrators"
	if got := wantUser(t, s, b, "alice").Identity.Groups[0]; got != "users" {
		t.Errorf("got group %q, want the one signed in with", got)
	}
}

func TestSE1PlantedSessionDiesAtSignIn(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	attacker := newBrowser()
	planted := signIn(t, s, attacker, bob)
	victim := newBrowser()
	victim.names, victim.values[secureName] = []string{secureName}, attacker.values[secureName]

	got := signIn(t, s, victim, alice)
	if got.Key() == planted.Key() {
		t.Error("the session kept its ID")
	}
	wantUser(t, s, victim, "alice")
	wantNone(t, s, attacker)
	wantNone(t, open(t, store, nil), attacker)
	if _, err := store.Load(t.Context(), planted.Key()); !errors.Is(err, cookies.ErrNotFound) {
		t.Errorf("the planted session is at the store: %v", err)
	}
}

func TestSE1UnknownCookieBecomesNoSession(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	b.names, b.values[secureName] = []string{secureName}, strings.Repeat("A", 176)
	signIn(t, s, b, alice)
	if b.values[secureName] == strings.Repeat("A", 176) {
		t.Error("the planted value was kept")
	}
	wantUser(t, s, b, "alice")
}

func TestSE2SignOutHoldsEverywhere(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	thief := newBrowser()
	thief.names, thief.values[secureName] = []string{secureName}, b.values[secureName]
	wantUser(t, s, thief, "alice")

	w := httptest.NewRecorder()
	ended, err := s.End(t.Context(), w, b.request(), true)
	if err != nil || ended.Identity.User != "alice" {
		t.Fatalf("end: got %v, %v", ended, err)
	}
	b.take(w)
	if _, ok := b.values[secureName]; ok {
		t.Error("the browser still has the cookie")
	}
	wantNone(t, s, thief)
	wantNone(t, open(t, store, nil), thief) // a second instance, or after a restart
	s.Touch(ended)                          // a request that was under way
	wantNone(t, s, thief)

	_, err = s.End(t.Context(), w, thief.request(), true)
	wantError(t, err, cookies.ErrNoSession)
}

func TestSE2RevokedByKeyFromElsewhere(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess := signIn(t, s, b, alice)
	if err := s.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, b)
}

func TestSE2AnotherReplicaForgetsWhatWasRevoked(t *testing.T) {
	store := memstore.New()
	here, there := open(t, store, nil), open(t, store, nil)
	b, c := newBrowser(), newBrowser()
	sess := signIn(t, here, b, alice)
	signIn(t, here, c, bob)
	wantUser(t, there, b, "alice")
	wantUser(t, there, c, "bob")
	if err := here.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	wantUser(t, there, b, "alice") // it cannot know yet
	there.Forget(sess.Key())
	wantNone(t, there, b)
	there.ForgetAll()
	wantUser(t, there, c, "bob")
}

func TestSE3ForgedCookieNeverReachesTheStore(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	value, before := b.values[secureName], store.calls.Load()
	other := newBrowser()
	signIn(t, open(t, memstore.New(), func(c *cookies.Config) { c.Secrets = [][]byte{secret("z")} }), other, bob)
	for _, forged := range []string{
		"", "x", value[1:], value + "A", value[:90] + "AAAA" + value[94:], `"` + value + `"`,
		strings.Repeat("A", 176), strings.Repeat("%", 176), strings.Repeat("A", 100_000), other.values[secureName],
	} {
		b.values[secureName] = forged
		wantNone(t, s, b)
	}
	if calls := store.calls.Load() - before; calls != 0 {
		t.Errorf("forged cookies cost %d calls of the store", calls)
	}
}

func TestSE4CookieAttributes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*cookies.Config)
		secure bool
		want   string // after name and value
		start  string // what starting adds
		end    string
	}{
		"https":      {nil, true, "__Host-foregate=*; Path=/*; HttpOnly; Secure; SameSite=Lax", "", "; Max-Age=0"},
		"http":       {nil, false, "foregate=*; Path=/*; HttpOnly; SameSite=Lax", "", "; Max-Age=0"},
		"domain":     {func(c *cookies.Config) { c.Domain = "h.example" }, true, "__Secure-foregate=*; Path=/; Domain=h.example*; HttpOnly; Secure; SameSite=Lax", "", "; Max-Age=0"},
		"persistent": {func(c *cookies.Config) { c.Persistent, c.Name = true, "care" }, true, "__Host-care=*; Path=/*; HttpOnly; Secure; SameSite=Lax", "; Max-Age=43200", "; Max-Age=0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memstore.New(), test.change)
			w := httptest.NewRecorder()
			r := newBrowser().request()
			if _, err := s.Start(t.Context(), w, r, test.secure, opening, alice); err != nil {
				t.Fatal(err)
			}
			value := w.Result().Cookies()[0].Value
			wantCookie(t, w, strings.Replace(strings.Replace(test.want, "*", value, 1), "*", test.start, 1))

			w = httptest.NewRecorder()
			_, err := s.End(t.Context(), w, r, test.secure)
			wantError(t, err, cookies.ErrNoSession)
			wantCookie(t, w, strings.Replace(strings.Replace(test.want, "*", "", 1), "*", test.end, 1))
		})
	}
}

func wantCookie(t *testing.T, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if diff := cmp.Diff([]string{want}, w.Header()["Set-Cookie"]); diff != "" {
		t.Errorf("Set-Cookie (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("SE11: a response with a cookie has Cache-Control %q", got)
	}
}

func TestOneResponseSetsACookieOnce(t *testing.T) {
	s := open(t, memstore.New(), nil)
	w := httptest.NewRecorder()
	w.Header().Add("Set-Cookie", "theme=dark")
	r := newBrowser().request()
	if _, err := s.End(t.Context(), w, r, true); !errors.Is(err, cookies.ErrNoSession) {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context(), w, r, true, opening, alice); err != nil {
		t.Fatal(err)
	}
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 2 || lines[0] != "theme=dark" || strings.Contains(lines[1], "Max-Age=0") {
		t.Errorf("got %q", lines)
	}
}

func TestSE4PlainCookieIsNotAcceptedOverHTTPS(t *testing.T) {
	s := open(t, memstore.New(), nil)
	w := httptest.NewRecorder()
	if _, err := s.Start(t.Context(), w, newBrowser().request(), false, opening, alice); err != nil {
		t.Fatal(err)
	}
	b := newBrowser()
	b.take(w)
	if _, err := s.Load(t.Context(), b.request(), false, app); err != nil {
		t.Fatalf("over http: %v", err)
	}
	wantNone(t, s, b)
	// Nor under the name that only https may set.
	renamed := newBrowser()
	renamed.names, renamed.values[secureName] = []string{secureName}, b.values["foregate"]
	wantNone(t, s, renamed)
}

func TestSE5TwoCookiesAreNeverTrusted(t *testing.T) {
	s := open(t, memstore.New(), nil)
	attacker, victim := newBrowser(), newBrowser()
	signIn(t, s, attacker, bob)
	signIn(t, s, victim, alice)
	bad, good := secureName+"="+attacker.values[secureName], secureName+"="+victim.values[secureName]
	for _, lines := range [][]string{
		{bad + "; " + good}, {good + "; " + bad}, {bad, good}, {good, bad}, {good + "; " + good},
		{secureName + "=garbage; " + good}, {good + "; a=1; " + secureName + "="},
	} {
		r := newBrowser().request()
		r.Header["Cookie"] = lines
		_, err := s.Load(t.Context(), r, true, app)
		wantError(t, err, cookies.ErrAmbiguous)
		wantError(t, err, cookies.ErrNoSession)
	}
	// Signing out ends them all.
	r := newBrowser().request()
	r.Header["Cookie"] = []string{bad + "; " + good}
	if _, err := s.End(t.Context(), httptest.NewRecorder(), r, true); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, attacker)
	wantNone(t, s, victim)
}

func TestSE6HugeCookieHeadersAreCheap(t *testing.T) {
	s := open(t, memstore.New(), nil)
	began := time.Now()
	for _, header := range []string{
		strings.Repeat("a=;", 3500),
		strings.Repeat(secureName+"="+strings.Repeat("A", 176)+";", 5000),
		strings.Repeat("a", 900_000),
		strings.Repeat(secureName, 60_000),
		strings.Repeat(";", 900_000),
		secureName + "=" + strings.Repeat("A", 900_000),
		strings.Repeat(" ", 900_000) + secureName + "=x",
	} {
		r := newBrowser().request()
		r.Header.Set("Cookie", header)
		_, err := s.Load(t.Context(), r, true, app)
		wantError(t, err, cookies.ErrNoSession)
		_, err = s.End(t.Context(), httptest.NewRecorder(), r, true)
		wantError(t, err, cookies.ErrNoSession)
		s.StripOwn(r.Header)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("seven huge headers took %v", took)
	}
}

func TestSE15ParallelRequestsKeepTheSession(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for range 50 {
				sess, err := load(t, s, b)
				if err != nil || sess.Identity.User != "alice" {
					t.Errorf("got %v, %v", sess, err)
					return
				}
				s.Touch(sess)
				if i%10 == 0 {
					s.Forget(sess.Key())
				}
			}
		})
	}
	all.Wait()
	wantUser(t, s, b, "alice")
}

func TestLoadsOfOneSessionShareOneStoreCall(t *testing.T) {
	store := newSpy()
	b := newBrowser()
	signIn(t, open(t, store, nil), b, alice)
	s := open(t, store, nil)
	before := store.calls.Load()
	const n = 50
	var waiting, all sync.WaitGroup
	waiting.Add(n)
	store.onLoad(waiting.Wait) // until all have come
	for range n {
		all.Go(func() {
			waiting.Done()
			if _, err := load(t, s, b); err != nil {
				t.Errorf("load: %v", err)
			}
		})
	}
	all.Wait()
	if calls := store.calls.Load() - before; calls != 1 {
		t.Errorf("%d loads cost %d store calls, want 1", n, calls)
	}
}

func TestSE16SessionIsForOneAudience(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	for name, sessions := range map[string]*cookies.Sessions{"memory": s, "store": open(t, store, nil)} {
		for _, audience := range []string{"other", "", "CAREPLAN", app + "2"} {
			if _, err := sessions.Load(t.Context(), b.request(), true, audience); !errors.Is(err, cookies.ErrNoSession) {
				t.Errorf("from the %s: for %q got %v", name, audience, err)
			}
		}
		wantUser(t, sessions, b, "alice")
	}
}

func TestSE17StoreAloneReadsNothing(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	b := newBrowser()
	id := alice
	id.Email, id.Private = "alice@hospital.example", map[string]string{"refresh": "rt-4711"}
	signIn(t, s, b, id)
	for key, r := range store.records {
		for _, plain := range []string{"alice", "hospital", "rt-4711", "idp.example", app, b.values[secureName]} {
			if strings.Contains(key+string(r.Data), plain) {
				t.Errorf("the store holds %q", plain)
			}
		}
		if len(key) != 43 {
			t.Errorf("the key %q is no hash", key)
		}
	}
}

func TestSE17SwappedRecordsDoNotOpen(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	a, b := newBrowser(), newBrowser()
	one, two := signIn(t, s, a, alice), signIn(t, s, b, bob)
	recordOne, err := store.Load(t.Context(), one.Key())
	if err != nil {
		t.Fatal(err)
	}
	recordTwo, err := store.Load(t.Context(), two.Key())
	if err != nil {
		t.Fatal(err)
	}
	replace(t, store, one.Key(), recordTwo.Data)
	replace(t, store, two.Key(), recordOne.Data)
	fresh := open(t, store, nil)
	wantNone(t, fresh, a)
	wantNone(t, fresh, b)
}

func replace(t *testing.T, store cookies.Store, key string, data []byte) {
	t.Helper()
	r, err := store.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	r.Data = data
	if err := store.Update(t.Context(), key, r); err != nil {
		t.Fatal(err)
	}
}

func TestSE17SameSessionNeverLooksTheSameTwice(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	a, b := newBrowser(), newBrowser()
	one, two := signIn(t, s, a, alice), signIn(t, s, b, alice)
	if a.values[secureName] == b.values[secureName] || one.Key() == two.Key() {
		t.Error("two sessions share a ticket")
	}
	if string(store.records[one.Key()].Data) == string(store.records[two.Key()].Data) {
		t.Error("two records are the same bytes")
	}
}

func TestFM22GarbageInTheStoreHurtsOnePersonOnly(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	a, b := newBrowser(), newBrowser()
	broken := signIn(t, s, a, alice)
	signIn(t, s, b, bob)
	record, err := store.Load(t.Context(), broken.Key())
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range [][]byte{{}, []byte("x"), record.Data[:20], append(record.Data, 0), make([]byte, 5000)} {
		replace(t, store, broken.Key(), garbage)
		fresh := open(t, store, nil)
		wantNone(t, fresh, a)
		wantUser(t, fresh, b, "bob")
	}
	fresh := open(t, store, nil)
	signIn(t, fresh, a, alice) // over the broken one
	wantUser(t, fresh, a, "alice")
}

func TestFM12StoreDownLeavesKnownSessionsAlone(t *testing.T) {
	store := newSpy()
	s := open(t, store, nil)
	known, unknown := newBrowser(), newBrowser()
	signIn(t, s, known, alice)
	signIn(t, open(t, store, nil), unknown, bob)
	store.down.Store(true)

	s.Touch(wantUser(t, s, known, "alice"))
	_, err := load(t, s, unknown)
	wantError(t, err, errDown)
	if errors.Is(err, cookies.ErrNoSession) {
		t.Error("a store that is down made a person anonymous")
	}
	w := httptest.NewRecorder()
	_, err = s.Start(t.Context(), w, newBrowser().request(), true, opening, bob)
	wantError(t, err, errDown)
	_, err = s.End(t.Context(), w, known.request(), true)
	wantError(t, err, errDown)
	if len(w.Header()) != 0 {
		t.Errorf("the response was touched: %v", w.Header())
	}
	store.down.Store(false)
	wantUser(t, s, known, "alice")
	wantUser(t, s, unknown, "bob")
}

// recorded fails the test when a record is stored after its cookie was written.
type recorded struct {
	cookies.Store
	t *testing.T
	w *httptest.ResponseRecorder
}

func (s recorded) Create(ctx context.Context, key string, r cookies.Record) error {
	if len(s.w.Header()) != 0 {
		s.t.Error("the cookie was written before the record")
	}
	return s.Store.Create(ctx, key, r)
}

func TestFM11RecordIsStoredBeforeItsCookieIsWritten(t *testing.T) {
	w := httptest.NewRecorder()
	s := open(t, recorded{memstore.New(), t, w}, nil)
	if _, err := s.Start(t.Context(), w, newBrowser().request(), true, opening, alice); err != nil {
		t.Fatal(err)
	}
	if len(w.Header()["Set-Cookie"]) != 1 {
		t.Errorf("got headers %v", w.Header())
	}
}

func TestSignOutIsDoneThoughTheBrowserHangsUp(t *testing.T) {
	store := memstore.New()
	s := open(t, store, nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	r, cancel := cancelled(b.request())
	cancel()
	if _, err := s.End(r.Context(), httptest.NewRecorder(), r, true); err != nil {
		t.Fatal(err)
	}
	wantNone(t, open(t, store, nil), b)
}

func TestLateCacheFillDoesNotBringBackASession(t *testing.T) {
	store := newSpy()
	b := newBrowser()
	sess := signIn(t, open(t, store, nil), b, alice)
	s := open(t, store, nil)
	reading, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	store.onLoad(func() {
		once.Do(func() {
			close(reading) // the record is read, and about to go into memory
			<-ended
		})
	})
	result := make(chan error)
	go func() {
		_, err := load(t, s, b)
		result <- err
	}()
	<-reading
	if err := s.Revoke(t.Context(), sess.Key()); err != nil {
		t.Fatal(err)
	}
	close(ended)
	wantError(t, <-result, cookies.ErrNoSession)
	wantNone(t, s, b)
}

func TestSecretsRotate(t *testing.T) {
	store := memstore.New()
	b := newBrowser()
	signIn(t, open(t, store, nil), b, alice)
	rotated := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b"), secret("a")} })
	wantUser(t, rotated, b, "alice")
	c := newBrowser()
	signIn(t, rotated, c, bob)
	onlyNew := open(t, store, func(c *cookies.Config) { c.Secrets = [][]byte{secret("b")} })
	wantUser(t, onlyNew, c, "bob")
	wantNone(t, onlyNew, b)
}

// TestSecretsChangeWhileItServes: as after a restart with them, and what nobody could read
// any more is not put in force.
func TestSecretsChangeWhileItServes(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b, c := newBrowser(), newBrowser()
	signIn(t, s, b, alice)
	wantError(t, s.UseSecrets([][]byte{secret("b")}), cookies.ErrForeignSecret)
	for _, wrong := range [][][]byte{nil, {[]byte("short")}} {
		if s.UseSecrets(wrong) == nil {
			t.Errorf("%q were taken", wrong)
		}
	}
	wantUser(t, s, b, "alice")
	if err := s.UseSecrets([][]byte{secret("b"), secret("a")}); err != nil {
		t.Fatal(err)
	}
	wantUser(t, s, b, "alice")
	signIn(t, s, c, bob)
	if n, err := s.RevokePerson(t.Context(), alice.Issuer, "nobody"); n != 0 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	if all, err := s.OfPerson(t.Context(), alice.Issuer, alice.Subject); err != nil || len(all) != 1 || all[0].User != "alice" {
		t.Errorf("found %+v, %v", all, err)
	}
	if err := s.UseSecrets([][]byte{secret("b")}); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, b) // it was in memory
	wantUser(t, s, c, "bob")
	if err := s.Attest(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartRefusesNobodyAndNoLimits(t *testing.T) {
	s := open(t, memstore.New(), nil)
	w := httptest.NewRecorder()
	start := func(audience string, l cookies.Limits, id authn.Identity) error {
		_, err := s.Start(t.Context(), w, newBrowser().request(), true, cookies.Opening{Audience: audience, Limits: l}, id)
		return err
	}
	for name, err := range map[string]error{
		"anonymous":   start(app, limits, authn.Identity{User: "alice"}),
		"no audience": start("", limits, alice),
		"no idle":     start(app, cookies.Limits{Lifetime: time.Hour}, alice),
		"no lifetime": start(app, cookies.Limits{Idle: time.Hour}, alice),
	} {
		if err == nil || len(w.Header()) != 0 {
			t.Errorf("%s: got %v and headers %v", name, err, w.Header())
		}
	}
}

func TestNewRefusesWeakConfig(t *testing.T) {
	long := [][]byte{secret("a")}
	for name, cfg := range map[string]cookies.Config{
		"no secret":     {},
		"short secret":  {Secrets: [][]byte{[]byte("short")}},
		"second short":  {Secrets: [][]byte{secret("a"), make([]byte, 31)}},
		"name with =":   {Secrets: long, Name: "a=b"},
		"name in space": {Secrets: long, Name: "a b"},
		"prefixed name": {Secrets: long, Name: "__Host-foregate"},
		"domain":        {Secrets: long, Domain: "a.example; Path=/x"},
	} {
		if s, err := cookies.New(memstore.New(), cfg); err == nil {
			t.Errorf("%s: New accepts it", name)
			_ = s.Close()
		}
		if _, err := cookies.NewAttempts(cfg); err == nil {
			t.Errorf("%s: NewAttempts accepts it", name)
		}
	}
}

func TestStripOwnKeepsWhatTheApplicationKnows(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	signIn(t, s, b, alice)
	h := http.Header{"Cookie": {"JSESSIONID=1; " + b.header() + "; theme=dark"}}
	s.StripOwn(h)
	if got, want := h.Get("Cookie"), "JSESSIONID=1; theme=dark"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !s.Own(secureName) || s.Own("JSESSIONID") {
		t.Error("Own does not know its own")
	}
}

func TestWhatIsKeptGoesWithTheSession(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	sess := signIn(t, s, b, alice)
	if got := sess.Kept(); got != nil {
		t.Errorf("a new session keeps %v", got)
	}
	for _, v := range []int{1, 2} {
		wantUser(t, s, b, "alice").Keep(v)
		if got := wantUser(t, s, b, "alice").Kept(); got != v {
			t.Errorf("got %v, want %d", got, v)
		}
	}
	s.Forget(sess.Key())
	if got := wantUser(t, s, b, "alice").Kept(); got != nil {
		t.Errorf("a session that was read anew keeps %v", got)
	}
}
