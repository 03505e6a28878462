package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLongestPathDecidesWhereARequestGoes(t *testing.T) {
	rest, api, old := startApp(t, answerOK()), startApp(t, answerOK()), startApp(t, answerOK())
	base := *old.url
	base.Path = "/base/"
	addr := front(t, open(t, Config{
		Route: Route{URL: rest.url},
		Routes: []Route{
			{Path: "/api/", URL: api.url, Rewrite: "/v2/"},
			{Path: "/api/old", URL: &base, Rewrite: "/"},
			{Path: "/é", URL: api.url, HostHeader: "inner.test"},
		},
	}), Trip{})
	for target, want := range map[string]struct {
		app  *app
		line string
	}{
		"/":                    {rest, "/"},
		"/apis":                {rest, "/apis"},
		"/API/x":               {rest, "/API/x"},
		"/api":                 {api, "/v2"},
		"/api/":                {api, "/v2/"},
		"/api/x?y=/api/old":    {api, "/v2/x?y=/api/old"},
		"/api/a%20b":           {api, "/v2/a%20b"},
		"/%61pi/x%2Fy":         {api, "/v2/x%2Fy"},
		"/api%2Fx":             {rest, "/api%2Fx"}, // an encoded slash parts nothing
		"/ap%69%2fold/x":       {rest, "/ap%69%2fold/x"},
		"/api/older":           {api, "/v2/older"},
		"/api/old":             {old, "/base/"},
		"/api/old/x/":          {old, "/base/x/"},
		"/api/%6F%6cd/%61":     {old, "/base/%61"},
		"/%C3%A9/x":            {api, "/%C3%A9/x"},
		"/%c3%a9x":             {rest, "/%c3%a9x"},
		"/api/x/%2e%2e/y":      {api, "/v2/x/%2e%2e/y"},
		"/x/api/y":             {rest, "/x/api/y"},
		"/api/old/api/old/%3F": {old, "/base/api/old/%3F"},
	} {
		if res, _, _ := send(t, addr, "GET "+target+" HTTP/1.1\r\nHost: app.test\r\n\r\n"); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", target, res.StatusCode)
		}
		head := want.app.head(t)
		if got := strings.Fields(head)[1]; got != want.line {
			t.Errorf("%s went out as %s, want %s", target, got, want.line)
		}
		host := "app.test"
		if target == "/%C3%A9/x" {
			host = "inner.test"
		}
		if got := values(head, "Host"); len(got) != 1 || got[0] != host {
			t.Errorf("%s: Host %q, want %q", target, got, host)
		}
	}
}

func TestRouteHasItsOwnPatienceAndLimit(t *testing.T) {
	slow := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		if _, ok := a.next(in); ok {
			time.Sleep(300 * time.Millisecond)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
	})
	addr := front(t, open(t, Config{
		Route:  Route{URL: slow.url},
		Routes: []Route{{Path: "/quick", URL: slow.url, MaxBody: 3, Timeouts: Timeouts{ResponseHeader: 50 * time.Millisecond}}},
	}), Trip{})
	for request, want := range map[string]int{
		"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n":                                                      http.StatusGatewayTimeout,
		"GET /other HTTP/1.1\r\nHost: a\r\n\r\n":                                                      http.StatusOK,
		"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd":                            http.StatusRequestEntityTooLarge,
		"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n": http.StatusRequestEntityTooLarge,
		"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc":                             http.StatusGatewayTimeout,
		"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd":                            http.StatusOK,
	} {
		if res, _, _ := send(t, addr, request); res.StatusCode != want {
			t.Errorf("%q: status %d, want %d", request, res.StatusCode, want)
		}
	}
}

func TestRoutesThatCannotBeTold(t *testing.T) {
	for want, routes := range map[string][]Route{
		"two routes have the path":      {{Path: "/a", URL: nowhere()}, {Path: "/a/", URL: nowhere()}},
		"begin with a slash":            {{Path: "a", URL: nowhere()}},
		"two routes have the path \"\"": {{URL: nowhere()}},
		"has no host":                   {{Path: "/a", URL: &url.URL{Scheme: "http"}}},
	} {
		if _, err := New(Config{Name: "a", Route: Route{URL: nowhere()}, Routes: routes}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
