package pages_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"foregate/authn"
	"foregate/proxy/pages"
)

// filled has every page with s in every field that a stranger may reach.
func filled(s string) map[string]pages.Page {
	form := authn.Form{Step: s, Problem: s, Fields: []authn.Field{
		{Name: s, Kind: s, Label: s, Autocomplete: s, Value: s},
		{Name: s, Kind: "email", Label: s, Autocomplete: s, Value: s},
		{Name: s, Kind: "password", Label: s, Autocomplete: s, Value: s},
	}}
	mailed := authn.Form{Step: "code", Problem: s, Fields: []authn.Field{{Name: "code", Kind: "code", Label: s}},
		Buttons: []authn.Button{{Name: s, Label: s}}, Facts: map[string]string{"address": s, "minutes": s, "change": s}}
	enrol := authn.Form{Step: "enrol", Problem: s, Fields: []authn.Field{{Name: "code", Kind: "code", Label: s}}, Facts: map[string]string{"url": s, "secret": s, "codes": s}}
	formPage := pages.FormPage{Title: s, Action: s, Attempt: s, Return: s, Form: form, Others: s, Back: s}
	return map[string]pages.Page{
		"chooser":  pages.Chooser{Else: s, Resume: &pages.Choice{Title: s, URL: s}, Choices: []pages.Choice{{Title: s, URL: s, Note: s}}, Problem: s, Form: &formPage},
		"formpage": formPage,
		"mailed":   pages.FormPage{Action: s, Form: mailed},
		"enrol":    pages.FormPage{Action: s, Form: enrol, Back: s},
		"account": pages.Account{
			Done: s, Problem: s, Facts: []pages.Fact{{Label: s, Value: s}}, Sessions: []pages.Session{{ID: s, Where: s, From: s}, {ID: s, Where: s, From: s}}, More: 2, SessionsURL: s,
			Identities: []pages.Identity{{Title: s, Note: s}}, Factors: []pages.Factor{{Title: s, Note: s, Action: s, URL: s}}, Home: s, SignOut: s,
		},
		"postform":  pages.PostForm{URL: s, Fields: map[string]string{s: s}, To: s},
		"problem":   pages.Problem{Heading: s, Message: s, Next: s, Action: s, ActionURL: s, Code: s},
		"signout":   pages.SignOut{Action: s, User: s, Stay: s, Else: true},
		"signedout": pages.SignedOut{SignIn: s, Note: s},
		"keptform":  pages.KeptForm{Action: s, Field: s, Value: s, Discard: s},
		"handshake": pages.Handshake{Others: s},
		"loopstop":  pages.LoopStop{Again: s, Code: s, Partner: s},
		"trystart":  pages.TryStart{Title: s, Action: s, Ticket: s},
		"tryout": pages.TryOut{
			Title: s, App: s, Code: s, LetIn: s, Checked: noted(s), Sent: noted(s), Made: []authn.Made{{Part: s, From: []string{s, s}, Value: s}}, Missing: []string{s},
			Person: []pages.Fact{{Label: s, Value: s}}, Account: s, Roles: []string{s, s}, Rules: []pages.TryRule{{Text: s, Verdict: s, Reason: s}}, Headers: []pages.TryHeader{{Name: s, Value: s, Claim: s}},
		},
		"tryout-no": pages.TryOut{Title: s, Code: s, Told: s, Why: s},
	}
}

func noted(s string) []authn.Noted { return []authn.Noted{{Name: s, Values: []string{s, s}}} }

func lookOf(s string) *pages.Look {
	return &pages.Look{Name: s, Title: s, Logo: s, Colour: s, Help: s, Footer: s}
}

// shape is the elements of a page with the names of their attributes.
func shape(doc *html.Node) []string {
	var elements []string
	for n := range doc.Descendants() {
		if n.Type == html.CommentNode {
			elements = append(elements, "comment")
		}
		if n.Type != html.ElementNode {
			continue
		}
		element := n.Data
		for _, a := range n.Attr {
			element += " " + a.Key
		}
		elements = append(elements, element)
	}
	return elements
}

// styles is what the style element says.
func styles(t testing.TB, doc *html.Node) string {
	t.Helper()
	return one(t, doc, "style").FirstChild.Data
}

var probes = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' autofocus onfocus=alert(1) x='`,
	`" style="background:url(//evil.example)" x="`,
	`</title><script>alert(1)</script>`,
	`</style><script>alert(1)</script>`,
	`</textarea></form><form action=//evil.example>`,
	`red}</style><svg onload=alert(1)>`,
	`#fff;}body{background:url(https://evil.example)}`,
	`--><script>alert(1)</script><!--`,
	`<base href=//evil.example>`,
	`<meta http-equiv=refresh content=0;url=javascript:alert(1)>`,
	`;url=javascript:alert(1)`,
	`javascript:alert(1)`,
	`JaVaScRiPt:alert(1)`,
	`data:text/html,<script>alert(1)</script>`,
	`data:image/svg+xml,<svg onload=alert(1)>`,
	`data:image/png;base64,AAAA" onerror="alert(1)`,
	`{{.Nonce}}<b>`,
	"\u2028<b>\u2029",
	"a\x00<b>",
	"\xff\xfe<script>",
}

