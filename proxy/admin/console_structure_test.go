package admin

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestEveryPageOfTheConsoleIsSound looks at what those need who do not see the page.
func TestEveryPageOfTheConsoleIsSound(t *testing.T) {
	h := openHouse(t)
	a := h.furnish()
	b := h.as("owner")
	addresses := pagesOf(a)
	addresses["sign-in"] = "" // by somebody else
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			res := b.get(address)
			if address == "" {
				res = h.browser().get("/sign-in")
			}
			if !strings.HasPrefix(res.body, "<!doctype html>") {
				t.Error("no doctype")
			}
			doc := parsed(t, res)
			for _, landmark := range []string{"header", "main", "h1", "style"} {
				if n := len(elements(doc, landmark)); n != 1 {
					t.Errorf("%d of %s", n, landmark)
				}
			}
			if title := words(elements(doc, "title")[0]); !strings.HasSuffix(title, " – Foregate console") || !strings.HasPrefix(title, words(elements(doc, "h1")[0])) {
				t.Errorf("the window is named %q", title)
			}
			if skip := elements(doc, "a")[0]; value(skip, "href") != "#main" {
				t.Error("the first link does not skip to the page")
			}
			checkIDs(t, doc)
			checkFields(t, doc)
			checkTables(t, doc)
			checkHeadings(t, doc)
			for n := range doc.Descendants() {
				for _, attr := range n.Attr {
					if attr.Key == "style" || strings.HasPrefix(attr.Key, "on") || attr.Key == "placeholder" {
						t.Errorf("%s has %s", n.Data, attr.Key)
					}
				}
			}
			if len(elements(doc, "script")) > 0 {
				t.Error("a script")
			}
		})
	}
}

func elements(doc *html.Node, name string) (found []*html.Node) {
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

func value(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

func checkIDs(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]int{}
	for n := range doc.Descendants() {
		if id := value(n, "id"); id != "" {
			ids[id]++
		}
	}
	for n := range doc.Descendants() {
		for _, ref := range []string{"for", "aria-describedby", "aria-labelledby"} {
			if id := value(n, ref); id != "" && ids[id] != 1 {
				t.Errorf("%s=%q leads to %d elements", ref, id, ids[id])
			}
		}
	}
}

// checkFields wants one label with words for each visible field.
func checkFields(t *testing.T, doc *html.Node) {
	t.Helper()
	for _, kind := range []string{"input", "select", "textarea"} {
		for _, field := range elements(doc, kind) {
			if value(field, "type") == "hidden" {
				continue
			}
			labels := slices.DeleteFunc(elements(doc, "label"), func(l *html.Node) bool { return value(l, "for") != value(field, "id") })
			if len(labels) != 1 || words(labels[0]) == "" {
				t.Errorf("field %q has %d labels", value(field, "name"), len(labels))
			}
		}
	}
	for _, form := range elements(doc, "form") {
		if method := value(form, "method"); method != "post" && method != "get" {
			t.Errorf("a form by %q", method)
		}
	}
}

// checkTables wants every header with a scope, and every row as long as the first: cells
// that say what they are where rows are cards.
func checkTables(t *testing.T, doc *html.Node) {
	t.Helper()
	for _, table := range elements(doc, "table") {
		columns := len(elements(elements(table, "thead")[0], "th"))
		for _, th := range elements(table, "th") {
			if scope := value(th, "scope"); scope != "col" && scope != "row" {
				t.Errorf("header %q has scope %q", words(th), scope)
			}
		}
		for _, row := range elements(elements(table, "tbody")[0], "tr") {
			cells := append(elements(row, "th"), elements(row, "td")...)
			if len(cells) != columns {
				t.Errorf("a row of %d cells below %d headers", len(cells), columns)
			}
			for i, cell := range cells {
				if head := words(elements(table, "th")[i]); value(table, "role") == "table" && value(cell, "data-label") != head {
					t.Errorf("cell %q below %q", value(cell, "data-label"), head)
				}
			}
		}
	}
}

// checkHeadings wants no level left out.
func checkHeadings(t *testing.T, doc *html.Node) {
	t.Helper()
	last := 0
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			level := int(n.Data[1] - '0')
			if level > last+1 || words(n) == "" {
				t.Errorf("%s %q after h%d", n.Data, words(n), last)
			}
			last = level
		}
	}
}

func TestListOfPeopleIsSearchedAndTurned(t *testing.T) {
	h := openHouse(t)
	h.furnish()
	b := h.as("viewer")
	b.get("/people?q=alice").want(t, http.StatusOK, "1 person", "Alice Archer")
	b.get("/people?status=disabled").want(t, http.StatusOK, "1 person", "Carol")
	b.get("/people?organisation=hospital").want(t, http.StatusOK, "1 person", "Bob")
	b.get("/people?organisation=-").want(t, http.StatusOK, "60 people")
	b.get("/people?kind=staff&q=archer").want(t, http.StatusOK, "2 people")
	b.get("/people?q=nobody").want(t, http.StatusOK, "Nobody fits that search.")
	first := b.get("/people?q=person")
	first.want(t, http.StatusOK, "60 people", "Person 00", "Person 49", "Next page")
	if strings.Contains(first.body, "Person 50") || strings.Contains(first.body, "First page") {
		t.Error("more than a page")
	}
	next := value(elements(parsed(t, first), "a")[len(elements(parsed(t, first), "a"))-1], "href")
	second := b.get(next)
	second.want(t, http.StatusOK, "60 people", "Person 50", "Person 59", "First page", `value="person"`)
	if strings.Contains(second.body, "Person 49") || strings.Contains(second.body, "Next page") {
		t.Error("the second page has too much")
	}
	b.get("/people?after=nowhere").want(t, http.StatusBadRequest, "Begin at the first page")
}
