package gate

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// smuggled is a request that only ever stands inside the body of another. If the
// application sees it as one of its own, two readers have counted differently.
func smuggled(cookie string) string {
	return "GET /smuggled HTTP/1.1\r\nHost: app.test\r\nCookie: " + cookie + "\r\n\r\n"
}

// framings are heads and bodies whose end is a matter of opinion (B5, HT1).
func framings(inner string) map[string]string {
	post := func(lines, body string) string {
		return "POST /public/x HTTP/1.1\r\nHost: app.test\r\n" + lines + "\r\n\r\n" + body
	}
	length := fmt.Sprintf("Content-Length: %d", len("0\r\n\r\n")+len(inner))
	clTE := "0\r\n\r\n" + inner
	teCL := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)
	all := map[string]string{
		"CL.TE":                 post(length+"\r\nTransfer-Encoding: chunked", clTE),
		"TE.CL":                 post("Transfer-Encoding: chunked\r\nContent-Length: 4", teCL),
		"two lengths":           post("Content-Length: 0\r\n"+length, clTE),
		"two lengths, turned":   post(length+"\r\nContent-Length: 0", clTE),
		"a list of lengths":     post("Content-Length: 0, 30", clTE),
		"plus":                  post("Content-Length: +3", "abc"+inner),
		"hex":                   post("Content-Length: 0x3", "abc"+inner),
		"minus":                 post("Content-Length: -1", inner),
		"underscore":            post("Content-Length: 1_0", inner),
		"huge length":           post("Content-Length: 99999999999999999999", inner),
		"empty length":          post("Content-Length:", inner),
		"bare LF in chunk":      post("Transfer-Encoding: chunked", "2\nab\n0\n\n"+inner),
		"LF in chunk extension": post("Transfer-Encoding: chunked", "2;x\nxx\r\nab\r\n0\r\n\r\n"+inner),
		"chunk extension":       post("Transfer-Encoding: chunked", "2;a=\"\r\n\"\r\nab\r\n0\r\n\r\n"+inner),
		"chunk size overflow":   post("Transfer-Encoding: chunked", "10000000000000002\r\nab\r\n0\r\n\r\n"+inner),
		"chunk size 0x":         post("Transfer-Encoding: chunked", "0x2\r\nab\r\n0\r\n\r\n"+inner),
		"chunk size +":          post("Transfer-Encoding: chunked", "+2\r\nab\r\n0\r\n\r\n"+inner),
		"no CRLF behind chunk":  post("Transfer-Encoding: chunked", "2\r\nabXX0\r\n\r\n"+inner),
		"bare CR ends a line":   "POST /public/x HTTP/1.1\rHost: app.test\r\n\r\n" + inner,
		"HTTP/1.0 with TE":      "POST /public/x HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n" + length + "\r\nTransfer-Encoding: chunked\r\n\r\n" + clTE,
		"HTTP/1.0":              "POST /public/x HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n" + inner,
		"length on GET":         "GET /public/x HTTP/1.1\r\nHost: app.test\r\n" + fmt.Sprintf("Content-Length: %d", len(inner)) + "\r\nConnection: close\r\n\r\n" + inner,
		"expectation":           "GET /public/x HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\n" + fmt.Sprintf("Content-Length: %d", len(inner)) + "\r\nConnection: close\r\n\r\n" + inner,
		"odd expectation":       post("Expect: y 100-continue\r\n"+fmt.Sprintf("Content-Length: %d", len(inner)), inner),
		"space before colon":    post("Content-Length : 0", inner),
		"a line of space":       post(" Content-Length: 5\r\nX: y", inner),
		"folded length":         post("X: y\r\n Content-Length: 5\r\nConnection: close", ""),
		"NUL in a name":         post("Content\x00-Length: 5", inner),
		"no version":            "GET /public/x\r\nHost: app.test\r\n\r\n" + inner,
		"version 1.9":           "POST /public/x HTTP/1.9\r\nHost: app.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" + inner,
		"version 3.0":           "POST /public/x HTTP/3.0\r\nHost: app.test\r\n\r\n" + inner,
	}
	for what, line := range map[string]string{
		"x": "Transfer-Encoding: xchunked", "identity": "Transfer-Encoding: identity", "chunked, identity": "Transfer-Encoding: chunked, identity", "identity, chunked": "Transfer-Encoding: identity, chunked",
		"tab": "Transfer-Encoding:\tchunked", "vertical tab": "Transfer-Encoding:\vchunked", "space before colon": "Transfer-Encoding : chunked", "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"second odd": "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "first odd": "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "quoted": `Transfer-Encoding: "chunked"`, "parameter": "Transfer-Encoding: chunked;q=1",
		"folded": "Transfer-Encoding:\r\n chunked", "folded behind": "X: a\r\n Transfer-Encoding: chunked", "bare CR": "X: a\rTransfer-Encoding: chunked", "bare LF": "X: a\nTransfer-Encoding: chunked", "NUL": "Transfer-Encoding: chunked\x00",
		"upper case": "TRANSFER-ENCODING: CHUNKED", "underscore": "Transfer_Encoding: chunked", "empty": "Transfer-Encoding:", "trailing comma": "Transfer-Encoding: chunked,", "gzip": "Transfer-Encoding: gzip, chunked", "no colon": "Transfer-Encoding",
	} {
		all["CL.TE "+what] = post(length+"\r\n"+line, clTE)
		all["TE.CL "+what] = post(line+"\r\nContent-Length: 4", teCL)
	}
	// These name no coding by any standard: their length is 4, and what follows is
	// the next request for everybody.
	delete(all, "TE.CL underscore")
	delete(all, "TE.CL folded behind")
	return all
}

