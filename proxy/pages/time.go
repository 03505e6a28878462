package pages

import (
	"strings"
	"time"
)

// months are messages.
var months = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// ago says when something was, so that it can be understood without knowing the
// server's time zone.
func (t *tongue) ago(at, now time.Time) string {
	d := now.Sub(at)
	words := t.say("just now")
	switch {
	case d >= 24*time.Hour:
		words = t.counted("{{.count}} days ago", int(d/(24*time.Hour)))
	case d >= time.Hour:
		words = t.counted("{{.count}} hours ago", int(d/time.Hour))
	case d >= 2*time.Minute:
		words = t.counted("{{.count}} minutes ago", int(d/time.Minute))
	}
	return words + " (" + t.moment(at) + ")"
}

// moment is a date and a time of day: "2 January 2006, 15:04 UTC" in English.
func (t *tongue) moment(at time.Time) string {
	at = at.Local()
	return t.with("{{.day}} {{.month}} {{.year}}, {{.time}} {{.zone}}",
		"day", at.Format("2"), "month", t.say(months[at.Month()-1]), "year", at.Format("2006"), "time", at.Format("15:04"), "zone", at.Format("MST"))
}

// value is what a Fact says.
func (t *tongue) value(f Fact, now time.Time) string {
	var said []string
	for _, word := range f.Words {
		said = append(said, t.say(word))
	}
	if f.Value != "" {
		said = append(said, f.Value)
	}
	if !f.Since.IsZero() {
		said = append(said, t.ago(f.Since, now))
	}
	if !f.Until.IsZero() {
		said = append(said, t.moment(f.Until))
	}
	joined := strings.Join(said, ", ")
	if f.More > 0 {
		return t.counted("{{.names}} and {{.count}} more", f.More, "names", joined)
	}
	return joined
}
