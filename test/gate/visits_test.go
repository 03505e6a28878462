package gate

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
	"foregate/internal/database"
)

// TestEveryVisitByALinkOrAPlaceIsCounted, each once, also those just before the end.
// Whoever signs in by password is counted where there are organisations or accounts.
func TestEveryVisitByALinkOrAPlaceIsCounted(t *testing.T) {
	t.Parallel()
	visitsAre(t, "", map[string]int{
		" st-elsewhere st-elsewhere:alice": 2, " st-elsewhere st-elsewhere:bob": 1,
		" st-nowhere st-nowhere:alice": 1, " reading-room site:reading-room": 1,
	})
	visitsAre(t, `
organisations:
  - {name: elsewhere, title: St Elsewhere Hospital, methods: [st-elsewhere]}
`, map[string]int{
		"elsewhere st-elsewhere st-elsewhere:alice": 2, "elsewhere st-elsewhere st-elsewhere:bob": 1,
		" st-nowhere st-nowhere:alice": 1, " reading-room site:reading-room": 1, " local alice": 1,
	})
}

func visitsAre(t *testing.T, organisations string, want map[string]int) {
	t.Helper()
	f := start(t, options{top: "trusted_proxies: [127.0.0.1]", users: partners + readingRoom, apps: partnerApps + roomApp + organisations})
	began := time.Now().Add(-time.Second)
	p := elsewhere(t)
	for _, user := range []string{"alice", "bob", "alice"} {
		b := at(f, p.host)
		v := p.mint(user).Encode()
		b.get("/?" + v)
		b.get("/?" + v)                    // a reload
		b.get("/")                         // a page
		at(f, p.host).get("/?" + v)        // refused
		b.do("HEAD", "/?"+v, nil, nil)     // nobody
		b.get("/?token=x&" + "mac=broken") // refused
	}
	at(f, "library.test").get("/?" + nowhere(t).mint("alice").Encode())
	f.enters("X-Forwarded-For: 10.0.0.1")
	f.enters("X-Forwarded-For: 1.2.3.4")
	f.alice()
	f.stop()

	db, err := database.Open(t.Context(), filepath.Join(f.dir, "data", "foregate.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	known, err := accounts.Open(t.Context(), accounts.DB{Writer: db.Writer, Reader: db.Reader}, accounts.Env{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := known.Usage.Report(t.Context(), accounts.ReportQuery{From: began, To: time.Now(), By: accounts.ByUser})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, r := range rows {
		got[r.Organisation+" "+r.Method+" "+r.User] += r.Visits
		if r.First.Before(began) || r.Last.Before(r.First) || r.Last.After(time.Now()) {
			t.Errorf("%s: from %s to %s", r.User, r.First, r.Last)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
}
