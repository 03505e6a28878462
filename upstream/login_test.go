package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"foregate/authn"
)

// own is an upstream that sends people's own names and passwords, and what OnError was
// told last.
func own(t *testing.T, to *url.URL, routes ...Route) (*Upstream, *error) {
	t.Helper()
	last := new(error)
	return open(t, Config{Route: Route{URL: to, PerUser: true}, Routes: routes, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		*last = err
		plainError(w, r, err)
	}}), last
}

func tripWith(t *testing.T, u *Upstream, id *authn.Identity, l *BasicUser) Trip {
	t.Helper()
	trip := tripFor(u, id)
	if err := trip.Who.KeepLogin(l); err != nil {
		t.Fatal(err)
	}
	return trip
}

func TestOwnLoginIsSentInPlaceOfTheClients(t *testing.T) {
	a := startApp(t, answerOK())
	u, _ := own(t, a.url)
	addr := front(t, u, tripWith(t, u, alice(), &BasicUser{"AARCHER", "pass:word ü"}))
	for _, spelling := range []string{"Authorization", "authorization", "AUTHORIZATION", "aUtHoRiZaTiOn", "Authorization_"} {
		send(t, addr, "GET / HTTP/1.1\r\nHost: app.test\r\n"+spelling+": Basic Ym9iOmJvYg==\r\n"+spelling+": Bearer x\r\nConnection: close\r\n\r\n")
		if got := values(a.head(t), "Authorization"); !slices.Equal(got, []string{"Basic QUFSQ0hFUjpwYXNzOndvcmQgw7w="}) {
			t.Errorf("%s: got %q", spelling, got)
		}
	}
	send(t, addr, "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Authorization, close\r\n\r\n")
	if got := values(a.head(t), "Authorization"); len(got) != 1 {
		t.Errorf("as a hop-by-hop header: got %q", got)
	}
	anonymous := front(t, u, tripFor(u, nil))
	send(t, anonymous, "GET / HTTP/1.1\r\nHost: app.test\r\nAuthorization: Basic Ym9iOmJvYg==\r\nConnection: close\r\n\r\n")
	if got := values(a.head(t), "Authorization"); got != nil {
		t.Errorf("for nobody %q was sent", got)
	}
}

func TestWithoutOwnLoginNothingIsSent(t *testing.T) {
	a := startApp(t, answerOK())
	u, last := own(t, a.url, Route{Path: "/open", URL: a.url})
	known := tripWith(t, u, alice(), nil)
	for _, trip := range []Trip{tripFor(u, alice()), known} {
		addr := front(t, u, trip)
		if res, _, _ := send(t, addr, plainGet); res.StatusCode != http.StatusForbidden || !errors.Is(*last, ErrNoLogin) {
			t.Errorf("got %d, %v", res.StatusCode, *last)
		}
		res, _, _ := send(t, addr, "GET /open/x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n")
		if got := values(a.head(t), "Authorization"); res.StatusCode != http.StatusOK || !slices.Equal(got, []string{"Bearer x"}) {
			t.Errorf("beside it: got %d, %q", res.StatusCode, got)
		}
	}
	if len(a.heads) != 0 {
		t.Error("the application was asked")
	}
	if !known.Who.HasLogin() || tripFor(u, alice()).Who.HasLogin() {
		t.Error("what is known of a login is told wrongly")
	}
	for path, want := range map[string]bool{"/": true, "/x": true, "/open": false, "/open/x": false} {
		if got := u.AsksLogin(&url.URL{Path: path}); got != want {
			t.Errorf("%s: asks %v", path, got)
		}
	}
}

