package certificates

import "time"

// marks are the days before the end at which the log says so.
var marks = []int{1, 7, 14, 21}

// said is one line of the log, which is written once.
type said struct {
	serial string
	host   string
	days   int
}

// warn tells of certificates that end soon, once at each mark, and of those that have
// ended. Serving goes on: most people can still get in somehow, and whoever is to mend it
// may be one of them.
func (k *Keeper) warn(now time.Time) {
	for h, certs := range k.now.Load().hosts {
		c := first(certs)
		if c == nil {
			continue
		}
		left := c.NotAfter.Sub(now)
		mark, near := markOf(left)
		line := said{c.SerialNumber.String(), h, mark}
		if !near || k.said[line] {
			continue
		}
		k.said[line] = true
		if left <= 0 {
			k.log.Error("CERTIFICATE HAS EXPIRED: browsers refuse it; renew it now", "host", h, "not_after", c.NotAfter, "serial", line.serial)
			continue
		}
		k.log.Warn("certificate ends soon: renew it", "host", h, "not_after", c.NotAfter, "days", int(left/(24*time.Hour)), "serial", line.serial)
	}
}

// markOf is the nearest mark that the time left has come to: 0 when there is none left.
func markOf(left time.Duration) (int, bool) {
	if left <= 0 {
		return 0, true
	}
	for _, days := range marks {
		if left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}
