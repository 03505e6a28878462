package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/authn/local"
	"foregate/cookies"
	"foregate/cookies/memstore"
	"foregate/internal/database"
	"foregate/proxy/admin"
)

// outage is a store that can stop to answer.
type outage struct {
	*memstore.Store
	down atomic.Bool
}

var errOutage = errors.New("the store does not answer")

func (o *outage) fails() error {
	if o.down.Load() {
		return errOutage
	}
	return nil
}

func (o *outage) Create(ctx context.Context, key string, r cookies.Record) error {
	return errors.Join(o.fails(), o.Store.Create(ctx, key, r))
}

func (o *outage) Load(ctx context.Context, key string) (cookies.Record, error) {
	if err := o.fails(); err != nil {
		return cookies.Record{}, err
	}
	return o.Store.Load(ctx, key)
}

func (o *outage) Update(ctx context.Context, key string, r cookies.Record) error {
	return errors.Join(o.fails(), o.Store.Update(ctx, key, r))
}

func (o *outage) Delete(ctx context.Context, key string) error {
	return errors.Join(o.fails(), o.Store.Delete(ctx, key))
}

func (o *outage) Count(context.Context, string, time.Duration) (int, error) { return 0, errOutage }

// gone is a provider that does not answer.
type gone struct{ provider }

func (g *gone) Open(authn.Env) (authn.Authenticator, error) { return g, nil }
func (g *gone) Begin(context.Context, *authn.Attempt) (authn.Reply, error) {
	return nil, authn.Unavailable("Northfield does not answer. Try again in a minute.", errors.New("no answer"))
}

const (
	glassPassword = "correct horse battery staple"
	glassReason   = "Directory down since 03:10, ward 7 needs the drug charts"
)

// ruin is an app with an emergency way in, and a button for when all is well.
type ruin struct {
	*Server
	t      *testing.T
	store  *outage
	db     *database.DB
	glass  *local.BreakGlass
	hook   *httptest.Server
	told   chan map[string]string
	log    *safeBuffer
	reload func()
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRuin(t *testing.T) *ruin {
	t.Helper()
	hash, err := local.Hash(glassPassword)
	if err != nil {
		t.Fatal(err)
	}
	w := &ruin{t: t, store: &outage{Store: memstore.New()}, told: make(chan map[string]string, 8), log: &safeBuffer{}}
	w.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]string
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		w.told <- m
	}))
	t.Cleanup(w.hook.Close)
	hook, err := url.Parse(w.hook.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.glass = &local.BreakGlass{
		Enabled: true, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Notify: hook,
		Users: []local.User{{User: "root-1", PasswordHash: authn.NewSecret(hash), Groups: []string{"admins"}}},
	}
	w.Server = newServer(t, w.store, mirror(t), nil)
	w.Log = slog.New(slog.NewTextHandler(w.log, nil))
	if w.db, err = database.Open(t.Context(), filepath.Join(t.TempDir(), "foregate.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	if w.Accounts, err = accounts.Open(t.Context(), accounts.DB{Writer: w.db.Writer, Reader: w.db.Reader}, accounts.Env{}); err != nil {
		t.Fatal(err)
	}
	old := w.set.Load().hosts["app.test"]
	app := &App{
		Name: "app", Hosts: old.Hosts, Methods: []string{"idp", "emergency"}, Kinds: []string{"staff"}, Upstream: old.Upstream,
		Audience: "app:app", Terms: map[string]Terms{"emergency": {Limits: cookies.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour}}},
	}
	app.Policy = NewPolicy(app.Methods, []Rule{{Path: "/admin/**", Allow: SignedIn, Groups: []string{"admins"}}}, app.Kinds...)
	w.reload = func() {
		glass := *w.glass
		w.Swap(NewSet([]*App{app}, []*Method{
			{Name: "idp", Title: "Sign in with Northfield", Config: &gone{}},
			{Name: "emergency", Title: "Emergency access", Config: &glass, Env: authn.Env{Name: "emergency", Log: w.Log}},
		}))
	}
	w.reload()
	return w
}

// burn makes everything fail that can.
func (w *ruin) burn() {
	w.store.down.Store(true)
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *ruin) browser() *signingIn {
	return &signingIn{t: w.t, s: w.Server, jar: make(map[string]string)}
}

