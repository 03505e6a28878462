package gate

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Status sends one GET of /public/x with one more header field, as bytes
// that no client library would send, and returns the status of the answer; "" if
// the stream or the connection was ended instead.
func http2Status(t *testing.T, addr, name, value string) string {
	t.Helper()
	return http2Answer(t, addr, [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}, {name, value}})
}

// http2Answer is the same with all fields.
func http2Answer(t *testing.T, addr string, fields [][2]string) string {
	t.Helper()
	framer := http2Open(t, addr)
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: http2Block(t, fields), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return ""
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

// http2Open begins a connection of HTTP/2.
func http2Open(t *testing.T, addr string) *http2.Framer {
	t.Helper()
	conn := dialTLS(t, addr, "h2")
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return framer
}

// http2Block is a block of fields (HPACK, RFC 7541).
func http2Block(t *testing.T, fields [][2]string) []byte {
	t.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	return block.Bytes()
}

// TestPB12PseudoHeadersHaveOneMeaning: a path without its slash or with a space, and two
// authorities, are no request that a rule could read otherwise than the application.
func TestPB12PseudoHeadersHaveOneMeaning(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	request := func(path, authority string, more ...[2]string) [][2]string {
		return append([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", authority}, {":path", path}}, more...)
	}
	if got := http2Answer(t, f.https, request("/public/x", "app.test")); got != "200" {
		t.Fatalf("the plain one: %q", got)
	}
	f.up.takeRequests()
	for what, fields := range map[string][][2]string{
		"no slash":             request("public/x", "app.test"),
		"an empty path":        request("", "app.test"),
		"a space":              request("/public/x y", "app.test"),
		"a whole address":      request("https://app.test/public/x", "app.test"),
		"an asterisk":          request("*", "app.test"),
		"another Host":         request("/public/x", "app.test", [2]string{"host", "evil.test"}),
		"a stranger's name":    request("/public/x", "evil.test"),
		"somebody before an @": request("/public/x", "app.test@evil.test"),
		"two paths":            request("/public/x", "app.test", [2]string{":path", "/admin/x"}),
		"a field too late":     request("/public/x", "app.test", [2]string{"x", "y"}, [2]string{":path", "/admin/x"}),
	} {
		if got := http2Answer(t, f.https, fields); got != "" && got[0] != '4' {
			t.Errorf("%s: %s", what, got)
		}
	}
	if seen := f.up.takeRequests(); len(seen) != 0 {
		t.Errorf("the application was asked: %v", seen)
	}
}

// dialTLS opens a connection to a listener of the fixture.
func dialTLS(t *testing.T, addr string, protocols ...string) *tls.Conn {
	t.Helper()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "app.test", NextProtos: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}
