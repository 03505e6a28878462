package proxy

import (
	"net/http"
	"time"

	"foregate/authn"
	"foregate/cookies"
)

// Terms say how long a session lasts at an app, by the method that began it.
type Terms struct {
	cookies.Limits
	Reentry bool          // who was away comes back without credentials while the sign-in is current
	Current time.Duration // for how long a sign-in is; 0: as long as the method says
}

// current reports whether what a person got at sign-in still counts at now.
func (t Terms) current(id *authn.Identity, now time.Time) bool {
	until := id.Until
	if t.Current > 0 {
		until = id.Authenticated.Add(t.Current)
	}
	return now.Before(until)
}

// ranOut reports whether a sign-in counted for a time that is over. One of which
// nobody ever said for how long it counts has nothing that could run out.
func (t Terms) ranOut(id *authn.Identity, now time.Time) bool {
	return t.Reentry && (t.Current > 0 || !id.Until.IsZero()) && !t.current(id, now)
}

// Activity says which requests are a person's doing. Only these put off the end
// of a session.
type Activity struct {
	All    bool     // also what a page's scripts fetch, not page loads and form posts alone
	Except []string // paths that never count, written as in a Rule

	patterns [][]string
}

func (a *Activity) compile() {
	for _, p := range a.Except {
		a.patterns = append(a.patterns, segments(foldPattern(p)))
	}
}

// counts reports whether r is activity. A WebSocket is none: nobody knows who
// opened it, and it stays open without anybody.
func (a *Activity) counts(r *http.Request, path Path) bool {
	if isUpgrade(r) || !a.All && !isPage(r) {
		return false
	}
	for _, p := range a.patterns {
		if match(p, path.Folded) {
			return false
		}
	}
	return true
}
