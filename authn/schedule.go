package authn

import (
	"fmt"
	"time"
)

// Scheduled is the configuration of a Directory with which accounts are compared from
// time to time.
type Scheduled interface {
	// RefreshPlan says how often, and at which time of the day; every 0: never.
	RefreshPlan() (every time.Duration, window Window)
}

// Window is a part of each day, in local time: "22:00-05:00". The zero Window is all
// of it.
type Window struct{ from, to time.Duration } // since midnight; from may be later than to

// ParseWindow reads "22:00-05:00"; "" is the zero Window.
func ParseWindow(s string) (Window, error) {
	if s == "" {
		return Window{}, nil
	}
	var h1, m1, h2, m2 int
	n, err := fmt.Sscanf(s, "%2d:%2d-%2d:%2d", &h1, &m1, &h2, &m2)
	from, to := time.Duration(h1)*time.Hour+time.Duration(m1)*time.Minute, time.Duration(h2)*time.Hour+time.Duration(m2)*time.Minute
	if err != nil || n != 4 || s != fmt.Sprintf("%02d:%02d-%02d:%02d", h1, m1, h2, m2) || h1 > 23 || h2 > 23 || m1 > 59 || m2 > 59 || h1 < 0 || h2 < 0 || m1 < 0 || m2 < 0 {
		return Window{}, fmt.Errorf("%q is not a part of the day such as 22:00-05:00", CutControl(s, 40))
	}
	if from == to {
		return Window{}, fmt.Errorf("%q begins when it ends", s)
	}
	return Window{from, to}, nil
}

// Holds reports whether t is in the window, by the clock on the wall in t's zone.
func (w Window) Holds(t time.Time) bool {
	if w == (Window{}) {
		return true
	}
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	if w.from < w.to {
		return at >= w.from && at < w.to
	}
	return at >= w.from || at < w.to
}
