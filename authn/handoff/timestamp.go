package handoff

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the container image has no zones of its own
)

// clock reads and writes the timestamps of one partner.
type clock struct {
	kind   string // unix, unix-ms, iso8601 or pattern
	layout string // of a pattern
	zone   *time.Location
}

// stamp is when a token was made.
type stamp struct {
	at     time.Time // the instant; of two that the text may mean the one nearer to now
	latest time.Time // the later of the two, else at
	text   string    // the same for every spelling of what was written
}

// newClock reads the configured format and zone.
func newClock(format, zone string) (*clock, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return nil, &zoneError{zone}
	}
	c := &clock{kind: format, zone: loc}
	switch format {
	case "unix", "unix-ms", "iso8601":
		return c, nil
	}
	c.kind = "pattern"
	c.layout, err = layoutOf(format)
	return c, err
}

type zoneError struct{ zone string }

func (e *zoneError) Error() string { return fmt.Sprintf("%q is not a time zone", e.zone) }

// layoutOf turns yyyyMMddHHmmss, as .NET and Java write it, into 20060102150405.
func layoutOf(pattern string) (string, error) {
	for _, part := range []string{"yyyy", "MM", "dd", "HH", "mm", "ss"} {
		if strings.Count(pattern, part) != 1 {
			return "", fmt.Errorf("%q does not have %s once", pattern, part)
		}
	}
	parts := []string{"yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss.SSS", "05.000", "ss", "05"}
	layout := strings.NewReplacer(parts...).Replace(pattern)
	if strings.ContainsFunc(layout, func(r rune) bool { return !strings.ContainsRune("0123456789TZ-:/. _", r) }) {
		return "", fmt.Errorf("%q has more than yyyy MM dd HH mm ss ss.SSS and T Z - : / . _ between them", pattern)
	}
	// Neighbours may mean something else to time.Parse.
	probe := time.Date(2027, 11, 9, 13, 4, 8, 0, time.UTC)
	if t, err := time.Parse(layout, probe.Format(layout)); err != nil || !t.Equal(probe) {
		return "", fmt.Errorf("%q cannot be read back", pattern)
	}
	return layout, nil
}

var (
	unixSeconds = regexp.MustCompile(`^[1-9][0-9]{8,10}$`)
	unixMillis  = regexp.MustCompile(`^[1-9][0-9]{11,13}$`)
	isoOffset   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$`)
	isoLocal    = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$`)
)

var errStamp = errors.New("the timestamp is not written as configured")

// read understands one timestamp. Nothing is guessed: what does not fit the
// format is an error.
func (c *clock) read(text string, now time.Time) (stamp, error) {
	switch c.kind {
	case "unix":
		return c.number(text, unixSeconds, time.Second)
	case "unix-ms":
		return c.number(text, unixMillis, time.Millisecond)
	case "iso8601":
		if isoOffset.MatchString(text) {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return stamp{}, errStamp
			}
			return fixed(t), nil
		}
		if !isoLocal.MatchString(text) {
			return stamp{}, errStamp
		}
		return c.local("2006-01-02T15:04:05.999999999", text, now)
	}
	if t, err := time.Parse(c.layout, text); err != nil || t.Format(c.layout) != text {
		return stamp{}, errStamp
	}
	return c.local(c.layout, text, now)
}

func (c *clock) number(text string, shape *regexp.Regexp, unit time.Duration) (stamp, error) {
	if !shape.MatchString(text) {
		return stamp{}, errStamp
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return stamp{}, errStamp
	}
	perSecond := int64(time.Second / unit)
	return fixed(time.Unix(n/perSecond, n%perSecond*int64(unit))), nil
}

func fixed(t time.Time) stamp {
	t = t.UTC()
	return stamp{at: t, latest: t, text: t.Format(time.RFC3339Nano)}
}

// local reads a time of the partner's wall clock. In the hour that comes twice in
// autumn it means the one nearer to now; the one that is left out in spring is an
// error.
func (c *clock) local(layout, text string, now time.Time) (stamp, error) {
	wall, err := time.Parse(layout, text) // as if it were UTC
	if err != nil {
		return stamp{}, errStamp
	}
	var found []time.Time
	for _, hint := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(hint).In(c.zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, o := t.In(c.zone).Zone(); o == offset {
			found = append(found, t.UTC())
		}
	}
	if len(found) == 0 {
		return stamp{}, errors.New("the timestamp is in the hour that the change to summer time leaves out")
	}
	s := stamp{at: found[0], latest: found[0], text: wall.Format("2006-01-02T15:04:05.999999999")}
	for _, t := range found[1:] {
		if t.After(s.latest) {
			s.latest = t
		}
		if now.Sub(t).Abs() < now.Sub(s.at).Abs() {
			s.at = t
		}
	}
	return s, nil
}

// write is the inverse of read.
func (c *clock) write(t time.Time) string {
	switch c.kind {
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	case "unix-ms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "iso8601":
		return t.UTC().Format(time.RFC3339)
	}
	return t.In(c.zone).Format(c.layout)
}
