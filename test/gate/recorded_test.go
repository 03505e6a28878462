package gate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recording is one answer of an application, byte for byte, and the method that asks for it.
type recording struct {
	kind, method, answer string
	closes               bool // the end of the connection is the end of the body
}

// received is an answer as a client has it.
type received struct {
	Status  int
	Interim []http.Header // of the 103 before it
	Header  http.Header
	Body    string
	Trailer http.Header
}

// Test500RecordedAnswersAreAsDirect: what an application answers reaches a person who is
// signed in as if nothing stood between, over HTTP/1.1 and HTTP/2.
func Test500RecordedAnswersAreAsDirect(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	b := newSecureBrowser(f)
	b.signIn("alice", alicePassword, "/")
	cookie := "__Host-foregate=" + b.cookie("__Host-foregate")
	all := recordings(500)
	f.up.answerWith(func(conn net.Conn, head string) bool {
		var method string
		var number int
		if _, err := fmt.Sscanf(head, "%s /recorded/%d ", &method, &number); err != nil || number >= len(all) || method != all[number].method {
			_, _ = io.WriteString(conn, "HTTP/1.1 500 Not Recorded\r\nContent-Length: 0\r\n\r\n")
			return false
		}
		_, err := io.WriteString(conn, all[number].answer)
		return err == nil && !all[number].closes
	})
	gate := &rawClient{dial: func() (net.Conn, error) { return dialTLS(t, f.https, "http/1.1"), nil }, lines: "Cookie: " + cookie + "\r\n"}
	direct := &rawClient{dial: func() (net.Conn, error) { return net.Dial("tcp", f.up.addr()) }}
	for number, rec := range all {
		what := fmt.Sprintf("%d, %s by %s", number, rec.kind, rec.method)
		target := fmt.Sprintf("/recorded/%d", number)
		want, err := direct.ask(rec.method, target)
		if err != nil {
			t.Fatalf("%s: direct: %v", what, err)
		}
		if want.Status == 500 && !strings.Contains(rec.answer, " 500 ") {
			t.Fatalf("%s: the application has no answer", what)
		}
		want = want.asPassedOn()
		got, err := gate.ask(rec.method, target)
		compare(t, what, want, got, err)
		if number%3 == 0 { // of every kind some
			got, err := askHTTP2(b.client, "https://app.test"+target, rec.method, cookie)
			compare(t, what+", HTTP/2", want, got, err)
		}
	}
}

func compare(t *testing.T, what string, want, got received, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got.asReceived(want)); diff != "" {
		t.Errorf("%s: (-direct +by way of the gate):\n%s", what, diff)
	}
}

// asPassedOn is r without what a proxy must not pass on or Foregate takes: hop-by-hop
// headers (RFC 9110, section 7.6.1), Alt-Svc, and cookies of interim answers.
func (r received) asPassedOn() received {
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "X-Hop", "Alt-Svc"} {
		r.Header.Del(name)
	}
	r.forgetContent()
	for _, h := range r.Interim {
		h.Del("Set-Cookie")
	}
	return r
}

// asReceived is r without what Foregate adds where want lacks it: Date, and over https
// Strict-Transport-Security.
func (r received) asReceived(want received) received {
	for _, name := range []string{"Date", "Strict-Transport-Security"} {
		if _, said := want.Header[name]; !said {
			r.Header.Del(name)
		}
	}
	r.forgetContent()
	return r
}

// forgetContent leaves out what describes the content of a 304, which has none: whether
// it is said is anybody's choice (RFC 9110, section 15.4.5), net/http's by HTTP/2 alone.
func (r received) forgetContent() {
	if r.Status == http.StatusNotModified {
		r.Header.Del("Content-Type")
		r.Header.Del("Content-Length")
	}
}

// rawClient writes requests to a socket, one connection for as long as it is kept.
type rawClient struct {
	dial  func() (net.Conn, error)
	lines string // further header lines
	conn  net.Conn
	r     *bufio.Reader
}

