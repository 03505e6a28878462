package proxy

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn/accounts"
	"foregate/upstream"
)

// basicWard is a hospital with an app that programs may use, and a clock for what is
// remembered of them.
type basicWard struct {
	*hospital
	ahead atomic.Int64
}

func newBasicWard(t *testing.T, totp string) *basicWard {
	t.Helper()
	w := &basicWard{hospital: newHospital(t, totp)}
	srv := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(res, "%s [%s] auth=%q", r.Header.Get("X-Forwarded-User"), r.Header.Get("X-Forwarded-Roles"), r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	app := w.set.Load().hosts["app.test"]
	app.Upstream, err = upstream.New(upstream.Config{Name: "app", Route: upstream.Route{URL: to}, OwnCookie: w.Sessions.Own, StripCookies: w.Sessions.StripOwn, OnError: w.UpstreamFailed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Upstream.Close)
	app.Basic, err = NewBasic("local", Cache{For: time.Minute, Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	app.Policy = NewPolicy(app.Methods, []Rule{{Path: "/admin/**", Roles: []string{"administrator"}, Allow: SignedIn}})
	return w
}

// ask makes a program's request over https from an address, with headers as pairs.
func (w *basicWard) ask(user, password, client string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://app.test/api", nil)
	r.TLS, r.RemoteAddr = &tls.ConnectionState{}, client+":4711"
	r.SetBasicAuth(user, password)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res := httptest.NewRecorder()
	w.ServeHTTP(res, r)
	return res
}

func (w *basicWard) want(res *httptest.ResponseRecorder, code int, said string) {
	w.t.Helper()
	if res.Code != code || !strings.Contains(res.Body.String(), said) {
		w.t.Fatalf("%d %s, want %d with %q", res.Code, res.Body, code, said)
	}
}

const program1 = "192.0.2.7"

func TestProgramsUseAnAppWithUserNameAndPassword(t *testing.T) {
	w := newBasicWard(t, "optional")
	res := w.ask("alice", alicesPassword, program1)
	w.want(res, http.StatusOK, `alice [nurse] auth=""`)
	if res.Header().Get("Set-Cookie") != "" {
		t.Errorf("a cookie: %s", res.Header().Get("Set-Cookie"))
	}
	res = w.ask("alice", "wrong", program1)
	w.want(res, http.StatusUnauthorized, "refused")
	if got := res.Header().Get("WWW-Authenticate"); got != `Basic realm="app", charset="UTF-8"` {
		t.Errorf("challenge %q", got)
	}
	w.want(w.ask("nobody", alicesPassword, program1), http.StatusUnauthorized, "refused")
	w.want(w.ask("", "", program1), http.StatusUnauthorized, "refused")
	bare := w.ask("", "", program1, "Authorization", "Bearer x")
	if bare.Code != http.StatusUnauthorized || bare.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without a password: %d, %q", bare.Code, bare.Header().Get("WWW-Authenticate"))
	}
	w.want(w.ask("", "", program1, "Authorization", "Basic ?"), http.StatusBadRequest, "")

	r := httptest.NewRequest(http.MethodGet, "https://app.test/admin/x", nil)
	r.TLS, r.RemoteAddr = &tls.ConnectionState{}, program1+":1"
	r.SetBasicAuth("alice", alicesPassword)
	res = httptest.NewRecorder()
	w.ServeHTTP(res, r)
	w.want(res, http.StatusForbidden, "")
}

// TestBrowsersAreNotAskedByBasic: their grey box would send the password with every
// request, of any site's page.
func TestBrowsersAreNotAskedByBasic(t *testing.T) {
	w := newBasicWard(t, "optional")
	for name, headers := range map[string][]string{
		"a page":         {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		"an older page":  {"Accept", "text/html"},
		"a script":       {"Sec-Fetch-Mode", "cors"},
		"an image":       {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site"},
		"another's form": {"Origin", "https://evil.example"},
		"an old script":  {"X-Requested-With", "XMLHttpRequest"},
		"a socket":       {"Upgrade", "websocket", "Connection", "Upgrade"},
	} {
		res := w.ask("alice", alicesPassword, program1, headers...)
		if res.Code != http.StatusFound && res.Code != http.StatusUnauthorized || res.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d, %q", name, res.Code, res.Header().Get("WWW-Authenticate"))
		}
	}
}

func TestBasicOverPlainHTTPIsForThisMachineOnly(t *testing.T) {
	w := newBasicWard(t, "optional")
	for client, want := range map[string]int{"127.0.0.1": http.StatusOK, program1: http.StatusForbidden} {
		r := httptest.NewRequest(http.MethodGet, "http://app.test/api", nil)
		r.RemoteAddr = client + ":1"
		r.SetBasicAuth("alice", alicesPassword)
		res := httptest.NewRecorder()
		w.ServeHTTP(res, r)
		if res.Code != want {
			t.Errorf("%s: %d %s, want %d", client, res.Code, res.Body, want)
		}
	}
}

func TestSecondFactorIsNotLeftOutByBasic(t *testing.T) {
	w := newBasicWard(t, "required")
	w.want(w.ask("alice", alicesPassword, program1), http.StatusUnauthorized, "refused")
}

func TestChangedPasswordEndsWhatIsRemembered(t *testing.T) {
	w := newBasicWard(t, "optional")
	const next = "another horse battery"
	w.want(w.ask("alice", alicesPassword, program1), http.StatusOK, "alice")
	if err := w.people.SetPassword(t.Context(), accounts.Context{Actor: "desk"}, w.alice.ID, next); err != nil {
		t.Fatal(err)
	}
	w.want(w.ask("alice", alicesPassword, program1), http.StatusOK, "alice") // as documented: for a minute
	w.want(w.ask("alice", next, program1), http.StatusOK, "alice")           // holds at once, and in its place
	w.want(w.ask("alice", alicesPassword, program1), http.StatusUnauthorized, "refused")
	w.want(w.ask("alice", next, program1), http.StatusOK, "alice")
	if err := w.people.Disable(t.Context(), accounts.Context{Actor: "desk"}, w.alice.ID); err != nil {
		t.Fatal(err)
	}
	w.ahead.Store(int64(time.Minute))
	w.want(w.ask("alice", next, program1), http.StatusUnauthorized, "refused")
}

func TestGuessingByBasicEndsInTheLockout(t *testing.T) {
	w := newBasicWard(t, "optional")
	for i := range 10 {
		w.want(w.ask([]string{"alice", "ALICE", "ａｌｉｃｅ"}[i%3], fmt.Sprint("guess ", i), program1), http.StatusUnauthorized, "refused")
	}
	w.want(w.ask("alice", alicesPassword, program1), http.StatusUnauthorized, "refused")
	w.want(w.ask("alice", alicesPassword, "198.51.100.7"), http.StatusOK, "alice") // she is elsewhere
}

// TestBurstOfOneProgramIsProvedOnce: 50 at a time would be 50 tries, and a lockout.
func TestBurstOfOneProgramIsProvedOnce(t *testing.T) {
	w := newBasicWard(t, "optional")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if res := w.ask("alice", alicesPassword, program1); res.Code != http.StatusOK {
				t.Errorf("%d %s", res.Code, res.Body)
			}
		})
	}
	all.Wait()
	events, err := w.people.Audit.List(t.Context(), accounts.Filter{Action: "sign_in", Limit: 100})
	if err != nil || len(events) != 1 {
		t.Errorf("proved %d times, %v", len(events), err)
	}
}

func TestRememberedPasswordsAreBoundedAndOfThisProcess(t *testing.T) {
	p, err := newProved(Cache{For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxProved + 100 {
		user := fmt.Sprint("user", i)
		p.note(p.digest("name", user, ""), p.digest("both", user, "hunter2-secret"), &vouched{})
	}
	if len(p.all) != maxProved {
		t.Errorf("%d are remembered", len(p.all))
	}
	other, err := newProved(Cache{For: time.Minute})
	if err != nil || other.digest("both", "a", "b") == p.digest("both", "a", "b") || p.digest("both", "a", "bc") == p.digest("both", "ab", "c") {
		t.Error("another process, or another split, has the same digest")
	}
}
