package authn

import (
	"testing"
	"time"
)

func TestWindowOfTheDay(t *testing.T) {
	at := func(clock string) time.Time {
		c, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		window  string
		in, out []string
	}{
		{"", []string{"00:00:00", "12:00:00", "23:59:59"}, nil},
		{"22:00-05:00", []string{"22:00:00", "23:59:59", "00:00:00", "04:59:59"}, []string{"05:00:00", "12:00:00", "21:59:59"}},
		{"01:30-04:00", []string{"01:30:00", "03:59:59"}, []string{"01:29:59", "04:00:00", "22:00:00"}},
	} {
		w, err := ParseWindow(c.window)
		if err != nil {
			t.Errorf("%q: %v", c.window, err)
			continue
		}
		for _, clock := range c.in {
			if !w.Holds(at(clock)) {
				t.Errorf("%q does not hold at %s", c.window, clock)
			}
		}
		for _, clock := range c.out {
			if w.Holds(at(clock)) {
				t.Errorf("%q holds at %s", c.window, clock)
			}
		}
	}
	for _, s := range []string{"22", "22:00", "22:00-", "2:00-5:00", "22:00-24:00", "22:60-05:00", "22:00-05:00x", "-1:00-05:00", "22:00-22:00", "22:00 - 05:00"} {
		if w, err := ParseWindow(s); err == nil {
			t.Errorf("%q is read as %v", s, w)
		}
	}
}
