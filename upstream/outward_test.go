package upstream

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

func TestInnerNamesDoNotReachBrowsers(t *testing.T) {
	var header atomic.Value
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := a.next(in); !ok {
				return
			}
			io.WriteString(c, "HTTP/1.1 302 Found\r\n"+header.Load().(string)+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	based := *a.url
	based.Path = "/base"
	u := open(t, Config{
		Route: Route{URL: a.url, HostHeader: "inner.example:8080"},
		Routes: []Route{
			{Path: "/api", Rewrite: "/v2/", URL: a.url},
			{Path: "/flat", Rewrite: "/", URL: a.url},
			{Path: "/deep", URL: &based},
		},
	})
	addr, own := front(t, u, tripFor(u, nil)), a.url.Host
	for _, c := range []struct{ path, name, sent, want string }{
		{"/", "Location", "http://" + own + "/a?b=http://x#c", "https://app.test/a?b=http://x#c"},
		{"/", "Location", "//" + own, "https://app.test"},
		{"/", "Location", "http://INNER.example:8080?x", "https://app.test?x"},
		{"/", "Location", "http://inner.example:8081/a", "http://inner.example:8081/a"},
		{"/", "Location", "http://" + own + ".evil.test/", "http://" + own + ".evil.test/"},
		{"/", "Location", "http://" + own + "@evil.test/", "http://" + own + "@evil.test/"},
		{"/", "Location", "ftp://" + own + "/a", "ftp://" + own + "/a"},
		{"/", "Location", "/v2/a%2fb", "/v2/a%2fb"},
		{"/", "Location", "a/../b", "a/../b"},
		{"/", "Location", "http://%zz/", "http://%zz/"},
		{"/", "Content-Location", "http://inner.example:8080/a%20b", "https://app.test/a%20b"},
		{"/", "Refresh", "5; URL=http://" + own + "/a", "5; URL=https://app.test/a"},
		{"/", "Refresh", "0;url='http://" + own + "/a'", "0;url='https://app.test/a'"},
		{"/", "Refresh", "5", "5"},
		{"/api/x", "Location", "/v2/a%2fb?c", "/api/a%2fb?c"},
		{"/api/x", "Location", "/v2", "/api"},
		{"/api/x", "Location", "/v20", "/v20"},
		{"/api/x", "Location", "http://" + own + "/v2/a", "https://app.test/api/a"},
		{"/api/x", "Location", "http://" + own + "/else", "https://app.test/else"},
		{"/flat/x", "Location", "/a", "/flat/a"},
		{"/deep/x", "Location", "/base/deep/y", "/deep/y"},
		{"/deep/x", "Location", "/base//evil.test", "/base//evil.test"}, // never somebody else's host
		{"/deep/x", "Location", `/base/\evil.test`, `/base/\evil.test`},
		{"/deep/x", "Location", "/base", "/"},
		{"/", "Set-Cookie", "a=b; Domain=.inner.example; Path=/x;  HttpOnly", "a=b; Path=/x;  HttpOnly"},
		{"/", "Set-Cookie", "a=b; domain=127.0.0.1", "a=b"},
		{"/", "Set-Cookie", "a=b; Domain=app.test", "a=b; Domain=app.test"},
		{"/", "Set-Cookie", "a=Domain=127.0.0.1", "a=Domain=127.0.0.1"},
		{"/api/x", "Set-Cookie", "a=b;Path=/v2/c", "a=b;Path=/api/c"},
		{"/flat/x", "Set-Cookie", "a=b; Path=/", "a=b; Path=/"},
	} {
		header.Store(c.name + ": " + c.sent)
		res, _, _ := send(t, addr, "GET "+c.path+" HTTP/1.1\r\nHost: app.test\r\n\r\n")
		if got := res.Header.Get(c.name); got != c.want {
			t.Errorf("%s: %s: %s arrived as %s, want %s", c.path, c.name, c.sent, got, c.want)
		}
	}
}

func FuzzOutwardURLKeepsToOneHost(f *testing.F) {
	for _, s := range []string{"/base//evil.test", "//127.0.0.1:9000//evil.test", "/base/\\x", "http://127.0.0.1:9000@evil.test", "/base?//x"} {
		f.Add(s)
	}
	u := open(f, Config{
		Route: Route{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:9000", Path: "/base"}},
	})
	p := &passage{trip: &Trip{Scheme: "https", Host: "app.test"}, route: u.routes[0]}
	browser := &url.URL{Scheme: "https", Host: "app.test", Path: "/"}
	f.Fuzz(func(t *testing.T, ref string) {
		before, err := url.Parse(ref)
		after, err2 := url.Parse(p.outwardURL(ref))
		if err != nil || err2 != nil {
			return
		}
		host := browser.ResolveReference(after).Host
		if host != "app.test" && host != browser.ResolveReference(before).Host {
			t.Errorf("%q became %q", ref, after)
		}
	})
}
