package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// direct carries GET and HEAD without a body, most of what people do, on plain
// connections of its own: the goroutine that serves the client writes the request
// and reads the response itself. http.Transport has two goroutines for each
// connection, and handing over to them and back is about a third of what a proxied
// request costs. Requests and responses are still written and read by net/http
// (Request.Write, ReadResponse); everything else goes by the transport: bodies,
// WebSockets, https.
//
// A connection that waits for its next request is looked at before it is used. If
// the application has closed it, or sent bytes that nobody asked for, it is dropped.
type direct struct {
	other    http.RoundTripper
	to       Route
	dialer   *net.Dialer
	address  string
	header   time.Duration // from the request to the response's header
	idleTime time.Duration

	mu     sync.Mutex
	idle   []*line // the one that was used last is the last
	reaper *time.Timer
	closed bool
}

// newDirect returns other itself where direct cannot help.
func newDirect(cfg Route, other http.RoundTripper) http.RoundTripper {
	if cfg.URL.Scheme != "http" || cfg.H2C || !canLook {
		return other
	}
	return &direct{
		other:    other,
		to:       cfg,
		dialer:   newDialer(cfg),
		address:  hostPort(cfg.URL),
		header:   orDefault(cfg.Timeouts.ResponseHeader, responseTime),
		idleTime: orDefault(cfg.Timeouts.Idle, idleTime),
	}
}

func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// RoundTrip is http.RoundTripper.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if !headerOnly(r) {
		return d.other.RoundTrip(r)
	}
	l := d.take()
	if l == nil {
		return d.fresh(r)
	}
	res, err := l.exchange(r)
	if err == nil || l.heard() || isTimeout(err) || r.Context().Err() != nil {
		return res, err
	}
	return d.fresh(r) // the application had just closed the connection
}

// headerOnly reports whether r is only a line and a header.
func headerOnly(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(r.Body == nil || r.Body == http.NoBody) && len(r.TransferEncoding) == 0 && r.Header["Upgrade"] == nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// fresh sends r on a new connection.
func (d *direct) fresh(r *http.Request) (*http.Response, error) {
	conn, err := d.to.dial(r.Context(), d.dialer, d.address)
	if err != nil {
		return nil, err
	}
	l, err := d.newLine(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l.exchange(r)
}

// take returns a connection on which nothing is under way; nil if there is none.
func (d *direct) take() *line {
	for {
		l := d.pop()
		if l == nil || l.silent() {
			return l
		}
		_ = l.conn.Close()
	}
}

func (d *direct) pop() *line {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle) - 1
	if n < 0 || time.Since(d.idle[n].since) >= d.idleTime {
		return nil // the others are older still
	}
	l := d.idle[n]
	d.idle[n] = nil
	d.idle = d.idle[:n]
	return l
}

// put keeps a connection for the next request.
func (d *direct) put(l *line) {
	l.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.idle) >= idleConnections {
		_ = l.conn.Close()
		return
	}
	d.idle = append(d.idle, l)
	if d.reaper == nil {
		d.reaper = time.AfterFunc(d.idleTime, d.reap)
	}
}

// reap closes what was not used for too long.
func (d *direct) reap() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	n := 0
	for n < len(d.idle) && now.Sub(d.idle[n].since) >= d.idleTime {
		_ = d.idle[n].conn.Close()
		n++
	}
	d.idle = append(d.idle[:0], d.idle[n:]...)
	clear(d.idle[len(d.idle) : len(d.idle)+n])
	if len(d.idle) == 0 {
		d.reaper = nil
		return
	}
	d.reaper.Reset(d.idle[0].since.Add(d.idleTime).Sub(now))
}

// CloseIdleConnections closes what waits, and what is under way when it is done.
func (d *direct) CloseIdleConnections() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, l := range d.idle {
		_ = l.conn.Close()
	}
	d.idle = nil
	if d.reaper != nil {
		d.reaper.Stop()
		d.reaper = nil
	}
}

