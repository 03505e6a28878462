package upstream

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func spellings(name string) []string {
	return []string{
		name, strings.ToLower(name), strings.ToUpper(name),
		strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", "~"),
		strings.Replace(name, "-", "_", 1), name + "!", name + "_", "_" + name,
	}
}

func TestHD1HeadersOfClientsNeverArriveInAnySpelling(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}, Assertion: true, Strip: []string{"SM_USER", "Authorization"}})
	forbidden := slices.Concat(u.cfg.Headers.Names(), []string{
		AssertionHeader, "X-Foregate-Anything", "Remote-User", "Remote-Groups", "X-Auth-Request-User", "X-Auth-Request-Redirect",
		"SM-User", "Authorization", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-URL",
		"X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Proxy-Authorization", "Proxy", "X-Request-ID",
	})
	var raw strings.Builder
	raw.WriteString("GET / HTTP/1.1\r\nHost: app.test\r\n")
	for _, name := range forbidden {
		for _, spelt := range spellings(name) {
			raw.WriteString(spelt + ": evil\r\n" + spelt + ": evil, more evil\r\n")
		}
	}
	raw.WriteString("X-Harmless: evil-not\r\nX_Trace.Id: kept\r\nConnection: close\r\n\r\n")
	for _, who := range []string{"alice", "nobody"} {
		t.Run(who, func(t *testing.T) {
			trip := tripFor(u, alice())
			if who == "nobody" {
				trip = tripFor(u, nil)
			}
			send(t, front(t, u, trip), raw.String())
			head := a.head(t)
			if strings.Contains(head, ": evil\r\n") || strings.Contains(head, "more evil") {
				t.Errorf("a client's header arrived:\n%s", head)
			}
			if got := values(head, "X-Trace-Id"); !slices.Equal(got, []string{"kept"}) {
				t.Errorf("a harmless header arrived as %q", got)
			}
			for _, name := range append(u.cfg.Headers.Names(), AssertionHeader) {
				if got, want := len(values(head, name)), map[string]int{"alice": 1}[who]; got != want {
					t.Errorf("%d lines of %s, want %d", got, name, want)
				}
			}
		})
	}
}

func TestB2AuthorizationPassesUnlessItIsAnIdentityHeader(t *testing.T) {
	a := startApp(t, answerOK())
	raw := "GET / HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n"

	u := open(t, Config{Route: Route{URL: a.url}})
	send(t, front(t, u, tripFor(u, alice())), raw)
	if got := values(a.head(t), "Authorization"); !slices.Equal(got, []string{"Bearer x"}) {
		t.Errorf("got %q", got)
	}
	u = open(t, Config{Route: Route{URL: a.url}, Headers: Headers{Map: map[string]Source{"Authorization": {Claim: "email"}}}})
	send(t, front(t, u, tripFor(u, alice())), raw)
	if got := values(a.head(t), "Authorization"); !slices.Equal(got, []string{"alice@hospital.example"}) {
		t.Errorf("got %q", got)
	}
}

