package admin

import (
	"time"

	"foregate/authn/accounts"
)

// chart is visits over time as bars, in units of a drawing that is 1000 wide and 100
// high.
type chart struct {
	Bars  []bar
	Most  int // visits of the highest bar
	First string
	Last  string
}

type bar struct {
	Label               string // the day, or the month
	Visits              int
	X, Y, Width, Height float64
}

// chartOf adds up the rows of a report by day. A day without visits is a bar without
// height: what did not happen is part of the picture.
func chartOf(rows []accounts.Row, from, to time.Time, byMonth bool) chart {
	label := func(day time.Time) string {
		if byMonth {
			return day.Format("January 2006")
		}
		return day.Format("2 Jan 2006")
	}
	var c chart
	at := make(map[string]int)
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		name := label(day)
		if _, found := at[name]; !found {
			at[name] = len(c.Bars)
			c.Bars = append(c.Bars, bar{Label: name})
		}
	}
	for _, row := range rows {
		day, err := dayOf(row.Day)
		if i, found := at[label(day)]; err == nil && found {
			c.Bars[i].Visits += row.Visits
			c.Most = max(c.Most, c.Bars[i].Visits)
		}
	}
	c.draw()
	return c
}

func (c *chart) draw() {
	if len(c.Bars) == 0 {
		return
	}
	step := 1000 / float64(len(c.Bars))
	for i := range c.Bars {
		b := &c.Bars[i]
		b.X, b.Width = float64(i)*step+step*0.1, step*0.8
		if c.Most > 0 {
			b.Height = 100 * float64(b.Visits) / float64(c.Most)
		}
		b.Y = 100 - b.Height
	}
	c.First, c.Last = c.Bars[0].Label, c.Bars[len(c.Bars)-1].Label
}
