package proxy

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/cookies/memstore"
)

func TestMaintenanceKeepsAllOffButTheExempt(t *testing.T) {
	ward, desk := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.9")
	nurse, admin := &authn.Identity{Roles: []string{"nurse"}}, &authn.Identity{Roles: []string{"nurse", "administrator"}}
	m := &Maintenance{On: true, RetryAfter: time.Minute, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Roles: []string{"administrator"}}
	for _, c := range []struct {
		from netip.Addr
		who  *authn.Identity
		kept bool
	}{{ward, nurse, true}, {ward, nil, true}, {netip.Addr{}, nil, true}, {ward, admin, false}, {desk, nurse, false}, {desk, nil, false}} {
		err := m.refuse(c.from, c.who)
		if (err != nil) != c.kept {
			t.Errorf("%v %+v: %v", c.from, c.who, err)
		}
		var said *authn.Error
		if err != nil && (!errors.As(err, &said) || said.Status != http.StatusServiceUnavailable || said.RetryAfter != time.Minute || said.Public == "") {
			t.Errorf("answered with %+v", said)
		}
	}
	if err := (*Maintenance)(nil).refuse(ward, nurse); err != nil {
		t.Errorf("without maintenance: %v", err)
	}
}

func TestMaintenanceFollowsAFileWithinASecond(t *testing.T) {
	file := filepath.Join(t.TempDir(), "maintenance")
	m := &Maintenance{File: file}
	turns := func(want bool) {
		t.Helper()
		end := time.Now().Add(5 * time.Second)
		for m.on() != want {
			if time.Now().After(end) {
				t.Fatalf("on is not %v", want)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	turns(false)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	turns(true)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	turns(false)
	if n := testing.AllocsPerRun(100, func() { m.on() }); n > 0.5 {
		t.Errorf("%v allocations", n)
	}
}

func TestMaintenanceAnswersInPlaceOfTheApplication(t *testing.T) {
	asked := 0
	a := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(a.Close)
	to, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, memstore.New(), to, nil)
	s.Set().Apps()[0].Maintenance = &Maintenance{On: true, Message: "Back at <6>.", RetryAfter: time.Hour}
	cookie := sessionOf(t, s)
	get := func(path, cookie, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://app.test"+path, nil)
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for accept, words := range map[string]string{"text/html": "Back at &lt;6&gt;.", "application/json": `"message":"Back at`} {
		w := get("/ward", cookie, accept)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "3600" || !strings.Contains(w.Body.String(), words) {
			t.Errorf("%s: %d %v\n%s", accept, w.Code, w.Header(), w.Body)
		}
	}
	if w := get("/ward", "", "text/html"); w.Code != http.StatusFound {
		t.Errorf("a stranger: %d, want to be asked to sign in", w.Code)
	}
	if asked > 0 {
		t.Errorf("the application was asked %d times", asked)
	}
	s.Set().Apps()[0].Maintenance.On = false
	if w := get("/ward", cookie, "text/html"); w.Code != http.StatusOK || asked != 1 {
		t.Errorf("afterwards: %d, asked %d times", w.Code, asked)
	}
}
