package upstream

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"foregate/authn"
)

// How long an address is left alone that cannot be connected to: at first, and at
// most. It doubles with each failure.
const (
	firstPause = time.Second
	longPause  = time.Minute
)

const maxAddresses = 16 // of one route, so that those tried fit into a uint16

// pool shares the requests of a route among several addresses. It is a
// http.RoundTripper. On the way of a request it takes no lock.
//
// An address that cannot be connected to is out for a while, then one request may
// try it: if that connects it is in again, otherwise it is out for twice as long. A
// request for which no connection could be made goes to the next address, whatever
// its method, since nothing of it was sent. What was answered is asked again only
// where a Retry says so.
type pool struct {
	addresses []*address
	sticky    bool // the same person to the same address
	least     bool // to the address with the fewest requests under way, not to each in turn
	next      atomic.Uint32
	app       string
	log       *slog.Logger
	checker   *checker // nil: nobody asks

	retry    *Retry // nil: every answer stands
	budget   budget
	patience time.Duration // for all tries of a request, until an answer begins
}

// address is one of a pool's.
type address struct {
	host   string // and port
	seed   uint64 // of weight
	index  int
	via    http.RoundTripper
	direct bool         // GET and HEAD go by connections of its own, and passage.connected says nothing
	active atomic.Int64 // requests under way
	until  atomic.Int64 // when it may be tried again, in nanoseconds of Unix time; 0 is in
	fails  atomic.Int32 // one after the other
}

func newPool(r Route, shared http.RoundTripper, app string, log *slog.Logger) *pool {
	p := &pool{least: r.Least, sticky: r.Sticky, app: app, log: log}
	for i, host := range append([]string{r.URL.Host}, r.Also...) {
		own := r
		at := *r.URL
		at.Host = host
		own.URL = &at
		a := &address{host: host, seed: fnv(offset64, host), index: i, via: newDirect(own, shared)}
		_, a.direct = a.via.(*direct)
		p.addresses = append(p.addresses, a)
	}
	if r.Retry.Times > 0 {
		p.retry, p.patience = &r.Retry, orDefault(r.Timeouts.ResponseHeader, responseTime)
	}
	if r.Health.Path != "" {
		p.checker = startChecker(p, r)
	}
	return p
}

// RoundTrip sends r, which must be a copy of the passage's own, to one of the addresses,
// or to several one after the other.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	way := passageOf(r.Context())
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &heldBody{r.Body, way}
	}
	if p.retry != nil {
		return p.persist(r, way)
	}
	res, _, err := p.send(r, way, 0)
	return res, err
}

// send sends r to one of the addresses that are not in tried, a set of bits, and returns
// the set with those that were.
func (p *pool) send(r *http.Request, way *passage, tried uint16) (*http.Response, uint16, error) {
	var last error
	for {
		a, trial := p.pick(tried, way.trip)
		if a == nil {
			return nil, tried, p.allOut(last)
		}
		tried |= 1 << a.index
		way.board(a)
		r.URL.Host = a.host
		res, err := a.via.RoundTrip(r)
		if r.Context().Err() != nil { // the client is gone: nothing is known about the address
			return res, tried, err
		}
		if err == nil || !a.unsent(way, r, err) {
			if trial {
				p.reached(a)
			}
			return res, tried, err
		}
		p.missed(a, trial, err)
		last = err
	}
}

// pick returns the address for the next try, and whether the try decides if it is in
// again; nil if none is left.
func (p *pool) pick(tried uint16, t *Trip) (best *address, trial bool) {
	var key, most uint64
	if p.sticky {
		key = keyOf(t)
	}
	first := int(p.next.Add(1) % uint32(len(p.addresses)))
	for i := range p.addresses {
		a := p.addresses[(first+i)%len(p.addresses)]
		if tried&(1<<a.index) != 0 {
			continue
		}
		if a.until.Load() != 0 {
			if a.trial(time.Now()) {
				return a, true
			}
			continue
		}
		if p.sticky {
			if w := a.weight(key); best == nil || w > most {
				best, most = a, w
			}
			continue
		}
		if !p.least {
			return a, false
		}
		if best == nil || a.active.Load() < best.active.Load() {
			best = a
		}
	}
	return best, false
}

// trial reports whether an address that is out may be tried again by the one who
// asks. Others must wait as long as before, in case nothing is heard of the trial.
func (a *address) trial(now time.Time) bool {
	until := a.until.Load()
	return until != 0 && until <= now.UnixNano() && a.until.CompareAndSwap(until, now.Add(pause(a.fails.Load())).UnixNano())
}

// pause is how long an address is out after so many failures.
func pause(fails int32) time.Duration {
	return min(firstPause<<min(max(fails-1, 0), 10), longPause)
}

func (p *pool) reached(a *address) {
	a.fails.Store(0)
	if a.until.Swap(0) == 0 {
		return
	}
	p.log.Info("address of the application can be reached again", "app", p.app, "address", a.host)
}

// missed counts once for all requests that fail together.
func (p *pool) missed(a *address, trial bool, err error) {
	if trial && a.until.Load() != forever {
		a.until.Store(time.Now().Add(pause(a.fails.Add(1))).UnixNano())
		return
	}
	if a.until.CompareAndSwap(0, time.Now().Add(pause(1)).UnixNano()) {
		a.fails.Store(1)
		p.log.Warn("address of the application cannot be reached, others are used", "app", p.app, "address", a.host, "error", err)
	}
}

// allOut is the answer if no address could be tried, or none of those that were.
func (p *pool) allOut(last error) error {
	if last == nil {
		last = errors.New("every address was out of reach a moment ago")
	}
	soonest := int64(math.MaxInt64)
	for _, a := range p.addresses {
		soonest = min(soonest, a.until.Load())
	}
	return &authn.Error{
		Public: noAnswer, Err: fmt.Errorf("upstream %q: no address can be reached: %w", p.app, last),
		Status: http.StatusBadGateway, RetryAfter: min(max(time.Second, time.Until(time.Unix(0, soonest))), longPause),
	}
}

func (p *pool) close() {
	if p.checker != nil {
		p.checker.close()
	}
	for _, a := range p.addresses {
		if d, ok := a.via.(*direct); ok {
			d.CloseIdleConnections()
		}
	}
}

// board counts the passage as the address's, and not as that of one tried before.
func (p *passage) board(a *address) {
	p.leave()
	p.address = a
	a.active.Add(1)
}

// leave ends the passage's stay at its address.
func (p *passage) leave() {
	if p.address != nil {
		p.address.active.Add(-1)
		p.address = nil
	}
}

// unsent reports whether nothing of r can have been sent when err came about. A
// connection that was got and broke may have carried something; the transport itself
// then only connects again for what was not sent, or is safe to be sent twice.
func (a *address) unsent(p *passage, r *http.Request, err error) bool {
	var dialled *net.OpError
	refused := errors.As(err, &dialled) && dialled.Op == "dial"
	if headerOnly(r) {
		return refused || !a.direct && !p.connected
	}
	return !p.connected
}

// heldBody is a client's body that survives the transport's giving up before it had
// a connection, for the next address.
type heldBody struct {
	io.ReadCloser
	way *passage
}

func (b *heldBody) Close() error {
	if !b.way.connected {
		return nil
	}
	return b.ReadCloser.Close()
}