func TestRefusedOwnLogin(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 4\r\n\r\nwho?"))
	u, last := own(t, a.url)
	trip := tripWith(t, u, alice(), &BasicUser{"a", "b"})
	res, body, _ := send(t, front(t, u, trip), plainGet)
	if res.StatusCode != http.StatusUnauthorized || body != "who?" || res.Header["Www-Authenticate"] != nil || *last != nil {
		t.Errorf("a script got %d %q, %v, %v", res.StatusCode, body, res.Header, *last)
	}
	trip.Page = true
	res, body, _ = send(t, front(t, u, trip), plainGet)
	if res.StatusCode != http.StatusForbidden || strings.Contains(body, "who?") || !errors.Is(*last, ErrLoginRefused) {
		t.Errorf("a page got %d %q, %v", res.StatusCode, body, *last)
	}
	// What is asked for nobody is the application's own affair.
	nobody := tripFor(u, nil)
	nobody.Page = true
	if res, body, _ := send(t, front(t, u, nobody), plainGet); res.StatusCode != http.StatusUnauthorized || body != "who?" || res.Header["Www-Authenticate"] != nil {
		t.Errorf("nobody got %d %q, %v", res.StatusCode, body, res.Header)
	}
}

func TestLoginsOfSeveralApplications(t *testing.T) {
	first := open(t, Config{Name: "first", Route: Route{URL: nowhere(), PerUser: true}})
	second := open(t, Config{Name: "second", Route: Route{URL: nowhere(), PerUser: true}})
	a := first.Credentials(alice())
	header := func(c *Credentials) string {
		if l := c.login(); l != nil && l.header != nil {
			return l.header[0]
		}
		return ""
	}
	keep := func(c *Credentials, l *BasicUser) {
		t.Helper()
		if err := c.KeepLogin(l); err != nil {
			t.Fatal(err)
		}
	}
	keep(a, &BasicUser{"a", "1"})
	b := second.Credentials(alice())
	b.Inherit(a)
	b.Inherit(nil)
	if b.HasLogin() {
		t.Error("one application's login is another's")
	}
	keep(b, &BasicUser{"b", "2"})
	again := first.Credentials(alice())
	again.Inherit(b)
	if got := header(again); got != header(a) {
		t.Errorf("got %q, want %q", got, header(a))
	}
	keep(again, &BasicUser{"a", "3"})
	keep(again, nil)
	if !again.HasLogin() || header(again) != "" || header(a) == "" {
		t.Errorf("got %q and %q", header(again), header(a))
	}
	n := 0
	for l := again.logins.Load(); l != nil; l = l.next {
		n++
	}
	if n != 2 {
		t.Errorf("%d are kept for two applications", n)
	}
	if err := again.KeepLogin(&BasicUser{"a:b", "x"}); err == nil {
		t.Error("a name that cannot be sent is kept")
	}
}

// TestTwoPeopleNeverGetEachOthersLogin shares connections to the application among both.
func TestTwoPeopleNeverGetEachOthersLogin(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = fmt.Fprint(w, r.Header.Get("X-Forwarded-User"), " ", user, " ", password)
	}))
	t.Cleanup(app.Close)
	to, _ := url.Parse(app.URL)
	u, _ := own(t, to)
	bob := alice()
	bob.User, bob.Subject = "bob", "0018"
	var all sync.WaitGroup
	for who, trip := range map[string]Trip{
		"alice AARCHER 1": tripWith(t, u, alice(), &BasicUser{"AARCHER", "1"}), "bob BBAKER 2": tripWith(t, u, bob, &BasicUser{"BBAKER", "2"}),
	} {
		addr := front(t, u, trip)
		for range 50 {
			all.Go(func() {
				for range 4 {
					res, err := http.Get("http://" + addr)
					if err != nil {
						t.Error(err)
						return
					}
					body, _ := io.ReadAll(res.Body)
					res.Body.Close()
					if string(body) != who {
						t.Errorf("got %q, want %q", body, who)
					}
				}
			})
		}
	}
	all.Wait()
}

func TestOwnLoginIsChecked(t *testing.T) {
	for _, r := range []Route{
		{URL: nowhere(), PerUser: true, Basic: &BasicUser{"a", "b"}},
		{Folder: "/", PerUser: true},
	} {
		if _, err := New(Config{Name: "careplan", Route: r}, nil); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}