// TestHT1B5TheApplicationSeesOneRequestForEach, whoever sends it, and where the
// framing is doubtful the connection ends.
func TestHT1B5TheApplicationSeesOneRequestForEach(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	f.up.takeRequests()
	number := 0
	for what, bytes := range framings(smuggled(alice)) {
		number++
		path := fmt.Sprintf("/public/%d", number) // a refused body may arrive late
		answer := f.raw(strings.Replace(bytes, "/public/x", path, 1))
		answers := strings.Count(answer, "\nDate: ") + strings.Count(answer, "400 Bad Request\r\nContent-Type: text/plain")
		arrived := 0
		for _, head := range f.up.take() {
			line, _, _ := strings.Cut(head, "\r\n")
			if strings.Contains(line, " "+path+" ") {
				arrived++
			}
			if !strings.Contains(line, " /public/") {
				t.Errorf("%s: the application saw %q", what, line)
			}
			for _, alias := range framingAliases(head) {
				t.Errorf("%s: the application saw %q", what, alias)
			}
		}
		if status := anyStatus(answer); status == 200 && arrived != 1 || arrived > 1 || answers > 2 {
			t.Errorf("%s: %d requests for %d answers: %.300q", what, arrived, answers, answer)
		}
	}
}

// framingAliases are headers that a careless application takes for its framing.
func framingAliases(head string) []string {
	var out []string
	for _, line := range strings.Split(head, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		if as := seenAs(name); (as == "content-length" || as == "transfer-encoding") && !strings.EqualFold(name, as) {
			out = append(out, line)
		}
	}
	return out
}

func anyStatus(answer string) int {
	var major, minor, status int
	_, _ = fmt.Sscanf(answer, "HTTP/%d.%d %d", &major, &minor, &status)
	return status
}

// TestHT1DoubtfulFramingEndsTheConnection also where Foregate answers itself and
// the application is not asked (RFC 9112, sections 6.1 and 6.3).
func TestHT1DoubtfulFramingEndsTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	alice := f.alice()
	for target, cookie := range map[string]string{
		"/public/x": "", "/x": "", "/admin": alice, "/sso/sign-in": "", "/sso/session": alice, "/sso/keys": "", "/sso/start/local": "", "/a//b": "", "/sso/sign-out": "",
	} {
		for what, lines := range map[string]string{
			"length and chunks": "Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"HTTP/1.0":          "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		} {
			version := "HTTP/1.1"
			if what == "HTTP/1.0" {
				version = what
			}
			for _, method := range []string{"GET", "POST"} {
				began := time.Now()
				answer := f.raw(method + " " + target + " " + version + "\r\nHost: app.test\r\nCookie: " + cookie + "\r\n" + lines + "GET /second HTTP/1.1\r\nHost: app.test\r\n\r\n")
				if n := strings.Count(answer, "\nDate: "); n != 1 || time.Since(began) > 10*time.Second {
					t.Errorf("%s %s, %s: %d answers on one connection: %.200q", method, target, what, n, answer)
				}
			}
		}
	}
	for _, head := range f.up.take() {
		if strings.Contains(head, "/second") {
			t.Errorf("the application saw %q", head)
		}
	}
}

// TestHT1PlainFramingKeepsTheConnection, so that the tests above show something.
func TestHT1PlainFramingKeepsTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, options{})
	one := "POST /public/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc"
	if n := strings.Count(f.raw(one+one), mark); n != 2 {
		t.Errorf("%d answers, want 2", n)
	}
	for _, req := range f.up.takeRequests() {
		if req.body != "abc" {
			t.Errorf("a body arrived as %q", req.body)
		}
	}
	chunked := "POST /public/x HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
	f.raw(chunked)
	if got := f.up.takeRequests(); len(got) != 1 || got[0].body != "abc" {
		t.Errorf("chunks arrived %d times", len(got))
	}
}

// dial opens a plain connection to Foregate.
func (f *foregate) dial() net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}
