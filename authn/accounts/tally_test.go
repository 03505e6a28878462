package accounts

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTallyCountsEveryVisitOfManyAtOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		// Two replicas that write the same rows in the order in which people came.
		one, other := w.Usage.Tally(), w.Usage.Tally()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 50 {
					v := Visit{Organisation: "st-elsewhere", Method: "page", User: fmt.Sprint("u", (i+j)%5), Time: w.now().Add(time.Duration(j) * time.Minute)}
					one.Count(v)
					v.User = fmt.Sprint("u", 4-(i+j)%5)
					other.Count(v)
				}
			})
		}
		all.Wait()
		all.Go(one.Close)
		all.Go(other.Close)
		all.Wait()
		rows, err := w.Usage.Report(t.Context(), ReportQuery{From: w.now(), To: w.now(), By: ByOrganisation})
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		got := rows[0]
		if got.Visits != 800 || got.Users != 5 || !got.First.Equal(w.now()) || !got.Last.Equal(w.now().Add(49*time.Minute)) {
			t.Errorf("%+v", got)
		}
	})
}

// Nobody who signs in waits: while the database is locked, and when it is gone.
func TestTallyKeepsVisitsWhileTheDatabaseDoesNotAnswer(t *testing.T) {
	w := open(t, sqlite(t, t.TempDir()+"/foregate.db"))
	var log bytes.Buffer
	w.env.Log = slog.New(slog.NewTextHandler(&log, nil))
	tally := &Tally{a: w.Accounts, waiting: make(map[usageRow]visits)}
	tally.Count(Visit{Method: "page", User: "alice"})

	if _, err := w.db.Writer.ExecContext(t.Context(), `ALTER TABLE usage RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	tally.flush()
	tally.flush()
	tally.Count(Visit{Method: "page", User: "alice"})
	if said := log.String(); strings.Count(said, "they are kept") != 1 || strings.Contains(said, "alice") {
		t.Errorf("it is said: %s", said)
	}
	if _, err := w.db.Writer.ExecContext(t.Context(), `ALTER TABLE gone RENAME TO usage`); err != nil {
		t.Fatal(err)
	}
	tally.flush()
	rows, err := w.Usage.Report(t.Context(), ReportQuery{From: w.now(), To: w.now(), By: ByUser})
	if err != nil || len(rows) != 1 || rows[0].Visits != 2 || rows[0].User != "alice" {
		t.Errorf("%+v, %v", rows, err)
	}
	tally.flush() // nothing is left
	if rows, err = w.Usage.Report(t.Context(), ReportQuery{From: w.now(), To: w.now(), By: ByUser}); err != nil || rows[0].Visits != 2 {
		t.Errorf("counted twice: %+v, %v", rows, err)
	}
}

func TestTallyIsBounded(t *testing.T) {
	var log bytes.Buffer
	a := &Accounts{env: Env{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}}
	tally := &Tally{a: a, waiting: make(map[usageRow]visits)}
	for i := range tallyRows + 7 {
		tally.Count(Visit{Method: "page", User: fmt.Sprint(i)})
	}
	tally.Count(Visit{Method: "page", User: "0"})
	if len(tally.waiting) != tallyRows || tally.lost != 7 {
		t.Errorf("%d wait, %d are lost", len(tally.waiting), tally.lost)
	}
	tally.waiting = nil
	tally.flush()
	if !strings.Contains(log.String(), "visits=7") {
		t.Errorf("it is said: %s", log.String())
	}
}

func TestTallyAddsUpEveryTwoSeconds(t *testing.T) {
	// Without a database: that it has looked shows in what it says was lost.
	synctest.Test(t, func(t *testing.T) {
		a := &Accounts{env: Env{Log: slog.New(slog.DiscardHandler), Now: time.Now}}
		a.Usage = &Usage{a}
		tally := a.Usage.Tally()
		lost := func(now int) (before int) {
			tally.mu.Lock()
			defer tally.mu.Unlock()
			before, tally.lost = tally.lost, now
			return before
		}
		lost(3)
		time.Sleep(tallyEvery - time.Millisecond)
		synctest.Wait()
		if lost(3) != 3 {
			t.Error("too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if lost(3) != 0 {
			t.Error("too late")
		}
		tally.Close()
		if lost(0) != 0 {
			t.Error("not at the end")
		}
	})
}
