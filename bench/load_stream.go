package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// events reads o.Conns streams of server-sent events (HTML, section 9.2) and
// measures how long each event was under way. The upstream writes the time of
// sending into each; both run on one machine, by one clock.
func events(ctx context.Context, o *order) (outcome, error) {
	var (
		began   = time.Now()
		counted = began.Add(o.warmUp())
		delays  = make([]histogram, o.Conns)
		errs    = make([]error, o.Conns)
		done    atomic.Int64
		wg      sync.WaitGroup
	)
	ctx, cancel := context.WithDeadline(ctx, began.Add(o.For))
	defer cancel()
	for i := range delays {
		wg.Go(func() { errs[i] = o.readEvents(ctx, counted, &delays[i], &done) })
	}
	wg.Wait()
	res := outcome{Done: done.Load(), Seconds: time.Since(began).Seconds()}
	var delay histogram
	for i := range delays {
		delay.merge(&delays[i])
	}
	res.Rate = float64(delay.total) / time.Since(counted).Seconds()
	res.P50, res.P99 = delay.quantile(0.50), delay.quantile(0.99)
	return res, errors.Join(errs...)
}

// readEvents reads one stream until ctx ends, which is no error.
func (o *order) readEvents(ctx context.Context, counted time.Time, delay *histogram, done *atomic.Int64) error {
	conn, res, err := o.send(ctx, "GET", "")
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		text, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		sent, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return fmt.Errorf("an event that is not ours: %w", err)
		}
		now := time.Now()
		done.Add(1)
		if now.After(counted) {
			delay.add(now.Sub(time.Unix(0, sent)))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the stream ended early: %w", errors.Join(lines.Err(), http.ErrAbortHandler))
}

// send opens a connection, sends a head with more headers, and reads the head of
// the answer. The caller closes the connection.
func (o *order) send(ctx context.Context, method, more string) (net.Conn, *http.Response, error) {
	conn, err := dial(ctx, o.Addr)
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Write([]byte(o.head(method, o.Path, o.cookie()) + more + "\r\n")); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	res, err := o.readHead(conn)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, res, nil
}

func (o *order) readHead(conn net.Conn) (*http.Response, error) {
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != o.Status {
		return nil, fmt.Errorf("status %d, want %d", res.StatusCode, o.Status)
	}
	return res, nil
}

func (o *order) cookie() string {
	if len(o.Cookies) == 0 {
		return ""
	}
	return o.Cookies[0]
}
