package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"foregate/authn/accounts"
)

const (
	maxStreams = 8    // that follow the audit trail at a time
	lateLines  = 1000 // that may be committed after one with a greater ID
)

// streamAudit writes each new line of the trail until the client leaves or Foregate ends.
func streamAudit(a *API, c *call) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	last := 0
	if c.URL.Query().Get("last") != "" {
		if last, err = c.number("last", 0, maxLimit); err != nil {
			return nil, err
		}
	}
	select {
	case a.streams <- struct{}{}:
	default:
		return nil, &refused{http.StatusTooManyRequests, "too many follow the audit trail already"}
	}
	f.Since, f.Until = time.Time{}, time.Time{}
	return download{kind: "application/x-ndjson", write: func(w io.Writer) error {
		defer func() { <-a.streams }()
		return a.follow(c, f, last, w)
	}}, nil
}

func (a *API) follow(c *call, f accounts.Filter, last int, w io.Writer) error {
	t := tail{seen: make(map[int64]bool)}
	if err := t.begin(a, c, f, last, w); err != nil {
		return err
	}
	if l, ok := w.(*late); ok { // so that the client knows that it is heard, also before the first line
		if !l.begun {
			l.begin()
		}
		t.flush = l.Flush
	}
	if err := t.sent(); err != nil {
		return nil
	}
	tick := time.NewTicker(a.pace)
	defer tick.Stop()
	for {
		select {
		case <-c.Context().Done():
			return nil
		case <-a.closing.Done():
			return nil
		case <-tick.C:
		}
		if !c.still() { // a token that was taken away ends what it has begun
			return nil
		}
		if err := t.more(a, c, f, w); err != nil {
			return err
		}
		if err := t.sent(); err != nil {
			return nil // the client has gone
		}
	}
}

// tail is how far a client has been told.
type tail struct {
	newest int64
	seen   map[int64]bool // of the last lines
	flush  func() error
}

func (t *tail) sent() error {
	if t.flush == nil {
		return nil
	}
	return t.flush()
}

// begin writes the last lines that are there, oldest first, and marks where the trail is.
func (t *tail) begin(a *API, c *call, f accounts.Filter, last int, w io.Writer) error {
	newest, err := a.Accounts.Audit.List(c.Context(), accounts.Filter{Limit: lateLines})
	if err != nil {
		return err
	}
	for _, e := range newest {
		t.seen[e.ID] = true
		t.newest = max(t.newest, e.ID)
	}
	if last == 0 {
		return nil
	}
	f.Limit = last
	events, err := a.Accounts.Audit.List(c.Context(), f)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(w)
	for i := len(events) - 1; i >= 0; i-- {
		t.seen[events[i].ID] = true
		if err := lines.Encode(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// more writes what has come. It looks at some lines again: replicas may commit in
// another order than that of the IDs.
func (t *tail) more(a *API, c *call, f accounts.Filter, w io.Writer) error {
	f.Limit = maxLimit
	if f.After = t.newest - lateLines; f.After <= 0 {
		f.After = -1 // all: 0 would be the newest first
	}
	lines := json.NewEncoder(w)
	for {
		events, err := a.Accounts.Audit.List(c.Context(), f)
		if err != nil {
			return err
		}
		for i := range events {
			f.After = events[i].ID
			t.newest = max(t.newest, events[i].ID)
			if t.seen[events[i].ID] {
				continue
			}
			t.seen[events[i].ID] = true
			if err := lines.Encode(&events[i]); err != nil {
				return err
			}
		}
		if len(events) < f.Limit {
			break
		}
	}
	for id := range t.seen {
		if id <= t.newest-lateLines {
			delete(t.seen, id)
		}
	}
	return nil
}
