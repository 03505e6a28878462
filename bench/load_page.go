package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pages sends one GET after the other over o.Conns kept-alive connections. It
// writes and reads raw bytes: what the generator does not spend is left to the
// upstream, which shares its core.
func pages(ctx context.Context, o *order) (outcome, error) {
	var (
		began   = time.Now()
		counted = began.Add(o.warmUp())
		end     = began.Add(o.For)
		workers = make([]*pageConn, o.Conns)
		errs    = make([]error, o.Conns)
		wg      sync.WaitGroup
	)
	requests := o.requests()
	for i := range workers {
		workers[i] = &pageConn{order: o, requests: requests, next: i, buf: make([]byte, 16<<10)}
		wg.Go(func() { errs[i] = workers[i].run(ctx, counted, end) })
	}
	wg.Wait()
	var res outcome
	var latency histogram
	for _, w := range workers {
		res.Done += w.done
		res.Reopened += w.reopened
		latency.merge(&w.latency)
	}
	res.Seconds = time.Since(began).Seconds()
	res.Rate = float64(latency.total) / time.Since(counted).Seconds()
	res.P50, res.P99 = latency.quantile(0.50), latency.quantile(0.99)
	return res, errors.Join(errs...)
}

// requests returns the bytes of one request for each query, form or cookie.
func (o *order) requests() [][]byte {
	if len(o.Queries) > 0 {
		all := make([][]byte, len(o.Queries))
		for i, query := range o.Queries {
			all[i] = []byte(o.head("GET", o.Path+"?"+query, "") + "\r\n")
		}
		return all
	}
	if len(o.Bodies) > 0 {
		all := make([][]byte, len(o.Bodies))
		for i, body := range o.Bodies {
			all[i] = fmt.Appendf([]byte(o.head("POST", o.Path, "")), "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
		return all
	}
	cookies := o.Cookies
	if len(cookies) == 0 {
		cookies = []string{""}
	}
	all := make([][]byte, len(cookies))
	for i, cookie := range cookies {
		all[i] = []byte(o.head("GET", o.Path, cookie) + "\r\n")
	}
	return all
}

// head is a request's first line and headers as a browser opening a page sends
// them, without the empty line at the end.
func (o *order) head(method, target, cookie string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, o.Host)
	b.WriteString("Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\n")
	b.WriteString("Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n")
	b.WriteString("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n")
	fmt.Fprintf(&b, "Referer: http://%s/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n", o.Host)
	b.WriteString(o.Lines)
	if cookie != "" {
		fmt.Fprintf(&b, "Cookie: %s\r\n", cookie)
	}
	return b.String()
}

// pageConn is one connection and what was measured on it.
type pageConn struct {
	order    *order
	requests [][]byte
	next     int
	conn     net.Conn
	buf      []byte
	latency  histogram
	done     int64
	reopened int64
}

func (c *pageConn) run(ctx context.Context, counted, end time.Time) error {
	defer c.close()
	for now := time.Now(); now.Before(end) && (c.order.Most == 0 || int64(c.next) < c.order.Most); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.exchange(ctx); err != nil {
			return err
		}
		after := time.Now()
		c.done++
		if now.After(counted) {
			c.latency.add(after.Sub(now))
		}
		now = after
	}
	return nil
}

// exchange makes one request. A connection that the server closed between two
// requests (RFC 9112, section 9.5) is opened again once.
func (c *pageConn) exchange(ctx context.Context) error {
	request := c.requests[c.next%len(c.requests)]
	c.next += c.order.Conns // the connections share the requests out
	fresh := c.conn == nil
	err := c.attempt(ctx, request)
	if fresh || !errors.Is(err, errClosedIdle) {
		return err
	}
	c.close()
	c.reopened++
	return c.attempt(ctx, request)
}

// errClosedIdle means that not one byte of an answer came.
var errClosedIdle = errors.New("the connection was closed before an answer")

func (c *pageConn) attempt(ctx context.Context, request []byte) error {
	if c.conn == nil {
		conn, err := dial(ctx, c.order.Addr)
		if err != nil {
			return err
		}
		c.conn = conn
	}
	if _, err := c.conn.Write(request); err != nil {
		return errors.Join(errClosedIdle, err)
	}
	a, err := c.readAnswer()
	if err != nil {
		return err
	}
	if a.status != c.order.Status {
		return fmt.Errorf("status %d, want %d", a.status, c.order.Status)
	}
	if c.order.Size >= 0 && a.length != c.order.Size {
		return fmt.Errorf("a body of %d bytes, want %d", a.length, c.order.Size)
	}
	if a.last {
		c.close()
		c.reopened++
	}
	return nil
}

func (c *pageConn) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// answer is what counts in the head of a response.
type answer struct {
	status int
	length int64
	last   bool // the server closes the connection after it
}

// readAnswer reads one response and drops its body.
func (c *pageConn) readAnswer() (answer, error) {
	filled := 0
	for {
		n, err := c.conn.Read(c.buf[filled:])
		filled += n
		if end := bytes.Index(c.buf[:filled], []byte("\r\n\r\n")); end >= 0 {
			a, err := parseHead(c.buf[:end+2])
			if err != nil {
				return a, err
			}
			return a, c.drop(a.length - int64(filled-end-4))
		}
		switch {
		case err != nil && filled == 0:
			return answer{}, errors.Join(errClosedIdle, err)
		case err != nil:
			return answer{}, fmt.Errorf("reading an answer: %w", err)
		case filled == len(c.buf):
			return answer{}, fmt.Errorf("the head of the answer is longer than %d bytes", len(c.buf))
		}
	}
}

// drop reads the rest of a body.
func (c *pageConn) drop(left int64) error {
	if left < 0 {
		return fmt.Errorf("%d bytes more than the answer announced", -left)
	}
	for left > 0 {
		n, err := c.conn.Read(c.buf[:min(left, int64(len(c.buf)))])
		left -= int64(n)
		if err != nil && left > 0 {
			return fmt.Errorf("reading a body: %w", err)
		}
	}
	return nil
}

// parseHead reads the few things that the generator must know. It asks for a
// Content-Length: every page that is measured has one.
func parseHead(head []byte) (answer, error) {
	a := answer{length: -1}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return a, fmt.Errorf("not an HTTP/1.1 answer: %.40q", line)
	}
	var err error
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, fmt.Errorf("not an HTTP/1.1 answer: %.40q", line)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if a.length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil || a.length < 0 {
				return a, fmt.Errorf("not a length: %.40q", line)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			a.last = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	if a.length < 0 {
		return a, fmt.Errorf("status %d without a Content-Length", a.status)
	}
	return a, nil
}

// dial opens a connection that cannot hang a run for ever.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(longestRun)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// longestRun is more than any run takes.
const longestRun = 2 * time.Minute
