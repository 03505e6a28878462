package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"foregate/authn"
)

// States of a look.
const (
	lookOK   = "OK"
	lookWarn = "WARN"
	lookFail = "FAIL"
)

const (
	lookTime = 5 * time.Second     // for one look
	lookSoon = 21 * 24 * time.Hour // a certificate that ends within this is warned about
	clockOff = 5 * time.Second     // beyond which clocks are warned about
	clockBad = time.Minute         // beyond which sign-ins are refused
)

// look is one thing that validate --online looks at.
type look struct {
	kind, name string
	authn.Check
}

// looked is what became of a look.
type looked struct {
	State  string `json:"state"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Target string `json:"target"`
	Millis int64  `json:"ms"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`

	offset  time.Duration
	hasTime bool
}

// lookAll looks at everything at once, and then compares the clocks. The order is
// that of looks.
func lookAll(ctx context.Context, looks []look, patience time.Duration) []looked {
	all := make([]looked, len(looks))
	var wait sync.WaitGroup
	for i := range looks {
		wait.Go(func() { all[i] = looks[i].run(ctx, patience) })
	}
	wait.Wait()
	if c, ok := clockOf(all); ok {
		all = append(all, c)
	}
	return all
}

// run never takes longer than patience, whatever the look does.
func (l look) run(ctx context.Context, patience time.Duration) looked {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w, began := new(authn.Witness), time.Now()
	done := make(chan authn.Finding, 1)
	go func() { done <- l.Look(ctx, w) }()
	var f authn.Finding
	select {
	case f = <-done:
	case <-ctx.Done():
		f.Err = ctx.Err()
	}
	out := looked{State: lookOK, Kind: l.kind, Name: l.name, Target: oneLineOf(l.Target), Detail: f.Detail, Remedy: f.Remedy, Millis: time.Since(began).Milliseconds()}
	out.offset, out.hasTime = w.Offset()
	out.judge(f, w.Ends(), patience)
	out.Detail, out.Remedy = oneLineOf(out.Detail), oneLineOf(out.Remedy)
	return out
}

func (l *looked) judge(f authn.Finding, ends time.Time, patience time.Duration) {
	left := time.Until(ends)
	switch {
	case f.Err != nil:
		l.State, l.Detail = lookFail, f.Err.Error()
		if errors.Is(f.Err, context.DeadlineExceeded) {
			l.Detail = fmt.Sprintf("no answer within %s: %v", patience, f.Err)
		}
		l.Remedy = cmp.Or(f.Remedy, remedyFor(f.Err))
	case f.Warning != "":
		l.State, l.Detail = lookWarn, strings.TrimPrefix(f.Detail+"; "+f.Warning, "; ")
	case !ends.IsZero() && left < lookSoon:
		l.State, l.Detail = lookWarn, strings.TrimPrefix(f.Detail+"; its certificate ends on "+ends.Format(time.DateOnly), "; ")
		l.Remedy = "have the certificate renewed before that day"
	}
}

// clockOf compares our clock with those that were told: the middle one counts, since
// one server may be wrong by itself.
func clockOf(all []looked) (looked, bool) {
	var offsets []time.Duration
	for _, l := range all {
		if l.hasTime {
			offsets = append(offsets, l.offset)
		}
	}
	if len(offsets) == 0 {
		return looked{}, false
	}
	slices.Sort(offsets)
	off := offsets[len(offsets)/2].Round(100 * time.Millisecond)
	c := looked{State: lookOK, Kind: "clock", Name: "this machine", Target: fmt.Sprintf("%d servers", len(offsets)), Detail: "agrees with theirs"}
	if off.Abs() <= clockOff {
		return c, true
	}
	direction := "behind"
	if off < 0 {
		direction = "before"
	}
	c.State, c.Detail = lookWarn, fmt.Sprintf("is %s %s theirs", off.Abs(), direction)
	c.Remedy = "set the clock of this machine by NTP, or ask the operators of the servers above"
	if off.Abs() > clockBad {
		c.State = lookFail
	}
	return c, true
}

// writeLooks writes a table: a line for each look, and below it what to do.
func writeLooks(w io.Writer, all []looked) error {
	kinds, names, targets := 4, 4, 6
	for _, l := range all {
		kinds, names, targets = max(kinds, len(l.Kind)), max(names, len(l.Name)), max(targets, min(len(l.Target), 48))
	}
	for _, l := range all {
		_, err := fmt.Fprintf(w, "%-4s  %-*s  %-*s  %-*s  %5d ms  %s\n", l.State, kinds, l.Kind, names, l.Name, targets, l.Target, l.Millis, l.Detail)
		if err == nil && l.Remedy != "" && l.State != lookOK {
			_, err = fmt.Fprintf(w, "      -> %s\n", l.Remedy)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// countFailed is how many looks ended badly.
func countFailed(all []looked) int {
	n := 0
	for _, l := range all {
		if l.State == lookFail {
			n++
		}
	}
	return n
}

// oneLineOf keeps what a server said from drawing on the operator's terminal.
func oneLineOf(s string) string {
	return authn.CutControl(strings.Join(strings.Fields(s), " "), 400)
}