func TestSE10NothingGivenBecomesMarkup(t *testing.T) {
	for kind, page := range filled("x") {
		_, _, doc := write(t, lookOf("x"), page)
		wantShape, wantStyles := shape(doc), styles(t, doc)
		for _, probe := range probes {
			_, body, doc := write(t, lookOf(probe), filled(probe)[kind])
			if diff := cmp.Diff(wantShape, shape(doc)); diff != "" {
				t.Errorf("%s: %q changes the page:\n%s", kind, probe, diff)
			}
			if styles(t, doc) != wantStyles {
				t.Errorf("%s: %q changes the style", kind, probe)
			}
			if strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s: %q had to be stopped by the template", kind, probe)
			}
		}
	}
}

func TestSE10WordsAreShownAsTheyWereWritten(t *testing.T) {
	const said = `Ward <7> "A&E" o'clock`
	_, _, doc := write(t, &pages.Look{Name: said, Help: said, Footer: said}, pages.Problem{Message: said, Code: said})
	for _, landmark := range []string{"title", "header", "main", "footer"} {
		if got := text(one(t, doc, landmark)); !strings.Contains(got, said) {
			t.Errorf("%s: got %q", landmark, got)
		}
	}
}

// addresses returns every address in the page that a person can follow.
func addresses(doc *html.Node) []string {
	var found []string
	for _, n := range slices.Concat(all(doc, "a"), all(doc, "form")) {
		found = append(found, attr(n, "href")+attr(n, "action"))
	}
	return found
}

func TestRD8AddressesThatAreNoPlaceToGoLeadNowhere(t *testing.T) {
	for _, address := range []string{
		"javascript:alert(1)", "JAVASCRIPT:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)",
		"javascript://app.example/%0aalert(1)", "vbscript:x", "data:text/html,x", "blob:https://app.example/x", "file:///etc/passwd",
		"view-source:https://app.example", "//evil.example", `/\evil.example`, `\\evil.example`, `/\/evil.example`, "///evil.example", "/\t/evil.example",
		`https:\\evil.example`, "https:evil.example", "https:/evil.example", "https://", "https://:443", "https:///evil.example",
		"page", "?x", "#x", "", "%", "/\n",
	} {
		for kind, page := range filled(address) {
			_, _, doc := write(t, careplan, page)
			for _, got := range addresses(doc) {
				if got != "#" {
					t.Errorf("%s: %q became %q", kind, address, got)
				}
			}
			if len(all(doc, "script")) != 0 {
				t.Errorf("%s: %q is gone to without being asked", kind, address)
			}
		}
	}
}

func TestRD8AddressesOfThisHostAndOfOthersStay(t *testing.T) {
	for _, address := range []string{
		"/", "/sso/start/entra?rd=%2Fwards%2F7%3Fa%3D1%26b%3D2", "/a?u=https://b.example/c", "/a//b", "https://adfs.example/adfs/ls/?x=1&y=2", "http://127.0.0.1:8080/", "HTTPS://adfs.example/",
	} {
		for kind, page := range filled(address) {
			_, _, doc := write(t, careplan, page)
			for _, got := range addresses(doc) {
				if got != address {
					t.Errorf("%s: %q became %q", kind, address, got)
				}
			}
		}
	}
}

func TestStrangersCannotMakeAPageLargeOrReorderItsWords(t *testing.T) {
	for kind, page := range filled(strings.Repeat("Ward \u202e7\u0007 ", 1000)) {
		if kind == "formpage" || kind == "chooser" || kind == "postform" {
			continue // what was typed and what is posted on goes back unchanged
		}
		_, body, _ := write(t, &pages.Look{}, page)
		if len(body) >= 30_000 || strings.ContainsAny(body, "\u202e\u0007") {
			t.Errorf("%s: %d bytes, or control characters", kind, len(body))
		}
	}
}

func FuzzSE10NothingGivenBecomesMarkup(f *testing.F) {
	for _, probe := range probes {
		f.Add(probe)
	}
	type plain struct {
		shape  []string
		styles string
	}
	want := map[string]plain{}
	for kind, page := range filled("x") {
		_, _, doc := write(f, lookOf("x"), page)
		want[kind] = plain{shape(doc), styles(f, doc)}
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = "x" + s + "x" // an empty text leaves its element out
		for kind, page := range filled(s) {
			_, _, doc := write(t, lookOf(s), page)
			if got := shape(doc); !slices.Equal(got, want[kind].shape) {
				t.Errorf("%s: %q changes the page:\n%s", kind, s, cmp.Diff(want[kind].shape, got))
			}
			if styles(t, doc) != want[kind].styles {
				t.Errorf("%s: %q changes the style", kind, s)
			}
		}
	})
}
