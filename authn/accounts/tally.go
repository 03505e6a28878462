package accounts

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tallyEvery = 2 * time.Second
	tallyRows  = 10_000 // that wait at most
)

// Tally counts visits in memory and adds them to the database every two seconds, so
// that no sign-in waits for that. While the database does not answer it keeps what
// it has: of 10,000 people a day; visits of others are lost then, and that is said in
// the log.
type Tally struct {
	a    *Accounts
	stop func()
	done chan struct{}

	mu      sync.Mutex
	waiting map[usageRow]visits
	lost    int
	down    bool // the last try failed
}

// Tally begins to count. Close ends it.
func (u *Usage) Tally() *Tally {
	ctx, stop := context.WithCancel(context.Background())
	t := &Tally{a: u.a, stop: stop, done: make(chan struct{}), waiting: make(map[usageRow]visits)}
	go t.run(ctx)
	return t
}

// Count counts a visit. It never waits and never fails.
func (t *Tally) Count(v Visit) {
	if v.Time.IsZero() {
		v.Time = t.a.env.Now()
	}
	now := v.Time.UnixMilli()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(rowOf(v), visits{1, now, now})
}

// add needs the lock.
func (t *Tally) add(row usageRow, v visits) {
	had, there := t.waiting[row]
	switch {
	case there:
		t.waiting[row] = visits{had.n + v.n, min(had.first, v.first), max(had.last, v.last)}
	case len(t.waiting) < tallyRows:
		t.waiting[row] = v
	default:
		t.lost += int(v.n)
	}
}

// Close adds what is left to the database, within five seconds, and ends the
// counting.
func (t *Tally) Close() {
	t.stop()
	<-t.done
}

func (t *Tally) run(ctx context.Context) {
	defer close(t.done)
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.flush()
		case <-ctx.Done():
			t.flush()
			return
		}
	}
}

// flush adds what waits to the database, or keeps it if that fails.
func (t *Tally) flush() {
	t.mu.Lock()
	batch, lost := t.waiting, t.lost
	t.waiting, t.lost = make(map[usageRow]visits), 0
	t.mu.Unlock()
	if lost > 0 {
		t.a.env.Log.Warn("visits not counted: too many were waiting for the database", "visits", lost)
	}
	if len(batch) == 0 {
		return
	}
	// In one order, or two replicas would wait for each other's rows.
	rows := slices.SortedFunc(maps.Keys(batch), usageRow.compare)
	err := t.a.write(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		for _, row := range rows {
			if err := count(ctx, tx, row, batch[row]); err != nil {
				return err
			}
		}
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.down = false
		return
	}
	if !t.down {
		t.a.env.Log.Warn("visits cannot be counted now; they are kept", "people", len(batch), "err", err)
	}
	t.down = true
	for _, row := range rows {
		t.add(row, batch[row])
	}
}

func (r usageRow) compare(o usageRow) int {
	for _, pair := range [...][2]string{{r.day, o.day}, {r.organisation, o.organisation}, {r.method, o.method}, {r.user, o.user}} {
		if c := strings.Compare(pair[0], pair[1]); c != 0 {
			return c
		}
	}
	return 0
}