func TestHD2ClaimWithoutValueLeavesTheHeaderAbsent(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}})
	id := alice()
	id.Groups, id.Email = nil, ""
	send(t, front(t, u, tripFor(u, id)),
		"GET / HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-Groups: admins\r\nX_Forwarded_Email: root@evil\r\nConnection: close\r\n\r\n")
	head := a.head(t)
	if got := slices.Concat(values(head, "X-Forwarded-Groups"), values(head, "X-Forwarded-Email")); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestB1HD3ConnectionHeaderCannotRemoveIdentity(t *testing.T) {
	a := startApp(t, answerOK())
	u := open(t, Config{Route: Route{URL: a.url}, Assertion: true})
	send(t, front(t, u, tripFor(u, alice())), "GET / HTTP/1.1\r\nHost: app.test\r\n"+
		"Connection: close, X-Forwarded-User, x-forwarded-groups, X-Real-Ip, X-Forwarded-For, X-Foregate-Assertion, X-Request-Id\r\n"+
		"Keep-Alive: X-Forwarded-User\r\nProxy-Connection: X-Forwarded-User\r\nTE: trailers\r\n\r\n")
	head := a.head(t)
	for name, want := range map[string]string{
		"X-Forwarded-User": "alice", "X-Forwarded-Groups": "users", "X-Real-Ip": "192.0.2.7", "X-Forwarded-For": "192.0.2.7", "X-Request-Id": "req-1",
	} {
		if got := values(head, name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(values(head, AssertionHeader)) != 1 {
		t.Error("the assertion is gone")
	}
}

func TestB8HD8ForwardingHeadersAreOurViewAlone(t *testing.T) {
	a := startApp(t, answerOK())
	for _, c := range []struct{ name, setting, wantHost string }{
		{"the browser's host is kept", "", "app.test"},
		{"another host is sent", "internal.example:8080", "internal.example:8080"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := open(t, Config{Route: Route{URL: a.url, HostHeader: c.setting}})
			send(t, front(t, u, tripFor(u, nil)), "GET / HTTP/1.1\r\nHost: other.test\r\nX-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n"+
				"X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: http\r\nForwarded: for=10.0.0.1\r\ntraceparent: 00-1-2-01\r\nConnection: close\r\n\r\n")
			head := a.head(t)
			for name, want := range map[string][]string{
				"Host": {c.wantHost}, "X-Forwarded-Host": {"app.test"}, "X-Forwarded-For": {"192.0.2.7"}, "X-Real-IP": {"192.0.2.7"},
				"X-Forwarded-Proto": {"https"}, "Forwarded": nil, "traceparent": {"00-1-2-01"},
			} {
				if diff := cmp.Diff(want, values(head, name)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestHD1RequestTrailersPassButNeverAsIdentity(t *testing.T) {
	bodies := make(chan string, 1)
	a := startApp(t, func(a *app, c net.Conn, in *bufio.Reader) {
		a.next(in)
		var b strings.Builder
		for !strings.HasSuffix(b.String(), "0\r\n") {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			b.WriteString(line)
		}
		trailer, _ := readHead(in)
		bodies <- b.String() + trailer
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	u := open(t, Config{Route: Route{URL: a.url}})
	send(t, front(t, u, tripFor(u, alice())), "POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n"+
		"Trailer: X-Checksum, X_Forwarded_User, Remote-User, Cookie\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n"+
		"X-Checksum: 77\r\nX_Forwarded_User: evil\r\nRemote-User: evil\r\nCookie: evil=1\r\nX-Unannounced: evil\r\nX-Forwarded-Groups: evil\r\n\r\n")
	if got, want := values(a.head(t), "Trailer"), []string{"X-Checksum"}; !slices.Equal(got, want) {
		t.Errorf("announced %q, want %q", got, want)
	}
	if got, want := <-bodies, "3\r\nabc\r\n0\r\nX-Checksum: 77\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLookingUpAHeaderNameAllocatesNothing(t *testing.T) {
	s := forbiddenNames([]string{"X-Team"})
	if n := testing.AllocsPerRun(100, func() { _ = s.has("X_forwarded-User!") && s.has("x.Team") && s.has("Accept-Encoding") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// naive says the same as nameSet.has, slowly.
func naive(name string) bool {
	folded := strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r) {
			return r
		}
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ", r) {
			return r + 'a' - 'A'
		}
		return '-'
	}, name), "-")
	for _, prefix := range forbiddenPrefixes() {
		if strings.HasPrefix(folded, prefix) {
			return true
		}
	}
	all := append(forbiddenSingles(), "remote-user", "remote-email", "remote-name", "remote-groups", "x-team", "9lives", strings.Repeat("q", maxName))
	return slices.Contains(all, folded)
}

func FuzzNameFolding(f *testing.F) {
	s := forbiddenNames([]string{"X-Team", "9lives", strings.Repeat("q", maxName)})
	for _, name := range []string{
		"", "-", "X-Forwarded-User", "x_forwarded.user", "Remote~User!", "X-Team", "__x_team__", "9Lives", "Cookie", "X-Forwarded",
		"X-Forwarded-", "Proxy", "Proxy-", "Proxies", strings.Repeat("Q", maxName), strings.Repeat("Q", maxName+1), strings.Repeat("x", 99),
		"X-Forwarded-" + strings.Repeat("z", 99), "Accept", "X-Real-IP", "X-Real-IPs",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
			t.Skip("no header name")
		}
		if got, want := s.has(name), naive(name); got != want {
			t.Errorf("has(%q) = %v, want %v", name, got, want)
		}
	})
}
