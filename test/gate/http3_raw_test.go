package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// http3Open begins a connection of HTTP/3 on which bytes can be sent that no client library
// would send.
func http3Open(t *testing.T, f *foregate) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "app.test", NextProtos: []string{"h3"}}
	conn, err := quic.DialAddr(ctx, f.https, cfg, &quic.Config{MaxIdleTimeout: time.Minute, KeepAlivePeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseWithError(0x100, "") })
	control, err := conn.OpenUniStream()
	if err == nil {
		_, err = control.Write([]byte{0, 4, 0}) // control stream, SETTINGS, nothing in it
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// http3Headers is a HEADERS frame (RFC 9114, section 7.2.2).
func http3Headers(t *testing.T, fields [][2]string) []byte {
	t.Helper()
	var block bytes.Buffer
	enc := qpack.NewEncoder(&block)
	for _, f := range fields {
		if err := enc.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	return append(quicvarint.Append([]byte{1}, uint64(block.Len())), block.Bytes()...)
}

// http3Ask sends one request with body, and returns the status of the answer; "" if the
// stream or the connection was ended instead.
func http3Ask(t *testing.T, conn *quic.Conn, fields [][2]string, body ...byte) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return ""
	}
	_ = stream.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = stream.Write(append(http3Headers(t, fields), body...)) // it may be ended before this
	_ = stream.Close()
	return http3Status(t, stream)
}

func http3Status(t *testing.T, stream *quic.Stream) string {
	t.Helper()
	r := quicvarint.NewReader(stream)
	kind, err := quicvarint.Read(r)
	if err != nil {
		return ""
	}
	length, err := quicvarint.Read(r)
	if err != nil || kind != 1 || length > 1<<16 {
		return ""
	}
	block := make([]byte, length)
	if _, err := io.ReadFull(stream, block); err != nil {
		return ""
	}
	next := qpack.NewDecoder().Decode(block)
	for {
		field, err := next()
		if err != nil {
			return ""
		}
		if field.Name == ":status" {
			_, _ = io.Copy(io.Discard, stream)
			return field.Value
		}
	}
}

