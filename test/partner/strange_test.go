package partner

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// Requests that no browser makes neither end a page nor bring a token anywhere but
// to the application.
func TestStrangeRequestsDoNoHarm(t *testing.T) {
	each(t, func(t *testing.T, p page, start func(t *testing.T, settings []string) string) {
		at := start(t, modernKeys.settings("modern", "header:X-Intranet-User", ""))
		if at == "" {
			t.Fatal("does not start")
		}
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{
			"//", "/", "*", "/?%", u.Path + "?%", u.Path + "?return_to", u.Path + "?return_to=%", u.Path + "?return_to=%ff",
			u.Path + "?return_to[]=https://evil.example/", u.Path + "?return_to=https://evil.example/&return_to=" + app + "/",
			u.Path + "?return_to=" + app + "/&return_to=https://evil.example/", u.Path + "?;;&&==", u.Path + "/../" + u.Path,
			"//evil.example" + u.Path, "http://evil.example:99999" + u.Path, u.Path + "?__proto__=x&return_to=" + app + "/\\evil.example",
			u.Path + "?return_to=" + strings.Repeat("A", 4000),
		} {
			location := raw(t, u.Host, target)
			if location != "" && strings.Contains(location, "token=") && !strings.HasPrefix(location, app+"/") {
				t.Errorf("%q: a token is sent to %q", target, location)
			}
			// It still serves people.
			if _, said := sent(t, visit(t, http.MethodGet, at, "alice", ""), modernKeys, p.modern); said.User != "alice" {
				t.Fatalf("after %q it takes alice for %q", target, said.User)
			}
		}
	})
}

// raw sends a request as it is and returns the Location of the answer, if there is
// one.
func raw(t *testing.T, host, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Intranet-User: alice\r\nConnection: close\r\n\r\n", target, host); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q is never answered", target)
	}
	if err != nil {
		return "" // hung up on: that is an answer too
	}
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}
