package scim

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"foregate/authn/accounts"
	"foregate/internal/database"
	"foregate/internal/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

func onBothEngines(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("postgres", func(t *testing.T) {
		db, err := database.OpenPostgres(t.Context(), postgres.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(t, worldOn(t, accounts.DB{Writer: db.Writer, Reader: db.Reader}))
	})
}

// measured prints how long something takes and what it allocates, and bounds what is
// left over at any moment: as much as one answer and no more.
func measured(t *testing.T, what string, do func(look func())) {
	t.Helper()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak, began := before.HeapAlloc, time.Now()
	do(func() {
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
	})
	took := time.Since(began)
	runtime.ReadMemStats(&now)
	t.Logf("%s: %v, %d MiB allocated in all, %d MiB more than before at most", what,
		took.Round(time.Millisecond), (now.TotalAlloc-before.TotalAlloc)>>20, (peak-before.HeapAlloc)>>20)
	if peak-before.HeapAlloc > 128<<20 {
		t.Errorf("%s: %d MiB at a time", what, (peak-before.HeapAlloc)>>20)
	}
}

func TestTenThousandUsersPageByPage(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("figures with the race detector mean nothing, and ten thousand users take a while")
	}
	const people = 10_000
	var file bytes.Buffer
	file.WriteString("username,email,name,organisation,attribute:department\n")
	for i := range people {
		fmt.Fprintf(&file, "user%05d,user%05d@st-elsewhere.example,Person Number %d,st-elsewhere,Ward %d\n", i, i, i%5000, i%40)
	}
	onBothEngines(t, func(t *testing.T, w *world) {
		if done, err := w.Accounts.Import(t.Context(), accounts.Context{}, bytes.NewReader(file.Bytes())); err != nil || done.Created != people {
			t.Fatalf("import: %+v, %v", done, err)
		}
		var ids []string
		measured(t, "all users in pages of 200", func(look func()) {
			seen := make(map[string]bool)
			for start := 1; ; {
				got := w.want(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=1000000", start), "")
				page, _ := got.Body["Resources"].([]any)
				if got.get("totalResults") != float64(people) || len(page) > maxPage || got.get("itemsPerPage") != float64(len(page)) || got.get("startIndex") != float64(start) {
					t.Fatalf("page at %d: %d users, %.300s", start, len(page), got.Text)
				}
				look()
				for _, u := range page {
					id, _ := u.(map[string]any)["id"].(string)
					seen[id] = true
					ids = append(ids, id)
				}
				if start += len(page); len(page) == 0 {
					break
				}
			}
			if len(seen) != people || len(ids) != people {
				t.Errorf("%d users, %d of them different", len(ids), len(seen))
			}
		})
		for filter, want := range map[string]float64{`userName eq "user09999"`: 1, `displayName ew "Number 77"`: 2, enterprise + `:department eq "Ward 7" and active eq true`: people / 40} {
			measured(t, filter, func(look func()) {
				if got := w.want(200, "GET", "/Users?count=5&filter="+url.QueryEscape(filter), ""); got.get("totalResults") != want {
					t.Errorf("%s: %.300s", filter, got.Text)
				}
				look()
			})
		}
		if got := w.want(200, "GET", "/Users?count=0", ""); got.get("totalResults") != float64(people) || got.get("itemsPerPage") != 0.0 {
			t.Errorf("count 0: %.300s", got.Text)
		}
		if got := w.want(200, "GET", "/Users?startIndex=-3&count=-1", ""); got.get("startIndex") != 1.0 || got.get("itemsPerPage") != 0.0 {
			t.Errorf("negative: %.300s", got.Text)
		}
		if got := w.want(200, "GET", "/Users?startIndex=2147483647", ""); got.get("itemsPerPage") != 0.0 {
			t.Errorf("past the end: %.300s", got.Text)
		}
		groupOfThousands(t, w, ids)
	})
}

func groupOfThousands(t *testing.T, w *world, ids []string) {
	var at string
	members := func(ids []string) string { return `[{"value":"` + strings.Join(ids, `"},{"value":"`) + `"}]` }
	measured(t, "a group of 10,000", func(look func()) {
		at = "/Groups/" + w.want(201, "POST", "/Groups", `{"displayName":"Everybody","members":`+members(ids)+`}`).id()
		look()
	})
	var ops []string
	for _, id := range ids[:maxOperations] {
		ops = append(ops, `{"op":"Remove","path":"members[value eq \"`+id+`\"]"}`)
	}
	measured(t, "1,000 members taken out one by one", func(look func()) {
		w.want(204, "PATCH", at, patch(strings.Join(ops, ",")))
		look()
	})
	measured(t, "1,000 members put back", func(look func()) {
		w.want(204, "PATCH", at, patch(`{"op":"Add","path":"members","value":`+members(ids[:1000])+`}`))
		look()
	})
	measured(t, "one member taken out", func(look func()) {
		w.want(204, "PATCH", at, patch(`{"op":"Remove","path":"members","value":[{"value":"`+ids[7]+`"}]}`))
		look()
	})
	got := w.want(200, "GET", at, "")
	if list, _ := got.Body["members"].([]any); len(list) != len(ids)-1 {
		t.Errorf("%d members", len(list))
	}
	measured(t, "users of the group, a page", func(look func()) {
		got := w.want(200, "GET", "/Users?count=200&filter="+url.QueryEscape(`groups.value eq "`+got.id()+`"`), "")
		if got.get("totalResults") != float64(len(ids)-1) {
			t.Errorf("%.300s", got.Text)
		}
		look()
	})
}

// The same on PostgreSQL, whose texts and transactions are others.
func TestUsersAndGroupsOnBothEngines(t *testing.T) {
	onBothEngines(t, func(t *testing.T, w *world) {
		id := w.want(201, "POST", "/Users", entraUser).id()
		w.refused(409, uniqueness, "POST", "/Users", `{"userName":"ALICE@st-elsewhere.example"}`)
		w.refused(400, invalidValue, "POST", "/Users", `{"userName":"b","title":"a\u0000b"}`)
		w.want(200, "PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"False"},{"op":"Add","path":"name.givenName","value":"Ali\u00e9"}`))
		group := "/Groups/" + w.want(201, "POST", "/Groups", `{"displayName":"Ward","members":[{"value":"`+id+`"}]}`).id()
		w.refused(409, uniqueness, "POST", "/Groups", `{"displayName":"ward"}`)
		if got := w.want(200, "GET", "/Users?filter="+url.QueryEscape(`name.givenName eq "ALIÉ" and active eq false`), ""); got.get("Resources/0/id") != id {
			t.Errorf("%s", got.Text)
		}
		w.want(204, "DELETE", "/Users/"+id, "")
		if got := w.want(200, "GET", group, ""); got.Body["members"] != nil {
			t.Errorf("%s", got.Text)
		}
		w.want(204, "DELETE", group, "")
	})
}