func http3Request(path, authority string, more ...[2]string) [][2]string {
	return append([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", authority}, {":path", path}}, more...)
}

// TestPB12PseudoHeadersHaveOneMeaningByHTTP3, and what HTTP/2 does not take is not taken here.
func TestPB12PseudoHeadersHaveOneMeaningByHTTP3(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	if got := http3Ask(t, http3Open(t, f), http3Request("/public/x", "app.test")); got != "200" {
		t.Fatalf("the plain one: %q", got)
	}
	if got := http3Ask(t, http3Open(t, f), http3Request("/public/x", "app.test", [2]string{"host", "app.test"})); got != "200" {
		t.Errorf("the same host twice: %q", got)
	}
	f.up.takeRequests()
	with := func(name, value string) [][2]string {
		return http3Request("/public/x", "app.test", [2]string{name, value})
	}
	for what, fields := range map[string][][2]string{
		"no slash":                   http3Request("public/x", "app.test"),
		"an empty path":              http3Request("", "app.test"),
		"a space":                    http3Request("/public/x y", "app.test"),
		"a whole address":            http3Request("https://app.test/public/x", "app.test"),
		"an asterisk":                http3Request("*", "app.test"),
		"dots":                       http3Request("/public/../admin/x", "app.test"),
		"a stranger's name":          http3Request("/public/x", "evil.test"),
		"no name":                    http3Request("/public/x", ""),
		"somebody before an @":       http3Request("/public/x", "app.test@evil.test"),
		"another Host":               with("host", "evil.test"),
		"two paths":                  with(":path", "/admin/x"),
		"a field too late":           http3Request("/public/x", "app.test", [2]string{"x", "y"}, [2]string{":path", "/admin/x"}),
		"an unknown pseudo header":   with(":user", "root"),
		"a pseudo header of answers": with(":status", "200"),
		"capitals":                   with("X-Forwarded-User", "root"),
		"Transfer-Encoding":          with("transfer-encoding", "chunked"),
		"Connection":                 with("connection", "x-forwarded-user"),
		"Keep-Alive":                 with("keep-alive", "timeout=5"),
		"Proxy-Connection":           with("proxy-connection", "keep-alive"),
		"Upgrade":                    with("upgrade", "h2c"),
		"TE":                         with("te", "gzip"),
		"CR and LF":                  with("x", "a\r\nX-Forwarded-User: root"),
		"NUL":                        with("x", "a\x00b"),
		"a space in a name":          with("x y", "z"),
		"a colon in a name":          with("x:y", "z"),
		"two lengths":                http3Request("/public/x", "app.test", [2]string{"content-length", "0"}, [2]string{"content-length", "5"}),
		"a length with a sign":       with("content-length", "+5"),
		"CR and LF in the path":      http3Request("/public/x\r\nHost: evil.test", "app.test"),
		"no method":                  {{":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}},
		"a method of two words":      {{":method", "GET /admin"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}},
		"TRACE":                      {{":method", "TRACE"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}},
		"CONNECT":                    {{":method", "CONNECT"}, {":authority", "app.test"}},
		"CONNECT elsewhere":          {{":method", "CONNECT"}, {":authority", "127.0.0.1:22"}},
		"a WebSocket":                {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}},
		"WebTransport":               {{":method", "CONNECT"}, {":protocol", "webtransport"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}},
		"a protocol without CONNECT": with(":protocol", "websocket"),
	} {
		if got := http3Ask(t, http3Open(t, f), fields); got != "" && got[0] != '4' {
			t.Errorf("%s: %s", what, got)
		}
	}
	for what, body := range map[string]string{"less than announced": "\x00\x03abc", "more than announced": "\x00\x08abcdefgh"} {
		fields := http3Request("/public/x", "app.test", [2]string{"content-length", "5"})
		fields[0][1] = "POST"
		if got := http3Ask(t, http3Open(t, f), fields, []byte(body)...); got == "200" {
			t.Errorf("a body of %s: %s", what, got)
		}
	}
	for _, seen := range f.up.takeRequests() {
		if !strings.HasPrefix(seen.head, "POST /public/x ") || !strings.HasPrefix("abcde", seen.body) { // what was announced, and no more
			t.Errorf("the application was asked: %q", seen.head+seen.body)
		}
	}
}

// TestHD3IdentityHeadersGoInEverySpellingByHTTP3.
func TestHD3IdentityHeadersGoInEverySpellingByHTTP3(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	fields := http3Request("/public/x", "app.test", [2]string{"x-forwarded-user", "root"}, [2]string{"x_forwarded_user", "root"}, [2]string{"remote-user", "root"}, [2]string{"x-foregate-assertion", "root"}, [2]string{"x-kept", "y"})
	if got := http3Ask(t, http3Open(t, f), fields); got != "200" {
		t.Fatalf("answered %q", got)
	}
	for _, seen := range f.up.takeRequests() {
		if strings.Contains(seen.head, ": root") || len(values(seen.head, "X-Kept")) != 1 {
			t.Errorf("the application sees %q", seen.head)
		}
	}
}

// TestHT5HTTP3HasTheLimitsOfHTTPS: long headers and targets, many streams, and a secret that a
// line of the log could hold.
func TestHT5HTTP3HasTheLimitsOfHTTPS(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true, http3: true})
	conn := http3Open(t, f)
	for what, c := range map[string]struct {
		fields [][2]string
		want   string
	}{
		"a long target":     {http3Request("/public/"+strings.Repeat("a", 20_000), "app.test"), "414"},
		"a long header":     {http3Request("/public/x", "app.test", [2]string{"x", strings.Repeat("a", 70_000)}), "431"},
		"many small fields": {http3Request("/public/x", "app.test", manyFields(3000)...), "431"},
		"a token":           {http3Request("/public/x?token=s3cret-of-a-query", "app.test"), "200"},
	} {
		if got := http3Ask(t, conn, c.fields); got != c.want {
			t.Errorf("%s: %q, want %s", what, got, c.want)
		}
	}
	if strings.Contains(f.logs.String(), "s3cret-of-a-query") {
		t.Error("the log holds what was in a query")
	}
	fresh := http3Open(t, f)
	for i := range 101 {
		_, err := fresh.OpenStream()
		if (err == nil) != (i < 100) {
			t.Fatalf("stream %d: %v", i+1, err)
		}
	}
}

func manyFields(n int) (fields [][2]string) {
	for range n {
		fields = append(fields, [2]string{"x", "y"})
	}
	return fields
}

// TestHT3IdleHTTP3ConnectionsAreEnded, also those that are kept alive, and those whose
// requests do not get further than half a header; one that is being answered is not.
func TestHT3IdleHTTP3ConnectionsAreEnded(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: impatient, tls: true, http3: true})
	idle, used := http3Open(t, f), http3Open(t, f)
	if got := http3Ask(t, used, http3Request("/public/x", "app.test")); got != "200" {
		t.Fatalf("answered %q", got)
	}
	half := http3Open(t, f)
	stream, err := half.OpenStream()
	if err == nil {
		_, err = stream.Write(http3Headers(t, http3Request("/public/x", "app.test"))[:9])
	}
	if err != nil {
		t.Fatal(err)
	}
	for what, conn := range map[string]*quic.Conn{"a connection without a request": idle, "one whose request was answered": used, "one with half a request": half} {
		select {
		case <-conn.Context().Done():
		case <-time.After(8 * time.Second):
			t.Errorf("%s is still open", what)
		}
	}
	headers := http3Headers(t, http3Request("/public/x", "app.test"))
	begun := http3Open(t, f)
	if stream, err = begun.OpenStream(); err == nil {
		_, err = stream.Write(headers) // and neither a body nor the end of it
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := http3Status(t, stream); got == "200" {
		t.Errorf("a request that has no end is answered %s", got)
	}
}

