package proxy

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"foregate/authn"
)

// colliding are names and passwords that are the same when they are written one behind the
// other, in whatever way the two are kept apart.
var colliding = [][2]string{
	{"", "abc"}, {"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"a b", "c"}, {"a", "b c"}, {"a:b", "c"}, {"a", "b:c"}, {"a\x00b", "c"}, {"a", "b\x00c"},
	{"a|b", "c"}, {"a", "b|c"}, {"1 a", "b"}, {"1", "a b"}, {"1 1 a", "b"}, {"both 1 a", "b"}, {"a", "b"}, {"A", "bc"}, {"a", "BC"}, {"ａ", "bc"},
}

// TestPB13NamesAndPasswordsNeverCross: asked for at the same time, and then from memory,
// each is answered with its own person.
func TestPB13NamesAndPasswordsNeverCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := newProved(Cache{For: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var asked sync.Map
		get := func(user, password string) string {
			who, err := p.get(t.Context(), user, password, func(context.Context) (*vouched, error) {
				asked.Store(user+"\n"+password, true)
				time.Sleep(time.Second) // until all have asked
				return &vouched{who: authn.Identity{User: user + "\n" + password}}, nil
			})
			if err != nil {
				t.Error(err)
				return ""
			}
			return who.who.User
		}
		for range 2 {
			var all sync.WaitGroup
			for _, c := range colliding {
				for range 3 {
					all.Go(func() {
						if got := get(c[0], c[1]); got != c[0]+"\n"+c[1] {
							t.Errorf("%q is answered as %q", c, got)
						}
					})
				}
			}
			all.Wait()
		}
		for _, c := range colliding {
			if _, ok := asked.Load(c[0] + "\n" + c[1]); !ok {
				t.Errorf("%q was never asked about", c)
			}
		}
	})
}

// TestPB13ProgramsNeverCross: the same by HTTP Basic, with accounts whose names and passwords
// run together to the same text.
func TestPB13ProgramsNeverCross(t *testing.T) {
	w := newBasicWard(t, "optional")
	const tail = "correct horse battery"
	people := map[string]string{"nora": "x" + tail, "norax": tail}
	for name, password := range people {
		w.account(name, password)
	}
	var all sync.WaitGroup
	for name, password := range people {
		for range 10 {
			all.Go(func() {
				if res := w.ask(name, password, program1); res.Code != http.StatusOK || !strings.HasPrefix(res.Body.String(), name+" [") {
					t.Errorf("%s: %d %s", name, res.Code, res.Body)
				}
			})
		}
	}
	all.Wait()
	for name, password := range map[string]string{"nor": "ax" + tail, "norax" + tail[:1]: tail[1:], "norax": "x" + tail, "nora": tail} {
		w.want(w.ask(name, password, program1), http.StatusUnauthorized, "refused")
	}
	for name, password := range people {
		w.want(w.ask(name, password, program1), http.StatusOK, name+" [nurse]")
	}
}

// TestPB13OneAppsProofIsNotAnothers: the same name and password at the host of another app are
// asked about again, by that app's method, and never answered from what this one remembers.
func TestPB13OneAppsProofIsNotAnothers(t *testing.T) {
	w := newBasicWard(t, "optional")
	set := w.set.Load()
	other := *set.hosts["app.test"]
	other.Name = "other"
	basic, err := NewBasic("nobody", Cache{For: time.Minute}) // a method that is not there
	if err != nil {
		t.Fatal(err)
	}
	other.Basic = basic
	set.hosts["other.test"] = &other
	w.want(w.ask("alice", alicesPassword, program1), http.StatusOK, "alice")
	r := httptest.NewRequest(http.MethodGet, "https://other.test/api", nil)
	r.TLS, r.RemoteAddr = &tls.ConnectionState{}, program1+":1"
	r.SetBasicAuth("alice", alicesPassword)
	res := httptest.NewRecorder()
	w.ServeHTTP(res, r)
	if res.Code == http.StatusOK {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	w.want(w.ask("alice", alicesPassword, program1), http.StatusOK, "alice")
}
