package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	readingRoom = `
  - name: reading-room
    title: The reading room
    network: {addresses: [10.0.0.0/8, "2001:db8:7::/48"], user: "site:reading-room", groups: [readers]}
`
	roomApp = `
  - {name: room, hosts: [room.test], upstream: {url: "http://APPLICATION"}, methods: [reading-room, local]}
`
)

// enters asks to be signed in by network with these header lines, as they are.
func (f *foregate) enters(headers ...string) (status int, cookie string) {
	f.t.Helper()
	answer := f.raw("GET /sso/start/reading-room?rd=/x HTTP/1.1\r\nHost: room.test\r\nConnection: close\r\nAccept: text/html\r\n" +
		strings.Join(append(headers, "", ""), "\r\n"))
	for _, v := range values(answer, "Set-Cookie") {
		if rest, ok := strings.CutPrefix(v, "foregate="); ok {
			cookie, _, _ = strings.Cut(rest, ";")
		}
	}
	return statusOf(answer), cookie
}

// TestIP1WhoIsInsideIsReadFromTheRight, and what cannot be read is nowhere.
func TestIP1WhoIsInsideIsReadFromTheRight(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "trusted_proxies: [127.0.0.1, 192.0.2.1]", users: readingRoom, apps: roomApp})
	hops := func(n int, last string) string { return strings.Repeat("10.0.0.1, ", n) + last }
	for forwarded, inside := range map[string]bool{
		"X-Forwarded-For: 10.0.0.1":                             true,
		"X-Forwarded-For: 1.2.3.4, 10.0.0.1":                    true,
		"X-Forwarded-For: 10.0.0.1, 192.0.2.1":                  true, // through two proxies
		"X-Forwarded-For: ::ffff:10.0.0.1":                      true,
		"X-Forwarded-For: 2001:db8:7::1":                        true,
		"X-Forwarded-For: 10.0.0.1, 1.2.3.4":                    false,
		"X-Forwarded-For: 10.0.0.1, 1.2.3.4, 192.0.2.1":         false,
		"X-Forwarded-For: ::ffff:1.2.3.4":                       false,
		"X-Forwarded-For: ::10.0.0.1":                           false,
		"X-Forwarded-For: 010.0.0.1":                            false,
		"X-Forwarded-For: 0x0a.0.0.1":                           false,
		"X-Forwarded-For: 167772161":                            false,
		"X-Forwarded-For: 10.1":                                 false,
		"X-Forwarded-For: 10.0.0.1/8":                           false,
		"X-Forwarded-For: 10.0.0.1%eth0":                        false,
		"X-Forwarded-For: 2001:db8:7::1%eth0":                   false,
		"X-Forwarded-For: for=10.0.0.1":                         false,
		"X-Forwarded-For: \"10.0.0.1\"":                         false,
		"X-Forwarded-For: 10.0.0.1, unknown":                    false,
		"X-Forwarded-For: 10.0.0.1,":                            false,
		"X-Forwarded-For: ":                                     false,
		"X-Forwarded-For: " + hops(1000, "1.2.3.4"):             false,
		"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 1.2.3.4": false,
		"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1": true, // one list, in two lines
		"X-Forwarded-For: 1.2.3.4\r\nForwarded: for=10.0.0.1":   false,
		"Forwarded: for=\"[2001:db8:7::1]\"":                    false,
		"X-Real-IP: 10.0.0.1":                                   false,
		"True-Client-IP: 10.0.0.1":                              false,
		"X_Forwarded_For: 10.0.0.1":                             false,
		"x-forwarded-for : 10.0.0.1":                            false,
	} {
		status, cookie := f.enters(forwarded)
		if got := status == http.StatusSeeOther && cookie != ""; got != inside || !inside && status == http.StatusOK {
			t.Errorf("%.80q: %d, session %.9q, want to be inside: %v", forwarded, status, cookie, inside)
		}
	}
	if heads := f.up.take(); len(heads) != 0 {
		t.Errorf("the application was asked: %q", heads)
	}
}

// TestIP2PastTheProxyHeadersCountForNothing: who asks directly is who is at the
// other end of the connection.
func TestIP2PastTheProxyHeadersCountForNothing(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "trusted_proxies: [192.0.2.1]", users: readingRoom, apps: roomApp})
	for _, header := range []string{"X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1, 192.0.2.1"} {
		if status, cookie := f.enters(header); status != http.StatusForbidden || cookie != "" {
			t.Errorf("%s: %d", header, status)
		}
	}
	// The PROXY protocol is not spoken: a connection that begins with it ends.
	for what, hello := range map[string]string{
		"v1": "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "v2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x01\x00\x02", "broken": "PROXY TCP4 10.0.0.1\r\n",
	} {
		answer := f.raw(hello + "GET /sso/start/reading-room HTTP/1.1\r\nHost: room.test\r\nConnection: close\r\n\r\n")
		if statusOf(answer) != http.StatusBadRequest || strings.Contains(answer, "Set-Cookie") || strings.Count(answer, "HTTP/1.1") != 1 {
			t.Errorf("PROXY %s: %.200q", what, answer)
		}
	}
}

// TestIP3WhoLeavesIsSignedInNoLonger: at the next request, on the same connection too,
// and is signed in again when they are back.
func TestIP3WhoLeavesIsSignedInNoLonger(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: "trusted_proxies: [127.0.0.1]", users: readingRoom, apps: roomApp})
	status, cookie := f.enters("X-Forwarded-For: 10.0.0.1")
	if status != http.StatusSeeOther {
		t.Fatalf("inside: %d", status)
	}
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	f.up.take()
	for _, step := range []struct {
		client string
		status int
	}{{"10.0.0.1", 200}, {"203.0.113.9", 302}, {"10.255.0.9", 200}, {"garbage", 302}, {"2001:db8:7::9", 200}, {"2001:db8:8::9", 302}} {
		fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: room.test\r\nAccept: text/html\r\nCookie: foregate=%s\r\nX-Forwarded-For: %s\r\n\r\n", cookie, step.client)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		told := f.told()
		if resp.StatusCode != step.status || (told == "site:reading-room") != (step.status == 200) {
			t.Errorf("from %s: %s, the application is told %q", step.client, resp.Status, told)
		}
	}
	// Nor do Foregate's own pages know them there.
	if answer := f.raw("GET /sso/session HTTP/1.1\r\nHost: room.test\r\nConnection: close\r\nCookie: foregate=" + cookie + "\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"); statusOf(answer) != http.StatusUnauthorized {
		t.Errorf("/sso/session outside: %.200q", answer)
	}
	// Inside nobody is asked which way to go; outside only the other way is offered.
	b := from(f, "room.test", "10.0.0.1")
	if resp := b.get(b.get("/x").Header.Get("Location")); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/x" || b.cookie("foregate") == "" {
		t.Errorf("inside: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	out := from(f, "room.test", "203.0.113.9")
	if page := out.get(out.get("/x").Header.Get("Location")); page.StatusCode != http.StatusOK || strings.Contains(page.body, "reading room") || !strings.Contains(page.body, "password") {
		t.Errorf("outside: %s", page.Status)
	}
}
