package cookies_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies"
	"foregate/cookies/memstore"
)

var emergency = authn.Identity{Method: "emergency", Issuer: "foregate:break-glass/emergency", Subject: "root", User: "root", Emergency: true}

const loneName = "__Host-foregate-emergency"

func startLone(t *testing.T, s *cookies.Sessions, b *browser, lifetime time.Duration) *cookies.Session {
	t.Helper()
	w := httptest.NewRecorder()
	sess, err := s.StartLone(w, true, cookies.Opening{Audience: app, Limits: cookies.Limits{Lifetime: lifetime}}, emergency)
	if err != nil {
		t.Fatal(err)
	}
	b.take(w)
	return sess
}

func TestLD9LoneSessionNeedsNoStore(t *testing.T) {
	clock := newClock()
	down := newSpy()
	at := func(c *cookies.Config) { c.Clock = clock.now }
	one, two := open(t, down, at), open(t, down, at)
	b := newBrowser()
	signIn(t, one, b, alice)
	down.down.Store(true)
	two.ForgetAll()
	if _, err := load(t, two, b); err == nil {
		t.Fatal("the store is not down")
	}
	sess := startLone(t, one, b, 15*time.Minute)
	if !sess.Lone() || b.values[secureName] != "" {
		t.Errorf("lone %v, cookies %q", sess.Lone(), b.header())
	}
	got := wantUser(t, two, b, "root") // also on another replica, and after a restart
	if left := two.Left(got); left < 14*time.Minute || left > 15*time.Minute || !got.Identity.Emergency || got.Key() != sess.Key() {
		t.Errorf("left %v, %+v", left, got.Identity)
	}
	two.Touch(got)
	if two.Due(got) {
		t.Error("it is to be renewed")
	}
	clock.step(14 * time.Minute)
	two.Touch(wantUser(t, two, b, "root"))
	clock.step(2 * time.Minute)
	if _, err := load(t, two, b); err != cookies.ErrOver { // activity does not prolong it
		t.Errorf("got %v, want ErrOver", err)
	}
	if _, err := two.Check(t.Context(), got); err != cookies.ErrOver {
		t.Errorf("checked: %v", err)
	}
	clock.step(-20 * time.Minute)
	if _, err := load(t, two, b); err == nil {
		t.Error("it lives before it began")
	}
}

func TestLD9LoneSessionEndsWithTheSignOut(t *testing.T) {
	down := newSpy()
	s := open(t, down, nil)
	b := newBrowser()
	startLone(t, s, b, time.Minute)
	copied := newBrowser()
	copied.names, copied.values[loneName] = []string{loneName}, b.values[loneName]
	sess := wantUser(t, s, copied, "root")
	changed, stop := s.Watch(sess)
	defer stop()
	down.down.Store(true)
	w := httptest.NewRecorder()
	ended, err := s.End(t.Context(), w, b.request(), true)
	if err != nil || ended.Identity.User != "root" {
		t.Fatalf("got %v, %v", ended, err)
	}
	<-changed
	b.take(w)
	wantNone(t, s, b)
	wantNone(t, s, copied)
	if _, err := s.Check(t.Context(), sess); err == nil {
		t.Error("an open connection goes on")
	}
}

func TestOrdinarySignInEndsALoneSession(t *testing.T) {
	s := open(t, memstore.New(), nil)
	b := newBrowser()
	startLone(t, s, b, time.Minute)
	signIn(t, s, b, alice)
	wantUser(t, s, b, "alice")
	if b.values[loneName] != "" {
		t.Errorf("cookies %q", b.header())
	}
}

func TestLD9LoneSessionIsRefused(t *testing.T) {
	s := open(t, memstore.New(), nil)
	for name, o := range map[string]cookies.Opening{
		"no audience": {Limits: cookies.Limits{Lifetime: time.Minute}},
		"no limit":    {Audience: app},
		"too long":    {Audience: app, Limits: cookies.Limits{Lifetime: cookies.LoneMost + 1}},
	} {
		if _, err := s.StartLone(httptest.NewRecorder(), true, o, emergency); err == nil {
			t.Errorf("%s: started", name)
		}
	}
	large := emergency
	large.Groups = []string{strings.Repeat("g", 5000)}
	if _, err := s.StartLone(httptest.NewRecorder(), true, cookies.Opening{Audience: app, Limits: cookies.Limits{Lifetime: time.Minute}}, large); err == nil {
		t.Error("larger than a cookie: started")
	}

	b := newBrowser()
	startLone(t, s, b, time.Minute)
	right := b.values[loneName]
	if _, err := s.Load(t.Context(), b.request(), true, "formulary"); err == nil {
		t.Error("for another app: taken")
	}
	r := b.request()
	r.Header.Set("Cookie", strings.TrimPrefix(b.header(), "__Host-"))
	if _, err := s.Load(t.Context(), r, false, app); err == nil {
		t.Error("over plain http: taken")
	}
	other := open(t, memstore.New(), func(c *cookies.Config) { c.Secrets = [][]byte{secret("b")} })
	wantNone(t, other, b)
	normal := newBrowser()
	signIn(t, s, normal, alice)
	for name, value := range map[string]string{
		"garbage": "x", "empty": "", "changed": right[:len(right)-3] + "AAA", "an ordinary ticket": normal.values[secureName],
	} {
		b.values[loneName] = value
		if _, err := load(t, s, b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	r = b.request()
	r.Header.Set("Cookie", loneName+"="+right+"; "+loneName+"="+right)
	if _, err := s.Load(t.Context(), r, true, app); err == nil {
		t.Error("twice: taken")
	}
	// It is ours, and no application's.
	if !s.Own(loneName) || !s.Own("foregate-emergency") || s.Own("foregate-emergencyx") {
		t.Error("its name")
	}
}