// breaks is somebody who uses the emergency way.
func (w *ruin) breaks(b *signingIn, password, reason string) *httptest.ResponseRecorder {
	w.t.Helper()
	b.do("GET", "/sso/start/emergency?rd=/admin/x", nil)
	form := b.hidden
	form.Set("username", "root-1")
	form.Set("password", password)
	form.Set("reason", reason)
	return b.do("POST", "/sso/start/emergency", form)
}

func (w *ruin) figures() string {
	w.t.Helper()
	res := httptest.NewRecorder()
	admin.NewListener(admin.ListenerParts{Metrics: w.Metrics, Near: true}).ServeHTTP(res, httptest.NewRequest("GET", "/metrics", nil))
	return res.Body.String()
}

func TestLD9BreakGlassWorksWhenNothingElseDoes(t *testing.T) {
	w := newRuin(t)
	b := w.browser()
	before := person("nora", "") // who has a session from before
	before.Method, before.Kind = "idp", "staff"
	name, value, _ := strings.Cut(enterAs(t, w.Server, before), "=")
	b.jar[name] = value
	w.burn()
	w.Sessions.ForgetAll()

	if got := b.do("GET", "/wards/7", nil); got.Code != http.StatusServiceUnavailable {
		t.Fatalf("the store is not down: %d", got.Code)
	}
	page := b.do("GET", "/sso/sign-in?rd=/admin/x", nil)
	wantStatus(t, "sign-in page", page, http.StatusOK, "Emergency access")
	if got := b.do("GET", "/sso/start/idp", nil); got.Code != http.StatusServiceUnavailable {
		t.Errorf("the provider: %d", got.Code)
	}
	got := w.breaks(b, glassPassword, glassReason)
	if to := got.Header().Get("Location"); got.Code != http.StatusSeeOther || to != "/admin/x" {
		t.Fatalf("got %d %q:\n%s", got.Code, to, got.Body)
	}
	app := b.do("GET", "/admin/x", nil)
	if app.Code != http.StatusOK || app.Body.String() != "root-1 admins" {
		t.Errorf("application: %d %q", app.Code, app.Body)
	}
	session := b.do("GET", "/sso/session", nil)
	var said struct {
		Left int `json:"lifetime_seconds_left"`
	}
	if err := json.Unmarshal(session.Body.Bytes(), &said); err != nil || said.Left < 14*60 || said.Left > 15*60 {
		t.Errorf("session: %s, %v", session.Body, err)
	}

	// It is loud.
	want := map[string]string{"event": "break_glass", "user": "root-1", "reason": glassReason, "app": "app", "client": "192.0.2.1", "method": "emergency"}
	told := <-w.told
	for key, value := range want {
		if told[key] != value {
			t.Errorf("told %s %q, want %q", key, told[key], value)
		}
	}
	log := w.log.String()
	for _, words := range []string{"level=ERROR msg=\"break-glass: somebody came in by the emergency way\"", "user=root-1", glassReason, "the audit trail has no line of it"} {
		if !strings.Contains(log, words) {
			t.Errorf("the log does not say %q:\n%s", words, log)
		}
	}
	if strings.Contains(log, glassPassword) {
		t.Error("the log has the password")
	}
	if !strings.Contains(w.figures(), `foregate_break_glass_total{method="emergency",result="ok"} 1`) {
		t.Error("the figures do not say it")
	}

	// Signing out works too.
	b.do("POST", "/sso/sign-out", url.Values{})
	if got := b.do("GET", "/admin/x", nil); got.Code != http.StatusFound {
		t.Errorf("after signing out: %d", got.Code)
	}
}

func TestLD9BreakGlassIsAuditedWhereTheDatabaseAnswers(t *testing.T) {
	w := newRuin(t)
	wantStatus(t, "sign-in", w.breaks(w.browser(), glassPassword, glassReason), http.StatusSeeOther)
	events, err := w.Accounts.Audit.List(t.Context(), accounts.Filter{Action: "break_glass"})
	if err != nil || len(events) != 1 || events[0].Actor != "root-1" || events[0].Detail["reason"] != glassReason || events[0].Client != netip.MustParseAddr("192.0.2.1") || events[0].App != "app" {
		t.Errorf("got %+v, %v", events, err)
	}
}

