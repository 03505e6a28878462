package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// socketHandshake are the header lines that ask for a WebSocket (RFC 6455, section 4.1).
const socketHandshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// opening is how many WebSockets are opened at once.
const opening = 64

// Frames of RFC 6455, section 5.2: a text of five bytes, masked with zeros as a client
// may choose, and the same from a server.
const (
	askedFrame    = "\x81\x85\x00\x00\x00\x00hello"
	answeredFrame = "\x81\x05hello"
)

// sockets opens o.Conns WebSockets, over each of which one message goes there and back,
// leaves all of them idle for o.For, and fails unless all are open still.
func sockets(ctx context.Context, o *order) (outcome, error) {
	var (
		began   = time.Now()
		conns   = make([]net.Conn, o.Conns)
		latency = make([]histogram, opening)
		errs    = make([]error, opening)
		wg      sync.WaitGroup
	)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for w := range opening {
		wg.Go(func() {
			for i := w; i < len(conns) && errs[w] == nil; i += opening {
				now := time.Now()
				conns[i], errs[w] = o.openSocket(ctx)
				latency[w].add(time.Since(now))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return outcome{}, err
	}
	res := outcome{Done: int64(o.Conns), Seconds: time.Since(began).Seconds()}
	res.Rate = float64(res.Done) / res.Seconds
	var all histogram
	for i := range latency {
		all.merge(&latency[i])
	}
	res.P50, res.P99 = all.quantile(0.50), all.quantile(0.99)
	select {
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	case <-time.After(o.For):
	}
	return res, allQuiet(conns)
}

// openSocket returns the connection of a WebSocket over which a message has gone.
func (o *order) openSocket(ctx context.Context) (net.Conn, error) {
	conn, _, err := o.send(ctx, "GET", socketHandshake)
	if err != nil {
		return nil, err
	}
	got := make([]byte, len(answeredFrame))
	if _, err = io.WriteString(conn, askedFrame); err == nil {
		_, err = io.ReadFull(conn, got)
	}
	if err == nil && string(got) != answeredFrame {
		err = fmt.Errorf("the message came back as %q", got)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// allQuiet fails if one of the connections has ended, or something came.
func allQuiet(conns []net.Conn) error {
	until := time.Now().Add(100 * time.Millisecond)
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			if errs[i] = c.SetReadDeadline(until); errs[i] == nil {
				_, errs[i] = c.Read(make([]byte, 1))
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("WebSocket %d did not stay idle: %w", i, errors.Join(err, net.ErrClosed))
		}
	}
	return nil
}
