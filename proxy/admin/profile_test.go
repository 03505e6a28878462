package admin

import (
	"strings"
	"testing"

	"foregate/authn"
)

// TestProfilesAreForOwnersOfThisMachine: a profile of memory may hold what people sent.
func TestProfilesAreForOwnersOfThisMachine(t *testing.T) {
	w := newWorld(t)
	secret := strings.Repeat("owner-", 8)
	mine := rules
	mine.Tokens = append([]Token{{Name: "owner", Role: Owner, Secret: authn.NewSecret(secret)}}, rules.Tokens...)
	w.guard.Use(mine)
	owner, viewer, desk := "Authorization: Bearer "+secret, "Authorization: Bearer "+nightly, "Authorization: Bearer "+deskOne
	for name, c := range map[string]struct {
		near   bool
		target string
		header string
		status int
		holds  string
	}{
		"an owner":               {true, "/debug/pprof/heap?debug=1", owner, 200, "heap profile"},
		"goroutines":             {true, "/debug/pprof/goroutine?debug=1", owner, 200, "goroutine profile"},
		"a list":                 {true, "/debug/pprof/", owner, 200, "allocs"},
		"the command line":       {true, "/debug/pprof/cmdline", owner, 404, "Unknown profile"},
		"a viewer":               {true, "/debug/pprof/heap?debug=1", viewer, 401, "role owner"},
		"a desk":                 {true, "/debug/pprof/heap?debug=1", desk, 401, "role owner"},
		"nobody":                 {true, "/debug/pprof/heap?debug=1", "X: y", 401, "role owner"},
		"an owner from far away": {false, "/debug/pprof/heap?debug=1", owner, 404, ""},
	} {
		rec := ask(w.listener(c.near), "GET", c.target, "", c.header)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.holds) {
			t.Errorf("%s: %d %.200s", name, rec.Code, rec.Body)
		}
	}
}