func TestLD9BreakGlassIsSealedByDefault(t *testing.T) {
	w := newRuin(t)
	inside := w.browser()
	wantStatus(t, "while it is open", w.breaks(inside, glassPassword, glassReason), http.StatusSeeOther)
	<-w.told

	w.glass.Enabled = false
	w.reload() // as SIGHUP does
	if got := inside.do("GET", "/admin/x", nil); got.Code != http.StatusFound {
		t.Errorf("a session goes on: %d", got.Code)
	}
	b := w.browser()
	if page := b.do("GET", "/sso/sign-in?choose=1", nil); strings.Contains(page.Body.String(), "emergency") || strings.Contains(page.Body.String(), "Emergency") {
		t.Errorf("it is shown:\n%s", page.Body)
	}
	if got := w.breaks(b, glassPassword, glassReason); got.Code != http.StatusNotFound {
		t.Errorf("used: %d", got.Code)
	}
	if got := b.do("GET", "/sso/start/emergency", nil); got.Code != http.StatusNotFound {
		t.Errorf("begun: %d", got.Code)
	}
	if len(w.told) != 0 {
		t.Error("told of what did not happen")
	}
	w.burn()
	w.Sessions.ForgetAll()
	name, value, _ := strings.Cut(enterBefore(t, w), "=")
	b.jar[name] = value
	if got := b.do("GET", "/sso/sign-in", nil); got.Code != http.StatusServiceUnavailable {
		t.Errorf("without it an outage is an outage: %d", got.Code)
	}
}

// enterBefore is a session cookie whose record nobody can read now.
func enterBefore(t *testing.T, w *ruin) string {
	t.Helper()
	w.store.down.Store(false)
	cookie := enterAs(t, w.Server, person("nora", ""))
	w.store.down.Store(true)
	w.Sessions.ForgetAll()
	return cookie
}

func TestLD9BreakGlassIsForItsNetworksAlone(t *testing.T) {
	w := newRuin(t)
	inside := w.browser()
	wantStatus(t, "from within", w.breaks(inside, glassPassword, glassReason), http.StatusSeeOther)
	<-w.told
	cookie := cookieLine(inside.jar)
	for target, want := range map[string]int{"/admin/x": http.StatusFound, "/sso/start/emergency": http.StatusNotFound, "/sso/session": http.StatusUnauthorized} {
		r := httptest.NewRequest("GET", "http://app.test"+target, nil)
		r.RemoteAddr = "198.51.100.9:1234"
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Accept", "text/html")
		res := httptest.NewRecorder()
		w.ServeHTTP(res, r)
		if res.Code != want {
			t.Errorf("%s from elsewhere: %d, want %d", target, res.Code, want)
		}
	}
	if got := inside.do("GET", "/admin/x", nil); got.Code != http.StatusOK {
		t.Errorf("back within: %d", got.Code)
	}
}

func TestLD9WrongPasswordOfBreakGlassIsLoudToo(t *testing.T) {
	w := newRuin(t)
	b := w.browser()
	wantStatus(t, "wrong password", w.breaks(b, "wrong", glassReason), http.StatusUnprocessableEntity, "do not match", glassReason)
	wantStatus(t, "no reason", w.breaks(b, glassPassword, "help"), http.StatusUnprocessableEntity, "why you need this")
	if !strings.Contains(w.figures(), `foregate_break_glass_total{method="emergency",result="refused"} 2`) || strings.Count(w.log.String(), "level=ERROR") != 2 {
		t.Errorf("%s", w.log)
	}
	if got := b.do("GET", "/admin/x", nil); got.Code != http.StatusFound || len(w.told) != 0 {
		t.Errorf("signed in: %d", got.Code)
	}
}

// A lone session is only as good as its way in: who knows the session secret cannot make
// one for a method that keeps its sessions in the store.
func TestLD9LoneSessionOfAnotherMethodIsNone(t *testing.T) {
	w := newRuin(t)
	for _, method := range []string{"idp", "nothing"} {
		res := httptest.NewRecorder()
		id := authn.Identity{Method: method, Issuer: "https://idp.test", Subject: "x", User: "x", Kind: "staff", Emergency: true, Groups: []string{"admins"}}
		if _, err := w.Sessions.StartLone(res, false, cookies.Opening{Audience: "app:app", Limits: cookies.Limits{Lifetime: time.Minute}}, id); err != nil {
			t.Fatal(err)
		}
		for _, c := range res.Result().Cookies() {
			if c.Value == "" {
				continue
			}
			if got := send(w.Server, "GET", "/admin/x", c.Name+"="+c.Value, nil); got.Code != http.StatusUnauthorized {
				t.Errorf("%s: %d", method, got.Code)
			}
			wantIn(t, w.Server, c.Name+"="+c.Value, false)
		}
	}
}
