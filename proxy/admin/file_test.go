package admin

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
)

func TestImportIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	before, err := w.accounts.Count(t.Context(), accounts.Query{})
	try(t, err)
	bad := "username,email,status,exempt\n" +
		"dave,dave@hospital.example,active,false\n" +
		"erin,not an address,active,false\n" +
		"frank,frank@hospital.example,gone,false\n" +
		"grace,grace@hospital.example,active,perhaps\n" +
		"dave,other@hospital.example,active,false\n"
	rec := w.as(owner, "POST", "/import/accounts", bad)
	var fault ErrorInfo
	if err := json.Unmarshal(rec.Body.Bytes(), &fault); err != nil || rec.Code != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	var lines []int
	for _, r := range fault.Rows {
		lines = append(lines, r.Line)
		if r.Problem == "" {
			t.Errorf("line %d: no words", r.Line)
		}
	}
	// What cannot be read is told first; what is wrong with accounts when all can be read.
	if diff := cmp.Diff([]int{5}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s\n%s", diff, rec.Body)
	}
	rec = w.as(owner, "POST", "/import/accounts", strings.Replace(bad, "perhaps", "true", 1))
	fault, lines = ErrorInfo{}, nil
	try(t, json.Unmarshal(rec.Body.Bytes(), &fault))
	for _, r := range fault.Rows {
		lines = append(lines, r.Line)
	}
	if diff := cmp.Diff([]int{3, 4, 6}, lines); diff != "" || rec.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d, lines (-want +got):\n%s\n%s", rec.Code, diff, rec.Body)
	}
	if n, err := w.accounts.Count(t.Context(), accounts.Query{}); err != nil || n != before {
		t.Errorf("%d accounts, %v; there were %d", n, err, before)
	}
	var done ImportInfo
	w.got(owner, "POST", "/import/accounts", "username,name\ndave,Dave\nalice,Alice Archer-Ash\n", &done)
	if done != (ImportInfo{Created: 1, Changed: 1}) {
		t.Errorf("%+v", done)
	}
}

func TestExportCanBeImported(t *testing.T) {
	w := newWorld(t)
	w.create(accounts.Account{Username: "=cmd|calc", Name: "Eve, the \"quoted\"", Attributes: map[string]any{"ward": "7"}})
	rec := w.as(owner, "GET", "/export/accounts", "")
	if rec.Code != 200 || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/csv") || !strings.Contains(rec.Header().Get("Content-Disposition"), "accounts.csv") {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	if !strings.Contains(rec.Body.String(), "'=cmd|calc") {
		t.Errorf("a spreadsheet would run it:\n%s", rec.Body)
	}
	var done ImportInfo
	w.got(owner, "POST", "/import/accounts", rec.Body.String(), &done)
	if done != (ImportInfo{Same: 4}) {
		t.Errorf("%+v", done)
	}
	var all []accounts.Account
	w.got(owner, "GET", "/export/accounts?format=json", "", &all)
	if len(all) != 4 {
		t.Errorf("%d accounts", len(all))
	}
	w.got(owner, "GET", "/export/accounts?format=json&text=nobody", "", &all)
	if len(all) != 0 {
		t.Errorf("%d accounts", len(all))
	}
}

func TestAuditIsExportedWhole(t *testing.T) {
	w := newWorld(t)
	const lines = 2*maxLimit + 7 // several pages
	for i := range lines {
		try(t, w.accounts.Audit.Append(t.Context(), accounts.Event{Actor: "=evil", Action: "sign_in", Result: "no_account", Method: "entra", Detail: map[string]any{"n": i}}))
	}
	rec := w.as(owner, "GET", "/export/audit?action=sign_in", "")
	rows, err := csv.NewReader(rec.Body).ReadAll()
	if err != nil || len(rows) != lines+1 || rows[1][2] != "'=evil" || rows[1][11] != fmt.Sprintf(`{"n":%d}`, lines-1) {
		t.Errorf("%d rows, %v, %q", len(rows), err, rows[:2])
	}
	rec = w.as(owner, "GET", "/export/audit?format=json&action=sign_in", "")
	d := json.NewDecoder(rec.Body)
	n := 0
	for last := int64(1 << 62); ; n++ {
		var e accounts.Event
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil || e.ID >= last {
			t.Fatalf("line %d: %+v, %v", n, e, err)
		} else {
			last = e.ID
		}
	}
	if n != lines {
		t.Errorf("%d lines of %d", n, lines)
	}
	seen := 0
	for next := int64(0); ; {
		var page EventList
		w.got(owner, "GET", fmt.Sprintf("/audit?action=sign_in&limit=1000&before=%s", orEmpty(next)), "", &page)
		seen += len(page.Events)
		if next = page.Next; next == 0 {
			break
		}
	}
	if seen != lines {
		t.Errorf("page by page %d lines of %d", seen, lines)
	}
}