// TestHT3StandingBodiesOfHTTP3AreCut, in both directions, and moving ones are not.
func TestHT3StandingBodiesOfHTTP3AreCut(t *testing.T) {
	t.Parallel()
	f := start(t, options{top: impatient, tls: true, http3: true})
	post := http3Request("/public/x", "app.test", [2]string{"content-length", "10"})
	post[0][1] = "POST"
	conn := http3Open(t, f)
	send := func(first string) *quic.Stream {
		stream, err := conn.OpenStream()
		if err == nil {
			_, err = stream.Write(append(http3Headers(t, post), first...))
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SetReadDeadline(time.Now().Add(8 * time.Second))
		return stream
	}
	began := time.Now()
	if got := http3Status(t, send("\x00\x0aabc")); got != "" && got != "408" || time.Since(began) > 7*time.Second {
		t.Errorf("a body that stands still: %q after %s", got, time.Since(began))
	}
	steady := send("\x00\x0a")
	for range 10 { // 3 s in all
		wait(300 * time.Millisecond)
		if _, err := steady.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
	}
	_ = steady.Close()
	if got := http3Status(t, steady); got != "200" {
		t.Errorf("a slow but steady body: %q", got)
	}
	f.up.answerWith(func(conn net.Conn, _ string) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
		_, _ = io.CopyN(conn, zeros{}, 64<<20)
		return false
	})
	download, err := conn.OpenStream() // and nobody reads it
	if err == nil {
		_, err = download.Write(http3Headers(t, http3Request("/public/download", "app.test")))
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = download.Close()
	f.waitForLog("an answer that nobody takes", 8*time.Second, func(logs string) bool {
		return strings.Contains(logs, `"path":"/public/download","status":200`)
	})
}

// TestHT4RapidResetByHTTP3TakesNoMemory, and others are served.
func TestHT4RapidResetByHTTP3TakesNoMemory(t *testing.T) {
	f := start(t, options{tls: true, http3: true, program: plainProgram(t)})
	before := f.resident(t)
	conn := http3Open(t, f)
	headers := http3Headers(t, http3Request("/public/x", "app.test"))
	began, sent := time.Now(), 0
	for time.Since(began) < 5*time.Second && conn.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		stream, err := conn.OpenStreamSync(ctx)
		cancel()
		if err != nil {
			continue
		}
		_, _ = stream.Write(headers)
		stream.CancelWrite(0x10c)
		stream.CancelRead(0x10c)
		sent++
	}
	if got := http3Ask(t, http3Open(t, f), http3Request("/public/x", "app.test")); got != "200" {
		t.Errorf("somebody else is answered %q", got)
	}
	grown := f.resident(t) - before
	t.Logf("%d streams reset in %s; %d MiB more", sent, time.Since(began).Round(time.Millisecond), grown>>20)
	if grown > 50<<20 {
		t.Errorf("%d MiB more", grown>>20)
	}
}