// line is one connection to the application, of one request at a time.
type line struct {
	home  *direct
	conn  net.Conn
	raw   syscall.RawConn
	in    *bufio.Reader
	out   *bufio.Writer
	left  int  // bytes that may still come
	came  bool // whether any came for this request
	since time.Time

	abort func() // closes the connection
	look  func(fd uintptr) bool
	quiet bool // what look found
}

func (d *direct) newLine(conn net.Conn) (*line, error) {
	l := &line{home: d, conn: conn}
	var err error
	if l.raw, err = conn.(syscall.Conn).SyscallConn(); err != nil {
		return nil, fmt.Errorf("look at the connection: %w", err)
	}
	l.in, l.out = bufio.NewReader(l), bufio.NewWriter(conn)
	l.abort = func() { _ = conn.Close() }
	l.look = func(fd uintptr) bool {
		l.quiet = nothingToRead(fd)
		return true
	}
	return l, nil
}

// silent reports whether the connection is open and nothing has come on it.
func (l *line) silent() bool {
	l.quiet = false
	err := l.raw.Read(l.look)
	return err == nil && l.quiet
}

// heard reports whether the application began to answer.
func (l *line) heard() bool { return l.came }

// Read bounds the header of a response.
func (l *line) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the application's response header is larger than %d bytes", maxResponseHeader)
	}
	n, err := l.conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.came = l.came || n > 0
	return n, err
}

// exchange sends r and returns the response, whose body gives the connection back.
// After an error the connection is closed.
func (l *line) exchange(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	l.left, l.came = maxResponseHeader, false
	stop := context.AfterFunc(ctx, l.abort)
	res, err := l.converse(r)
	if err != nil {
		stop()
		_ = l.conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	l.left = math.MaxInt
	body := &answer{line: l, res: res, ctx: ctx, stop: stop, inner: res.Body}
	if res.Body == http.NoBody {
		body.end(true)
		return res, nil
	}
	res.Body = body
	return res, nil
}

func (l *line) converse(r *http.Request) (*http.Response, error) {
	if err := l.conn.SetDeadline(time.Now().Add(l.home.header)); err != nil {
		return nil, err
	}
	if err := r.Write(l.out); err != nil {
		return nil, err
	}
	if err := l.out.Flush(); err != nil {
		return nil, err
	}
	for {
		res, err := http.ReadResponse(l.in, r)
		if err != nil {
			return nil, err
		}
		if res.StatusCode < 100 || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, l.conn.SetDeadline(time.Time{})
		}
		if err := passInterim(r, res); err != nil {
			return nil, err
		}
	}
}

// passInterim hands a 1xx response to ReverseProxy as http.Transport would.
func passInterim(r *http.Request, res *http.Response) error {
	p := passageOf(r.Context())
	p.interim.pass = httptrace.ContextClientTrace(r.Context()).Got1xxResponse
	return p.got1xx(res.StatusCode, map[string][]string(res.Header))
}

// answer is the body of a response. When it has been read to its end the connection
// is free for the next request; otherwise it is closed.
type answer struct {
	line  *line
	res   *http.Response
	ctx   context.Context
	stop  func() bool
	inner io.ReadCloser
	ended bool
}

func (a *answer) Read(p []byte) (int, error) {
	if a.ended {
		return 0, io.EOF
	}
	n, err := a.inner.Read(p)
	if err == nil {
		return n, nil
	}
	a.end(err == io.EOF)
	if err != io.EOF && a.ctx.Err() != nil {
		err = a.ctx.Err()
	}
	return n, err
}

// Close gives the connection up if there is more to read: it may be much.
func (a *answer) Close() error {
	if !a.ended {
		a.end(false)
	}
	return nil
}

// end gives the connection back or closes it. One on which more came than the
// response is not used again.
func (a *answer) end(whole bool) {
	a.ended = true
	l := a.line
	if stopped := a.stop(); whole && stopped && !a.res.Close && l.in.Buffered() == 0 && a.res.StatusCode != http.StatusSwitchingProtocols {
		l.home.put(l)
		return
	}
	_ = l.conn.Close()
}
