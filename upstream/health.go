package upstream

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"foregate/internal/resolve"
)

// Health is how each of several addresses is asked whether it can take requests. The zero
// Health asks nothing: then only what cannot be connected to is out.
type Health struct {
	Path    string        // what is asked for, by GET; empty: nothing
	Every   time.Duration // at most a quarter sooner or later, so that replicas do not ask together
	Timeout time.Duration // of one answer
}

const maxHealthAnswer = 64 << 10 // bytes that are read of one

// forever is when an address may be tried again that a check has put out: when a check
// puts it in.
const forever = math.MaxInt64

// checker asks the addresses of a pool.
type checker struct {
	pool   *pool
	route  Route
	client *http.Client
	stop   context.CancelFunc
	done   chan struct{}
}

func startChecker(p *pool, r Route) *checker {
	t := &http.Transport{DialContext: resolve.DialContext, TLSClientConfig: r.tls(), DisableKeepAlives: true, MaxResponseHeaderBytes: maxResponseHeader, ForceAttemptHTTP2: r.URL.Scheme == "https"}
	if r.H2C {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &checker{pool: p, route: r, stop: stop, done: make(chan struct{}), client: &http.Client{
		Transport: t, Timeout: r.Health.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	go c.run(ctx)
	return c
}

// close ends the asking and waits for its end.
func (c *checker) close() {
	c.stop()
	<-c.done
	c.client.CloseIdleConnections()
}

func (c *checker) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		for _, a := range c.pool.addresses {
			if err := c.ask(ctx, a); ctx.Err() == nil {
				c.pool.checked(a, err)
			}
		}
		every := c.route.Health.Every
		t := time.NewTimer(every*3/4 + rand.N(every/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// ask returns why an address cannot take requests, or nil.
func (c *checker) ask(ctx context.Context, a *address) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.route.URL.Scheme+"://"+a.host+c.route.Health.Path, nil)
	if err != nil {
		return err
	}
	r.Host = c.route.HostHeader
	r.Header.Set("User-Agent", "foregate")
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxHealthAnswer))
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answers with status %d", c.route.Health.Path, res.StatusCode)
	}
	return nil
}

// checked puts an address in or out.
func (p *pool) checked(a *address, err error) {
	if err == nil {
		p.reached(a)
		return
	}
	if a.until.Swap(forever) == 0 {
		p.log.Warn("address of the application cannot take requests, others are used", "app", p.app, "address", a.host, "error", err)
	}
}
