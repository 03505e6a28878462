package admin

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn/accounts"
)

func day(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := dayOf(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestChartHasABarForEachDayAlsoWithoutVisits(t *testing.T) {
	rows := []accounts.Row{
		{Day: "2026-11-02", Organisation: "a", Visits: 3}, {Day: "2026-11-02", Organisation: "b", Visits: 1}, {Day: "2026-11-04", Visits: 2}, {Day: "2026-11-09", Visits: 99},
	}
	c := chartOf(rows, day(t, "2026-11-01"), day(t, "2026-11-04"), false)
	var got []string
	for _, b := range c.Bars {
		got = append(got, fmt.Sprintf("%s: %d at %g,%g %gx%g", b.Label, b.Visits, b.X, b.Y, b.Width, b.Height))
	}
	want := []string{
		"1 Nov 2026: 0 at 25,100 200x0", "2 Nov 2026: 4 at 275,0 200x100", "3 Nov 2026: 0 at 525,100 200x0", "4 Nov 2026: 2 at 775,50 200x50",
	}
	if diff := cmp.Diff(want, got); diff != "" || c.Most != 4 || c.First != "1 Nov 2026" || c.Last != "4 Nov 2026" {
		t.Errorf("%+v (-want +got):\n%s", c, diff)
	}
	months := chartOf(rows, day(t, "2026-10-31"), day(t, "2026-11-30"), true)
	if len(months.Bars) != 2 || months.Bars[1].Label != "November 2026" || months.Bars[1].Visits != 105 {
		t.Errorf("%+v", months)
	}
	if none := chartOf(nil, day(t, "2026-11-01"), day(t, "2026-11-02"), false); none.Most != 0 || len(none.Bars) != 2 || none.Bars[0].Height != 0 {
		t.Errorf("%+v", none)
	}
}

func TestReportShowsTheSameInAllItsForms(t *testing.T) {
	h := openHouse(t)
	for i := range 12 {
		visit := accounts.Visit{Time: h.clock().AddDate(0, 0, -i%3), Organisation: []string{"st-elsewhere", "hospital"}[i%2], Method: "handoff", User: fmt.Sprint("=person", i%5)}
		if err := h.people.Usage.Count(t.Context(), visit); err != nil {
			t.Fatal(err)
		}
	}
	b := h.as("viewer")
	page := b.get("/usage?from=2026-11-01&to=2026-11-30")
	page.want(t, http.StatusOK, "12 visits, by day", "<title>25 Nov 2026: 4</title>", `<th scope="row">25 Nov 2026</th><td class="number">4</td>`, `<th scope="row">26 Nov 2026</th><td class="number">0</td>`)
	doc := parsed(t, page)
	bars, rows := elements(doc, "rect"), elements(elements(doc, "table")[0], "tr")
	if len(bars) != 30 || len(rows) != 31 {
		t.Errorf("%d bars and %d rows", len(bars), len(rows))
	}
	total := 0
	for i, bar := range bars {
		said := words(bar)
		row := words(rows[i+1])
		if strings.ReplaceAll(said, ": ", "") != row {
			t.Errorf("bar %q, row %q", said, row)
		}
		n, err := strconv.Atoi(said[strings.LastIndex(said, " ")+1:])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 12 {
		t.Errorf("%d visits in the chart", total)
	}
	files := 0
	for _, a := range elements(doc, "a") {
		address := value(a, "href")
		if !strings.HasPrefix(address, base) {
			continue
		}
		files++
		res := b.get(address)
		if res.StatusCode != http.StatusOK || !strings.Contains(res.body, "2026-11-25") {
			t.Errorf("%s: %d %s", address, res.StatusCode, res.body)
		}
		if strings.Contains(address, "by=user&format=csv") {
			if lines, err := csv.NewReader(strings.NewReader(res.body)).ReadAll(); err != nil || len(lines) < 6 || strings.Contains(res.body, ",=person") {
				t.Errorf("%v: %s", err, res.body)
			}
		}
	}
	if files != 4 {
		t.Errorf("%d files", files)
	}
	h.as("elsewhere-desk").get("/usage?from=2026-11-01&to=2026-11-30&organisation=hospital").want(t, http.StatusOK, "6 visits, by day")
	b.get("/usage?from=2026-01-01&to=2026-11-30").want(t, http.StatusOK, "12 visits, by month", "<title>November 2026: 12</title>")
	for query, wrong := range map[string]string{
		"?from=x": "The first day is not a date.", "?to=x": "The last day is not a date.", "?from=2026-11-02&to=2026-11-01": "The first day is after the last one.", "?from=2020-01-01&to=2026-11-01": "more than three years",
	} {
		b.get("/usage"+query).want(t, http.StatusUnprocessableEntity, wrong)
	}
	b.get("/usage?from=2020-01-01&to=2020-01-02").want(t, http.StatusOK, "There was no visit in these days.")
}

func TestAuditTrailIsSearchedTurnedAndTakenAlong(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	for i := range 120 {
		e := accounts.Event{Actor: fmt.Sprintf("person %03d", i), Action: "sign_in", Method: "entra", App: "careplan", Result: "admitted", RequestID: fmt.Sprint("code", i), Time: h.clock().AddDate(0, 0, -i)}
		if err := h.people.Audit.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	b := h.as("viewer")
	b.get("/audit?account="+a.ID).want(t, http.StatusOK, "Account created", "Identity linked", "/people/"+a.ID)
	b.get("/audit?request_id=code7").want(t, http.StatusOK, "person 007", "<details open>")
	if res := b.get("/audit?result=ok"); strings.Contains(res.body, "<details open>") {
		t.Error("fields that nobody asked for are open")
	}
	b.get("/audit?actor=per%00s%ffon%20001").want(t, http.StatusOK, `value="person 001"`, "24 Nov 2026") // as PostgreSQL takes it
	b.get("/people/%00").want(t, http.StatusNotFound)
	b.get("/audit?actor=nobody").want(t, http.StatusOK, "No line fits that search.")
	days := b.get("/audit?action=sign_in&from=2026-11-24&to=2026-11-24")
	days.want(t, http.StatusOK, "person 001")
	if strings.Contains(days.body, "person 000") || strings.Contains(days.body, "person 002") {
		t.Error("other days are there too")
	}
	b.get("/audit?from=yesterday").want(t, http.StatusUnprocessableEntity, "The first day is not a date.")
	seen := map[string]bool{}
	pages := 0
	for address := "/audit?action=sign_in"; address != ""; pages++ {
		res := b.get(address)
		res.want(t, http.StatusOK)
		address = ""
		for _, link := range elements(parsed(t, res), "a") {
			if words(link) == "Older" {
				address = value(link, "href")
			}
		}
		for i := range 120 {
			if name := fmt.Sprintf("person %03d", i); strings.Contains(res.body, name) {
				if seen[name] {
					t.Errorf("%s is on two pages", name)
				}
				seen[name] = true
			}
		}
	}
	if len(seen) != 120 || pages != 3 {
		t.Errorf("%d lines on %d pages", len(seen), pages)
	}
	file := b.get(linkTo(t, days, "CSV"))
	if lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll(); err != nil || len(lines) != 2 || !strings.Contains(file.body, "person 001") {
		t.Errorf("%v: %s", err, file.body)
	}
	b.get(linkTo(t, days, "JSON")).want(t, http.StatusOK, `"actor":"person 001"`)
}

func linkTo(t *testing.T, res response, title string) string {
	t.Helper()
	for _, link := range elements(parsed(t, res), "a") {
		if words(link) == title {
			return value(link, "href")
		}
	}
	t.Fatalf("no link %q", title)
	return ""
}

func TestStatePagesShowWhatTheyAreGiven(t *testing.T) {
	h := openHouse(t)
	h.furnish()
	b := h.as("viewer")
	b.get("/methods").want(t, http.StatusOK, "Sign in with Microsoft", "can be used", "1,234 signed in", "cannot be used", "none of the servers answers", "connection refused", "25 Nov 2026, 08:00")
	b.get("/configuration").want(t, http.StatusOK, "client_secret: (secret)")
	if strings.Contains(b.get("/methods").body, "/try") {
		t.Error("a viewer is offered to try")
	}
	desk := h.as("desk")
	desk.get("/methods").want(t, http.StatusOK, `action="/methods/entra/try"`)
	desk.post("/methods/entra/try", nil).want(t, http.StatusOK, "https://app.example/sso/try/entra?ticket=of-token&#43;desk", "works once")
	desk.post("/methods/nobody/try", nil).want(t, http.StatusNotFound)
	h.methods = nil
	b.get("/methods").want(t, http.StatusOK, "None is configured.")
}

// TestDatabaseThatDoesNotAnswerIsSaid, and logged with the code that the page shows.
func TestDatabaseThatDoesNotAnswerIsSaid(t *testing.T) {
	h := openHouse(t)
	a := h.add(alice())
	b := h.as("desk")
	if err := h.database.Close(); err != nil {
		t.Fatal(err)
	}
	for _, res := range []response{b.get("/people"), b.get("/people/" + a.ID), b.get("/audit"), b.get("/usage"), b.post("/people/"+a.ID+"/disable", url.Values{})} {
		res.want(t, http.StatusServiceUnavailable, "a database does not answer", "Support code")
		_, code, _ := strings.Cut(res.body, "Support code: <b>")
		code, _, _ = strings.Cut(code, "</b>")
		if code == "" || !strings.Contains(h.log.String(), "request_id="+code) || strings.Contains(res.body, "sql:") { // a code may have the letters
			t.Errorf("code %q is not in the log, or the page says too much", code)
		}
	}
	b.get("/sessions").want(t, http.StatusOK)
}
