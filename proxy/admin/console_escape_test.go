package admin

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
)

var probes = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' autofocus onfocus=alert(1) x='`,
	`</title></style><script>alert(1)</script>`,
	`</textarea></select></form><form action=//evil.example>`,
	`javascript:alert(1)`,
	`--><svg onload=alert(1)>`,
	`{{.}}`,
}

// planted is a house with s in every field that somebody else may fill.
func planted(t *testing.T, s string) (*house, accounts.Account) {
	t.Helper()
	h := openHouse(t)
	ctx := t.Context()
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := h.people.Create(ctx, accounts.Context{Actor: s}, accounts.Account{
		Username: s, Name: s, Organisation: s, Kind: s, Roles: []string{s}, ExternalID: s, Source: s, Attributes: map[string]any{s: s, s + "2": []any{s}},
	})
	try(err)
	try(h.people.Link(ctx, accounts.Context{Actor: s}, accounts.Link{Account: a.ID, Method: s, Issuer: s, Subject: s, Email: s}))
	_, err = h.sessions.Start(ctx, discard{http.Header{}}, newRequest(), true,
		cookies.Opening{Audience: "app:careplan", Limits: cookies.Limits{Idle: 1e12, Lifetime: 1e13}, App: s, Client: s},
		authn.Identity{Method: s, Issuer: s, Subject: s, User: s, Name: s})
	try(err)
	try(h.people.Audit.Append(ctx, accounts.Event{
		Actor: s, Action: s, Account: a.ID, Method: s, App: s, Organisation: s, Client: netip.MustParseAddr("192.0.2.1"), Result: s, Detail: map[string]any{s: s, "n": []any{s}}, RequestID: s,
	}))
	try(h.people.Usage.Count(ctx, accounts.Visit{Time: h.clock(), Organisation: s, Method: s, User: s}))
	h.methods = []MethodState{{Name: s, Title: s, Kind: s, Why: s, SignIns: map[string]int{s: 1}, LastError: s, LastFault: h.clock(), Compared: &Compared{At: h.clock(), Why: s}}}
	h.config = s
	return h, a
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func newRequest() *http.Request {
	r, _ := http.NewRequest("GET", "https://careplan.hospital.example/", nil) // cannot fail
	return r
}

// shape is the elements of a page with the names of their attributes.
func shape(doc *html.Node) (elements []string) {
	for n := range doc.Descendants() {
		switch n.Type {
		case html.CommentNode:
			elements = append(elements, "comment")
		case html.ElementNode:
			element := n.Data
			for _, a := range n.Attr {
				element += " " + a.Key
			}
			elements = append(elements, element)
		}
	}
	return elements
}

func parsed(t *testing.T, res response) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(res.body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// everyPage asks for all pages, with s in every field of the address, and sends every
// form with s in every field.
func everyPage(h *house, a accounts.Account, s string) map[string]response {
	b := h.as("owner")
	all := map[string]response{}
	q := url.Values{}
	for _, name := range []string{
		"q", "status", "organisation", "kind", "user", "method", "app", "handle", "account", "actor", "action", "result", "request_id", "from", "to", "issuer", "subject", "session", "done", "rd",
		"name", "username", "email", "external_id", "roles",
	} {
		q.Set(name, s)
	}
	mine := url.Values{"user": {s}, "method": {s}, "app": {s}}
	for _, d := range doors() {
		method, address := addressOf(d.pattern, a)
		if method == "GET" {
			all[d.pattern] = b.get(address)
			all[d.pattern+"?"] = b.get(address + "?" + q.Encode())
			continue
		}
		if !strings.HasSuffix(address, "/delete") && !strings.HasSuffix(address, "/unlink") && !strings.Contains(address, "/end") && !strings.HasSuffix(address, "/edit") {
			all[d.pattern] = b.post(address, q)
		}
	}
	all["asking to end"] = b.get("/sessions/end?" + mine.Encode())
	all["sessions found"] = b.get("/sessions?" + mine.Encode())
	all["sign-in"] = h.browser().get("/sign-in?" + q.Encode())
	all["wrong sign-in"] = h.browser().post("/sign-in", url.Values{"user": {s}, "password": {s}, "rd": {s}})
	return all
}

// TestWhatStrangersWriteStaysText compares each page with the one that has a harmless
// word in the same places: no element and no attribute may come or go.
func TestWhatStrangersWriteStaysText(t *testing.T) {
	harmless, a := planted(t, "harmless")
	want := everyPage(harmless, a, "harmless")
	for _, s := range probes {
		h, a := planted(t, s)
		shown := 0
		for name, res := range everyPage(h, a, s) {
			if res.StatusCode == http.StatusSeeOther || want[name].StatusCode == http.StatusSeeOther {
				if got := res.Header.Get("Location"); strings.Contains(got, s) || strings.HasPrefix(got, "//") {
					t.Errorf("%q: %s leads to %q", s, name, got)
				}
				continue
			}
			doc := parsed(t, res)
			if diff := cmp.Diff(shape(parsed(t, want[name])), shape(doc)); diff != "" {
				t.Errorf("%q: %s (-want +got):\n%s", s, name, diff)
			}
			for n := range doc.Descendants() {
				for _, attr := range n.Attr {
					if slices.Contains([]string{"href", "action", "src"}, attr.Key) && !strings.HasPrefix(attr.Val, "/") && attr.Val != "data:," && attr.Val != "#main" && attr.Val != "https://app.example/sso/try/entra?ticket=of-token+owner" {
						t.Errorf("%q: %s: %s=%q", s, name, attr.Key, attr.Val)
					}
				}
			}
			if strings.Contains(res.body, "ZgotmplZ") {
				t.Errorf("%q: %s: a value that the template refused", s, name)
			}
			shown += strings.Count(html.UnescapeString(res.body), s)
		}
		if shown < 50 {
			t.Errorf("%q is only %d times on all pages: the test plants too little", s, shown)
		}
	}
}

// TestAuditShowsNoCharactersThatReorder the words around them.
func TestAuditShowsNoCharactersThatReorder(t *testing.T) {
	h := openHouse(t)
	if err := h.people.Audit.Append(t.Context(), accounts.Event{Actor: "x", Action: "sign_in", Result: "ok", Detail: map[string]any{"email": "a\u202eb\u2066c"}}); err != nil {
		t.Fatal(err)
	}
	res := h.as("viewer").get("/audit")
	res.want(t, http.StatusOK, "email: abc")
	if strings.ContainsAny(res.body, "\u202e\u2066") {
		t.Error("the characters are on the page")
	}
}
