package handoff

import (
	"testing"
	"time"
)

func TestTK2TimestampsAreReadStrictly(t *testing.T) {
	tests := []struct {
		format, zone, text, want string // RFC 3339; empty: refused
	}{
		{"unix", "UTC", "1767225600", "2026-01-01T00:00:00Z"},
		{"unix", "UTC", "4102444800", "2100-01-01T00:00:00Z"}, // beyond 2038
		{"unix", "UTC", "1767225600000", ""},                  // milliseconds
		{"unix", "UTC", "1767225600.0", ""},
		{"unix", "UTC", "1e300", ""},
		{"unix", "UTC", "1.7672256e9", ""},
		{"unix", "UTC", "-1767225600", ""},
		{"unix", "UTC", "+1767225600", ""},
		{"unix", "UTC", "01767225600", ""},
		{"unix", "UTC", " 1767225600", ""},
		{"unix", "UTC", "0x69559a00", ""},
		{"unix", "UTC", "１７６７２２５６００", ""},
		{"unix", "UTC", "", ""},
		{"unix-ms", "UTC", "1767225600123", "2026-01-01T00:00:00.123Z"},
		{"unix-ms", "UTC", "1767225600", ""},
		{"iso8601", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"iso8601", "UTC", "2026-01-01T01:00:00.5+01:00", "2026-01-01T00:00:00.5Z"},
		{"iso8601", "Europe/London", "2026-07-01T01:00:00", "2026-07-01T00:00:00Z"},
		{"iso8601", "UTC", "2026-01-01 00:00:00Z", ""},
		{"iso8601", "UTC", "2026-13-01T00:00:00Z", ""},
		{"iso8601", "UTC", "2026-02-30T00:00:00", ""},
		{"iso8601", "UTC", "2026-01-01T24:00:00Z", ""},
		{"iso8601", "UTC", "2026-01-01T1:00:00Z", ""},
		{"iso8601", "UTC", "2026-01-01T00:00:60Z", ""},
		{"yyyyMMddHHmmss", "UTC", "20260101000000", "2026-01-01T00:00:00Z"},
		{"yyyyMMddHHmmss", "America/New_York", "20251231190000", "2026-01-01T00:00:00Z"},
		{"yyyyMMddHHmmss", "UTC", "20260101000000.5", ""},
		{"yyyyMMddHHmmss", "UTC", "2026010100000", ""},
		{"dd/MM/yyyy HH:mm:ss", "Europe/London", "01/07/2026 01:00:00", "2026-07-01T00:00:00Z"},
		{"dd/MM/yyyy HH:mm:ss", "Europe/London", "1/7/2026 01:00:00", ""},
		{"dd/MM/yyyy HH:mm:ss", "Europe/London", "01/07/2026 1:00:00", ""},
		{"yyyy-MM-ddTHH:mm:ss.SSSZ", "UTC", "2026-01-01T00:00:00.250Z", "2026-01-01T00:00:00.25Z"},
		{"yyyy-MM-ddTHH:mm:ss.SSSZ", "UTC", "2026-01-01T00:00:00Z", ""},
		// Clocks go forward at 01:00 UTC: the hour before 02:00 is left out in London.
		{"iso8601", "Europe/London", "2026-03-29T00:59:59", "2026-03-29T00:59:59Z"},
		{"iso8601", "Europe/London", "2026-03-29T01:30:00", ""},
		{"iso8601", "Europe/London", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"},
	}
	for _, test := range tests {
		c, err := newClock(test.format, test.zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.read(test.text, noon)
		got := ""
		if err == nil {
			got = s.at.Format(time.RFC3339Nano)
		}
		if got != test.want {
			t.Errorf("%s in %s, %q: %q (%v), want %q", test.format, test.zone, test.text, got, err, test.want)
		}
		if err == nil && len(s.at.Format(time.RFC3339Nano)) == 20 && c.kind != "unix-ms" {
			if again, err := c.read(c.write(s.at), noon); err != nil || !again.at.Equal(s.at) {
				t.Errorf("%s: what is written as %q is read as %v, %v", test.format, c.write(s.at), again.at, err)
			}
		}
	}
}

// In autumn an hour comes twice. A token of the first time must not be fresh again
// in the second.
func TestTK2HourThatComesTwiceIsSpentOnce(t *testing.T) {
	b := newBench(t, config(formatBlowfish, func(c *Config) {
		bare(c)
		c.Recipe = &Recipe{Timestamp: "yyyy-MM-dd HH:mm:ss", Zone: "Europe/London"}
	}))
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 01:30 summer time
	*b.clock = first
	v := b.mint(t, "alice")
	if id := b.enters(t, v); !id.Authenticated.Equal(first) {
		t.Errorf("authenticated %s, want %s", id.Authenticated, first)
	}
	*b.clock = first.Add(time.Hour) // 01:30 winter time
	b.refusedFor(t, v, Replay)
	if c, reason := b.partner.Open(v, Circumstances{host, *b.clock}); reason != nil || b.partner.until(c).Before(first.Add(time.Hour+2*time.Minute)) {
		t.Errorf("the mark would end %s, before the token does; %v", b.partner.until(c), reason)
	}
	*b.clock = first.Add(30 * time.Minute)
	b.refusedFor(t, v, Age)
}

func TestPatternsThatCannotBeReadAreRefused(t *testing.T) {
	for _, pattern := range []string{"", "yyyy", "yyyyMMddHHmm", "yyMMddHHmmss", "yyyyMMddHHmmssfff", "yyyyMMddHHmmssSSS", "EEE yyyyMMddHHmmss", "yyyyMMddHHmmssyyyy", "2006-01-02"} {
		if c, err := newClock(pattern, "UTC"); err == nil {
			t.Errorf("%q is taken as %+v", pattern, c)
		}
	}
	for _, zone := range []string{"", "Local", "Europe/Nowhere", "../etc/passwd"} {
		if _, err := newClock("unix", zone); err == nil {
			t.Errorf("zone %q is taken", zone)
		}
	}
}
