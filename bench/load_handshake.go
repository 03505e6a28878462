package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// handshakes opens one TLS 1.3 connection after the other, o.Conns at once, and asks
// nothing on them. A run with o.Resume begins with one full handshake, whose ticket
// (RFC 8446, section 4.6.1) all others use.
func handshakes(ctx context.Context, o *order) (outcome, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(o.Root)) {
		return outcome{}, errors.New("no certificate to trust in the order")
	}
	cfg := &tls.Config{RootCAs: roots, ServerName: o.Host, MinVersion: tls.VersionTLS13}
	if o.Resume {
		first := new(oneTicket)
		cfg.ClientSessionCache = first
		if err := o.shakeHands(ctx, cfg, false); err != nil {
			return outcome{}, err
		}
		if first.state == nil {
			return outcome{}, errors.New("the server gave no ticket")
		}
	}
	var (
		began   = time.Now()
		counted = began.Add(o.warmUp())
		end     = began.Add(o.For)
		done    = make([]int64, o.Conns)
		latency = make([]histogram, o.Conns)
		errs    = make([]error, o.Conns)
		wg      sync.WaitGroup
	)
	for i := range o.Conns {
		wg.Go(func() {
			for now := time.Now(); now.Before(end) && errs[i] == nil; {
				errs[i] = o.shakeHands(ctx, cfg, o.Resume)
				after := time.Now()
				done[i]++
				if now.After(counted) {
					latency[i].add(after.Sub(now))
				}
				now = after
			}
		})
	}
	wg.Wait()
	res := outcome{Seconds: time.Since(began).Seconds()}
	var all histogram
	for i := range o.Conns {
		res.Done += done[i]
		all.merge(&latency[i])
	}
	res.Rate = float64(all.total) / time.Since(counted).Seconds()
	res.P50, res.P99 = all.quantile(0.50), all.quantile(0.99)
	return res, errors.Join(errs...)
}

// shakeHands makes one connection and ends it in order: the server has then read the
// client's last message, and sent its tickets.
func (o *order) shakeHands(ctx context.Context, cfg *tls.Config, resumed bool) error {
	conn, err := dial(ctx, o.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := tls.Client(conn, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	if got := c.ConnectionState().DidResume; got != resumed {
		return fmt.Errorf("resumed: %t, want %t", got, resumed)
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the end of a connection came %d bytes, %w", n, err)
	}
	return nil
}

// oneTicket keeps the first ticket that comes, for all connections.
type oneTicket struct{ state *tls.ClientSessionState }

func (t *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return t.state, t.state != nil }

// Put is called by one connection alone while there is no ticket.
func (t *oneTicket) Put(_ string, state *tls.ClientSessionState) {
	if t.state == nil {
		t.state = state
	}
}
