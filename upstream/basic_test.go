package upstream

import (
	"net/http"
	"strings"
	"testing"

	"foregate/authn"
)

func TestBasicUserIsSentForWhoIsSignedInAndNothingElse(t *testing.T) {
	a := startApp(t, answerWith("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"))
	u := open(t, Config{Route: Route{URL: a.url, Basic: &BasicUser{"ward", "pass:wörd"}}})
	request := "GET / HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer of-the-client\r\nauthorization: Basic x\r\nAuthorization_: Basic y\r\n\r\n"
	for _, one := range []struct {
		who  *authn.Identity
		want string
	}{{alice(), "Basic d2FyZDpwYXNzOnfDtnJk"}, {&authn.Identity{}, ""}, {nil, ""}} {
		res, _, _ := send(t, front(t, u, tripFor(u, one.who)), request)
		if got := strings.Join(values(a.head(t), "Authorization"), ","); got != one.want {
			t.Errorf("%v: sent %q, want %q", one.who, got, one.want)
		}
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Www-Authenticate") != "" {
			t.Errorf("a person is asked for a password: %d %v", res.StatusCode, res.Header)
		}
	}
	plain := open(t, Config{Route: Route{URL: a.url}})
	res, _, _ := send(t, front(t, plain, tripFor(plain, alice())), "GET / HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer of-the-client\r\n\r\n")
	if got := values(a.head(t), "Authorization"); len(got) != 1 || got[0] != "Bearer of-the-client" || res.Header.Get("Www-Authenticate") == "" {
		t.Errorf("without a user: %v %v", got, res.Header)
	}
}

func TestBasicUserThatCannotBeWritten(t *testing.T) {
	for _, b := range []BasicUser{{"", "p"}, {"u", ""}, {"a:b", "p"}, {"u", "p\n"}, {strings.Repeat("u", 1025), "p"}} {
		if _, err := New(Config{Name: "app", Route: Route{URL: nowhere(), Basic: &b}}, nil); err == nil {
			t.Errorf("%q is taken", b)
		}
	}
}
