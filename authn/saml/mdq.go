package saml

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"
)

const (
	mdqMost    = 1000 // providers that are kept
	mdqAtOnce  = 4    // questions
	mdqFailed  = time.Minute
	mdqAnswers = 1 << 20 // bytes of one
)

var mdqLimits = limits{bytes: mdqAnswers, tokens: 1 << 17, comments: true}

// query asks a metadata query service about one provider at a time
// (draft-young-md-query-saml): when somebody chooses it, and again when its metadata is
// old. Many who ask for one make one question.
type query struct {
	src  *source
	log  *slog.Logger
	turn chan struct{} // held by who asks the service
	stop context.CancelFunc
	done chan struct{}

	mu  sync.Mutex
	all map[string]*asked
}

// asked is what the service said of one provider.
type asked struct {
	p     *provider // the last that was good; nil for none
	err   error     // of the last question
	again time.Time // when it is asked next
	used  time.Time
	done  chan struct{} // not nil while it is being asked; closed then
}

func newQuery(log *slog.Logger, src *source) *query {
	return &query{src: src, log: log, turn: make(chan struct{}, mdqAtOnce), all: make(map[string]*asked)}
}

// start asks for all that people may search for, until each is known. close ends it.
func (q *query) start(names []string) {
	ctx, stop := context.WithCancel(context.Background())
	q.stop, q.done = stop, make(chan struct{})
	go func() {
		defer close(q.done)
		for left := names; len(left) > 0 && ctx.Err() == nil; {
			var again []string
			for _, name := range left {
				if p, _ := q.get(ctx, name); p == nil {
					again = append(again, name)
				}
			}
			if left = again; len(left) > 0 {
				rest(ctx, mdqFailed)
			}
		}
	}()
}

func (q *query) close() {
	q.stop()
	<-q.done
}

// known is a provider that was asked for before; nil for any other.
func (q *query) known(entityID string) *provider {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.all[entityID]; e != nil {
		return e.p
	}
	return nil
}

// circle is all that are known now.
func (q *query) circle() *circle {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []*provider
	for _, e := range q.all {
		if e.p != nil {
			all = append(all, e.p)
		}
	}
	return circleOf(all...)
}

// get returns a provider, asked for anew where that is due. While the service does not
// answer, what it said last holds as long as it said.
func (q *query) get(ctx context.Context, entityID string) (*provider, error) {
	if entityID == "" || len(entityID) > maxID {
		return nil, errors.New("no provider's name")
	}
	q.mu.Lock()
	e := q.all[entityID]
	if e == nil {
		q.makeRoom()
		e = new(asked)
		q.all[entityID] = e
	}
	now := q.src.now()
	e.used = now
	due := !now.Before(e.again)
	if due && e.done == nil {
		e.done = make(chan struct{})
		go q.ask(entityID, e)
	}
	p, err, again, done := e.p, e.err, e.again, e.done
	q.mu.Unlock()
	switch {
	case p != nil && p.holds(now) && (err != nil || now.Before(again.Add(q.src.cfg.Metadata.Refresh))):
		return p, nil // while it is asked for anew nobody waits, unless it is very old
	case !due:
		return nil, err
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case e.p != nil:
		return e.p, nil
	case e.err != nil:
		return nil, e.err
	}
	return nil, ctx.Err()
}

// makeRoom forgets who was not used for the longest time.
func (q *query) makeRoom() {
	if len(q.all) < mdqMost {
		return
	}
	oldest := ""
	for name, e := range q.all {
		if e.done == nil && (oldest == "" || e.used.Before(q.all[oldest].used)) {
			oldest = name
		}
	}
	delete(q.all, oldest)
}

// ask asks the service, for all who wait for the answer.
func (q *query) ask(entityID string, e *asked) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	p, err := q.load(ctx, entityID)
	now := q.src.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	e.err = err
	if err == nil {
		if e.p == nil || !sameCertificates(e.p.certs, p.certs) {
			q.src.describe(p)
		}
		e.p, e.again = p, now.Add(jitter(q.src.cfg.Metadata.Refresh))
		if !p.validUntil.IsZero() && p.validUntil.Before(e.again) {
			e.again = p.validUntil
		}
	} else {
		e.again = now.Add(mdqFailed)
		if e.p != nil && !e.p.holds(now) {
			e.p = nil
		}
		q.log.Warn("saml: the query service does not tell of a provider", "entity_id", short(entityID), "error", err, "last_good_copy", e.p != nil)
	}
	close(e.done)
	e.done = nil
}

func (q *query) load(ctx context.Context, entityID string) (*provider, error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	text, err := q.src.get(ctx, q.src.cfg.Metadata.MDQ+"/"+url.QueryEscape(entityID), mdqLimits)
	if err != nil {
		return nil, err
	}
	signers, err := q.src.signers()
	if err != nil {
		return nil, err
	}
	p, err := readMetadata(text, entityID, signers, true, q.src.now(), q.src.cfg.InsecureHTTP)
	if err != nil {
		return nil, fmt.Errorf("metadata of %q: %w", short(entityID), err)
	}
	return p, nil
}