func orEmpty(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func TestUsageReport(t *testing.T) {
	w := newWorld(t)
	day := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for i, v := range []accounts.Visit{
		{Organisation: "st-elsewhere", Method: "handoff", User: "u1"}, {Organisation: "st-elsewhere", Method: "handoff", User: "u1"},
		{Organisation: "st-elsewhere", Method: "handoff", User: "u2"}, {Organisation: "county", Method: "handoff", User: "=u3"},
	} {
		v.Time = day.Add(time.Duration(i) * 25 * time.Hour)
		try(t, w.accounts.Usage.Count(t.Context(), v))
	}
	var r UsageReport
	w.got(owner, "GET", "/usage?from=2026-11-20&to=2026-11-30", "", &r)
	if len(r.Rows) != 2 || r.Rows[1].Visits != 3 || r.Rows[1].Users != 2 || r.From != "2026-11-20" || r.To != "2026-11-30" {
		t.Errorf("by organisation %+v", r)
	}
	w.got(owner, "GET", "/usage?by=day&from=2026-11-20&to=2026-11-21", "", &r)
	if len(r.Rows) != 2 || r.Rows[0].Day != "2026-11-20" {
		t.Errorf("by day %+v", r)
	}
	w.got(Who{Actor: "x", Role: Viewer, Organisation: "county"}, "GET", "/usage?by=user&from=2026-11-20&to=2026-11-30", "", &r)
	if len(r.Rows) != 1 || r.Rows[0].User != "=u3" {
		t.Errorf("of one organisation %+v", r)
	}
	rec := w.as(owner, "GET", "/usage?by=user&from=2026-11-20&to=2026-11-30&format=csv", "")
	rows, err := csv.NewReader(rec.Body).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][3] != "'=u3" || rows[2][5] != "2" {
		t.Errorf("%q, %v", rows, err)
	}
}

// TestFiftyThousandAccountsPageByPage: no page takes long, however late it is, and an
// export keeps one page in memory.
func TestFiftyThousandAccountsPageByPage(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector figures mean nothing")
	}
	if testing.Short() {
		t.Skip("-short: fifty thousand accounts take a while to make")
	}
	const people = 50_000
	w := newWorld(t)
	var file strings.Builder
	file.WriteString("username,email,name,organisation\n")
	for i := range people {
		fmt.Fprintf(&file, "user%05d,person.%05d@hospital.example,Person Number %d,org-%d\n", i, i, i, i%7)
	}
	var done ImportInfo
	w.got(owner, "POST", "/import/accounts", file.String(), &done)
	var worst time.Duration
	seen, after := 0, ""
	for {
		var page AccountList
		began := time.Now()
		w.got(owner, "GET", "/accounts?limit=1000&after="+after, "", &page)
		worst = max(worst, time.Since(began))
		seen += len(page.Accounts)
		if after = page.Next; after == "" {
			break
		}
	}
	var found AccountList
	search := time.Hour
	for range 5 {
		began := time.Now()
		w.got(owner, "GET", "/accounts?text=number+4999&organisation=org-1", "", &found)
		search = min(search, time.Since(began))
	}
	w.got(owner, "GET", "/accounts?text=number+4999&organisation=org-1&count=true", "", &found)
	t.Logf("worst page of 1000: %v, search: %v", worst, search)
	if seen != people+3 || found.Total == nil || *found.Total == 0 {
		t.Errorf("%d accounts by pages, %+v found", seen, found.Total)
	}
	if worst > 2*time.Second || search > 100*time.Millisecond {
		t.Errorf("too slow")
	}
	r, err := http.NewRequest("GET", base+"/export/accounts?format=json", http.NoBody)
	try(t, err)
	var peak peakWriter
	w.api.For(func(*http.Request) (Who, error) { return owner, nil }).ServeHTTP(&peak, r.WithContext(t.Context()))
	t.Logf("export: %d MiB written, at most %d MiB in use", peak.written>>20, peak.most>>20)
	if peak.written < people*100 || peak.most-peak.least > 64<<20 {
		t.Errorf("%d bytes, %d to %d in use", peak.written, peak.least, peak.most)
	}
}

// peakWriter is a client that looks at the memory now and then.
type peakWriter struct {
	written, looked int
	least, most     uint64
}

func (p *peakWriter) Header() http.Header { return http.Header{} }
func (p *peakWriter) WriteHeader(int)     {}
func (p *peakWriter) Write(b []byte) (int, error) {
	p.written += len(b)
	if p.written-p.looked > 1<<20 {
		p.looked = p.written
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if p.least == 0 {
			p.least = m.HeapInuse
		}
		p.most = max(p.most, m.HeapInuse)
	}
	return len(b), nil
}
