package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// Retry says which answers of one of several addresses are put to another. The zero Retry
// is none.
//
// Only what is safe to be done twice (RFC 9110, section 9.2.1) and comes without a body is
// asked again: GET, HEAD and OPTIONS, no upgrade; and only before the client got anything.
// An answer with Retry-After (section 10.2.3) stands: the application has said when it
// wants to be asked. The address that answered is not asked again, nor is one that is out.
type Retry struct {
	Statuses []int // 429, 500 to 599
	Times    int   // at most so many more addresses for one request, 1 to maxRetries
}

const maxRetries = 3

// Of the requests of a route, within budgetSpan, one in budgetShare may be asked again,
// and budgetSpare: an outage of all addresses must not be doubled by us.
const (
	budgetSpan  = 10 * time.Second
	budgetShare = 5
	budgetSpare = 10
)

func (r *Retry) check(addresses int) error {
	switch {
	case len(r.Statuses) == 0 && r.Times == 0:
		return nil
	case len(r.Statuses) == 0 || r.Times < 1 || r.Times > maxRetries:
		return fmt.Errorf("asking again needs statuses, and 1 to %d times", maxRetries)
	case addresses < 2:
		return errors.New("there is no other address that could be asked again")
	}
	for _, status := range r.Statuses {
		if status != http.StatusTooManyRequests && (status < 500 || status > 599) {
			return fmt.Errorf("the status %d does not say that another address could do better", status)
		}
	}
	return nil
}

// Retried is how it ended when the answer of one address was one of Retry's.
type Retried string

// The values of Retried; empty where nothing was to be asked again.
const (
	RetryAnswered Retried = "answered" // by another address
	RetryRefused  Retried = "refused"  // by all that were asked, or the others did not answer in time
	RetryWithheld Retried = "withheld" // nobody was asked again, or not as often: the budget was spent
)

// Retries is, after Forward, how many more addresses were asked because of an answer's
// status, and how that ended.
func (t *Trip) Retries() (int, Retried) { return t.under.retries, t.under.retried }

// persist is RoundTrip where answers may be put to other addresses. The answer at hand is
// kept open, unread, until there is a better one.
func (p *pool) persist(r *http.Request, way *passage) (*http.Response, error) {
	end := time.Now().Add(p.patience)
	p.budget.asked()
	res, tried, err := p.send(r, way, 0)
	for err == nil && way.retries < p.retry.Times && p.wants(r, way, res) {
		tried |= p.out()
		left := time.Until(end)
		if tried == 1<<len(p.addresses)-1 || left <= 0 {
			break
		}
		if !p.budget.take() {
			way.retried = RetryWithheld
			return res, nil
		}
		way.retries++
		way.retried = RetryRefused
		from := way.address
		var next *http.Response
		if next, tried, err = p.within(left, r, way, tried); err != nil {
			if r.Context().Err() != nil { // the client is gone
				_ = res.Body.Close()
				return nil, err
			}
			way.board(from)
			return res, nil
		}
		_ = res.Body.Close()
		res = next
	}
	if err == nil && way.retries > 0 && !slices.Contains(p.retry.Statuses, res.StatusCode) {
		way.retried = RetryAnswered
	}
	return res, err
}

// wants reports whether an answer is to be put to another address.
func (p *pool) wants(r *http.Request, way *passage, res *http.Response) bool {
	return slices.Contains(p.retry.Statuses, res.StatusCode) && res.Header["Retry-After"] == nil &&
		way.interim.count == 0 && (r.Body == nil || r.Body == http.NoBody) && r.Header["Upgrade"] == nil &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions)
}

// out are the addresses that are out, as bits.
func (p *pool) out() (bits uint16) {
	for _, a := range p.addresses {
		if a.until.Load() != 0 {
			bits |= 1 << a.index
		}
	}
	return bits
}

var errNoTimeLeft = errors.New("no other address answered in the time that was left")

// within sends r until its answer begins, for at most left. Like send, it returns which
// addresses were tried.
func (p *pool) within(left time.Duration, r *http.Request, way *passage, tried uint16) (*http.Response, uint16, error) {
	ctx, cancel := context.WithCancel(r.Context())
	timer := time.AfterFunc(left, cancel)
	way.connected = false
	res, tried, err := p.send(r.WithContext(ctx), way, tried)
	if timer.Stop() && err == nil {
		return res, tried, nil // ctx ends with the request's own
	}
	cancel()
	if err == nil {
		_ = res.Body.Close()
		err = errNoTimeLeft
	}
	return nil, tried, err
}

// budget counts the requests of a route and those that were asked again. It takes no lock.
type budget struct{ span atomic.Pointer[span] }

// span is what was counted since began.
type span struct {
	began        time.Time
	asked, again atomic.Int64
}

func (b *budget) current() *span {
	s := b.span.Load()
	if s != nil && time.Since(s.began) < budgetSpan {
		return s
	}
	next := &span{began: time.Now()}
	if b.span.CompareAndSwap(s, next) {
		return next
	}
	return b.span.Load()
}

func (b *budget) asked() { b.current().asked.Add(1) }

// take reports whether one more request may be asked again, and counts it.
func (b *budget) take() bool {
	s := b.current()
	if s.again.Add(1) <= s.asked.Load()/budgetShare+budgetSpare {
		return true
	}
	s.again.Add(-1)
	return false
}