func (c *rawClient) ask(method, target string) (received, error) {
	if c.conn == nil {
		conn, err := c.dial()
		if err != nil {
			return received{}, err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	got, keep, err := c.exchange(method, target)
	if !keep {
		_ = c.conn.Close()
		c.conn = nil
	}
	return got, err
}

func (c *rawClient) exchange(method, target string) (got received, keep bool, err error) {
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: app.test\r\nAccept: */*\r\n%s\r\n", method, target, c.lines); err != nil {
		return received{}, false, err
	}
	var interim []http.Header
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return received{}, false, err
		}
		if resp.StatusCode < 200 {
			interim = append(interim, resp.Header)
			continue
		}
		got, err := receive(resp, interim)
		return got, err == nil && !resp.Close, err
	}
}

// askHTTP2 asks by a client that takes HTTP/2 where it is offered, and only that here.
func askHTTP2(client *http.Client, url, method, cookie string) (received, error) {
	var interim []http.Header
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		interim = append(interim, http.Header(h).Clone())
		return nil
	}})
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return received{}, err
	}
	r.Header = http.Header{"Accept": {"*/*"}, "Cookie": {cookie}, "Accept-Encoding": {"gzip, br"}} // and so the client unpacks nothing
	resp, err := client.Do(r)
	if err != nil {
		return received{}, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		return received{}, fmt.Errorf("the answer came over %s", resp.Proto)
	}
	return receive(resp, interim)
}

func receive(resp *http.Response, interim []http.Header) (received, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got := received{Status: resp.StatusCode, Interim: interim, Header: resp.Header, Body: string(body)}
	for name, values := range resp.Trailer {
		if len(values) > 0 { // otherwise announced only
			if got.Trailer == nil {
				got.Trailer = make(http.Header)
			}
			got.Trailer[name] = values
		}
	}
	return got, err
}

// recordings are n answers, no two the same, and the same at each run.
func recordings(n int) []recording {
	r := rand.New(rand.NewPCG(1, 2))
	var all []recording
	seen := make(map[recording]bool)
	for i := 0; len(all) < n; i++ {
		rec := recordedKinds[i%len(recordedKinds)].record(r)
		rec.kind = recordedKinds[i%len(recordedKinds)].name
		if !seen[rec] {
			seen[rec] = true
			all = append(all, rec)
		}
	}
	return all
}

// recordedKinds are what applications answer; each has a number in a header that tells
// it from others of its kind.
var recordedKinds = []struct {
	name   string
	record func(r *rand.Rand) recording
}{
	{"a status", func(r *rand.Rand) recording {
		status := pick(r, 200, 201, 202, 203, 207, 208, 226, 299, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
			414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 599, 777, 999)
		return sized(r, "GET", status, "text/html; charset=utf-8", text(r), fmt.Sprintf("Location: /elsewhere?%d", r.IntN(9)), "Retry-After: 7")
	}},
	{"an error", func(r *rand.Rand) recording {
		return sized(r, pick(r, "GET", "DELETE", "OPTIONS"), pick(r, 400, 403, 404, 500, 502, 503), "application/problem+json", `{"title":"odd"}`, "WWW-Authenticate: Custom realm=\"a\"", "Allow: GET, HEAD")
	}},
	{"a range", func(r *rand.Rand) recording {
		body := opaque(r)
		from := r.IntN(1000)
		return sized(r, "GET", 206, "application/pdf", body, fmt.Sprintf("Content-Range: bytes %d-%d/90000", from, from+len(body)-1), "Accept-Ranges: bytes", `ETag: "range"`)
	}},
	{"many ranges", func(r *rand.Rand) recording {
		body := "--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-3/900\r\n\r\nabcd\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 9-12/900\r\n\r\nefgh\r\n--b--\r\n"
		return sized(r, "GET", 206, "multipart/byteranges; boundary=b", body)
	}},
	{"no such range", func(r *rand.Rand) recording {
		return sized(r, "GET", 416, "text/plain", "", fmt.Sprintf("Content-Range: bytes */%d", r.IntN(9000)))
	}},
	{"HEAD with a length", func(r *rand.Rand) recording {
		return said(r, "HEAD", 200, "", "Content-Type: image/png", fmt.Sprintf("Content-Length: %d", r.IntN(1<<30)), `ETag: W/"head"`)
	}},
	{"HEAD without a length", func(r *rand.Rand) recording {
		return said(r, "HEAD", pick(r, 200, 404), "", "Content-Type: text/html", "Transfer-Encoding: chunked")
	}},
	{"no content", func(r *rand.Rand) recording {
		return said(r, pick(r, "GET", "DELETE", "OPTIONS"), 204, "", "Access-Control-Allow-Origin: https://a.test", "Vary: Origin")
	}},
	{"not modified", func(r *rand.Rand) recording {
		return said(r, "GET", 304, "", `ETag: "same"`, "Cache-Control: max-age=60", "Vary: Accept, Cookie", "Last-Modified: Mon, 02 Jan 2006 15:04:05 GMT", "Content-Type: text/css")
	}},
	{"gzip", func(r *rand.Rand) recording {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = io.WriteString(w, text(r))
		_ = w.Close()
		return sized(r, "GET", 200, "application/json", packed.String(), "Content-Encoding: gzip", "Vary: Accept-Encoding")
	}},
	{"gzip in chunks", func(r *rand.Rand) recording {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = io.WriteString(w, text(r))
		_ = w.Close()
		return said(r, "GET", 200, chunks(r, packed.String())+"0\r\n\r\n", "Content-Type: text/css", "Content-Encoding: gzip", "Transfer-Encoding: chunked")
	}},
	{"br", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/javascript", opaque(r), "Content-Encoding: br", "Vary: accept-encoding")
	}},
	{"chunks", func(r *rand.Rand) recording {
		return said(r, "GET", 200, chunks(r, opaque(r))+"0\r\n\r\n", "Content-Type: application/octet-stream", "Transfer-Encoding: chunked")
	}},
	{"announced trailers", func(r *rand.Rand) recording {
		return said(r, "GET", 200, chunks(r, text(r))+"0\r\nX-Sum: "+text(r)[:9]+"\r\nServer-Timing: db;dur=3\r\n\r\n", "Content-Type: text/plain", "Transfer-Encoding: chunked", "Trailer: X-Sum, Server-Timing")
	}},
	{"trailers that nobody announced", func(r *rand.Rand) recording {
		return said(r, "GET", 200, chunks(r, text(r))+"0\r\nX-Late: 1\r\nx-late: 2\r\n\r\n", "Content-Type: text/plain", "Transfer-Encoding: chunked")
	}},
	{"nothing", func(r *rand.Rand) recording { return said(r, "GET", 200, "", "Content-Length: 0") }},
	{"early hints", func(r *rand.Rand) recording {
		rec := sized(r, "GET", 200, "text/html", text(r), "Link: </style.css>; rel=preload; as=style")
		hint := "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\nLink: <https://cdn.test>; rel=preconnect\r\n\r\n"
		rec.answer = strings.Repeat(hint, 1+r.IntN(3)) + rec.answer
		return rec
	}},
	{"long headers", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/plain", "ok", "Content-Security-Policy: "+strings.Repeat("script-src 'self'; ", 50+r.IntN(500)), "X-Long: "+strings.Repeat("a", 1+r.IntN(20_000)))
	}},
	{"repeated headers", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/plain", "ok", "X-Many: a", "X-Other: 1", "X-Many: b, c", "X-Many:", "X-Many: a", "Link: </a>; rel=next", "Link: </b>; rel=prev", "Vary: Accept", "Vary: Cookie")
	}},
	{"odd casing", func(r *rand.Rand) recording {
		return said(r, "GET", 200, "ok", "CONTENT-TYPE: Text/HTML", "content-LENGTH: 2", "x-ODD-case: A b C", "eTAG: \"x\"", "X_under.dot~: 1", "DNT: 1")
	}},
	{"until the end, HTTP/1.0", func(r *rand.Rand) recording {
		rec := said(r, "GET", 200, opaque(r), "Content-Type: text/plain", "Server: old/1.0")
		rec.answer, rec.closes = strings.Replace(rec.answer, "HTTP/1.1", "HTTP/1.0", 1), true
		return rec
	}},
	{"until the end, HTTP/1.1", func(r *rand.Rand) recording {
		rec := said(r, "GET", 200, opaque(r), "Content-Type: text/plain", "Connection: close")
		rec.closes = true
		return rec
	}},
	{"no type", func(r *rand.Rand) recording {
		body := pick(r, "<html><p>"+text(r), "%PDF-1.4 "+text(r), opaque(r), "")
		return said(r, "GET", pick(r, 200, 404), body, fmt.Sprintf("Content-Length: %d", len(body)))
	}},
	{"an empty type", func(r *rand.Rand) recording {
		return said(r, "GET", 200, "<p>x", "Content-Length: 4", "Content-Type:")
	}},
	{"cookies", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/html", "ok", "Set-Cookie: JSESSIONID=ABC; Path=/; HttpOnly", "Set-Cookie: theme=dark; Max-Age=31536000; SameSite=Lax", "Set-Cookie: a=\"b c\"; Expires=Mon, 02 Jan 2034 15:04:05 GMT", "Set-Cookie: gone=; Max-Age=0")
	}},
	{"hop-by-hop headers", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/plain", "ok", "Connection: X-Hop, Keep-Alive", "X-Hop: 1", "Keep-Alive: timeout=5", "Alt-Svc: h3=\":443\"")
	}},
	{"a Date and a Server of its own", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "text/plain", text(r), "Date: Mon, 02 Jan 2006 15:04:05 GMT", "Server: Apache/2.4 (Debian)", "Via: 1.1 inner", "Age: 9", "X-Powered-By: PHP/8.4", "X-Frame-Options: SAMEORIGIN", "Strict-Transport-Security: max-age=1", "Cache-Control: private, no-cache")
	}},
	{"a download", func(r *rand.Rand) recording {
		return sized(r, "GET", 200, "application/zip", opaque(r), `Content-Disposition: attachment; filename="a b.zip"; filename*=UTF-8''Zo%C3%AB.zip`, "X-Latin: Zo\xeb", "Digest: sha-256=abc")
	}},
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// said is an answer with these lines and what follows them, as it stands.
func said(r *rand.Rand, method string, status int, rest string, lines ...string) recording {
	lines = slices.Insert(lines, r.IntN(len(lines)+1), fmt.Sprintf("X-Recorded: %d", r.Uint32()))
	return recording{method: method, answer: fmt.Sprintf("HTTP/1.1 %d Said\r\n%s\r\n\r\n%s", status, strings.Join(lines, "\r\n"), rest)}
}

// sized is said with a type and a length.
func sized(r *rand.Rand, method string, status int, kind, body string, lines ...string) recording {
	return said(r, method, status, body, append(lines, "Content-Type: "+kind, fmt.Sprintf("Content-Length: %d", len(body)))...)
}

func text(r *rand.Rand) string {
	return strings.Repeat(fmt.Sprintf("patient %d, ", r.IntN(1000)), 1+r.IntN(50))
}

// opaque is some bytes, 1 to 100,000 and mostly few.
func opaque(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(pick(r, 10, 1000, 100_000)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// chunks are a body in chunks of any size, without the last.
func chunks(r *rand.Rand, body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := 1 + r.IntN(len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}
