package pages_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"foregate/proxy/pages"
)

// messages are all that there are.
func messages(t testing.TB) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(catalogue(t, "de")))
}

// accented is English in which no letter is as it was, but for the names of parts.
func accented(id string) string {
	var b strings.Builder
	for id != "" {
		before, rest, found := strings.Cut(id, "{{")
		for _, r := range before {
			switch {
			case r >= 'a' && r <= 'z':
				r += 'а' - 'a' // Cyrillic
			case r >= 'A' && r <= 'Z':
				r += 'А' - 'A'
			}
			b.WriteRune(r)
		}
		if !found {
			break
		}
		name, behind, _ := strings.Cut(rest, "}}")
		b.WriteString("{{" + name + "}}")
		id = behind
	}
	return b.String()
}

// given is what the gallery says that is no sentence of ours: names, addresses, and
// what an operator wrote.
var given = []string{"County Hospital",
	careplan.Help, "For staff of St Elsewhere Hospital only.", "What you do here is recorded.",
	"Sign in with Microsoft", "Sign in with your hospital account", "Sign in with Careplan", "Careplan user name and password",
	"Microsoft did not let you in. Choose another way, or try again", "You may still be signed in at Microsoft", "You cannot use Careplan yet",
	"You have signed in, but your account is not in the group of people who may use Careplan.", "Ask the head of your ward to request access for you.",
	"St Elsewhere Hospital", "alice@hospital.example", "Alice Archer", "aarcher", "Careplan-Users, Ward 7", "nurse", "Formulary", "Hospital account",
	"Careplan", "Microsoft", "2001:db8::7", "7KQ2-M4XD", "UTC", "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
	"k2fq-7xwz-mm3a-9dhe 4rpt-c6vj-qq2b-h8ns w5gd-3yka-tt7m-f2ue b9xr-6zpc-vv4h-n3jq e7mk-2fws-dd8t-y5ga",
}

// A language of which each letter is foreign finds every word that no catalogue has.
func TestNothingOnAPageIsInEnglishOnly(t *testing.T) {
	p, err := pages.NewWith(pages.Language{Tag: "mk", Name: "Test", Dir: "ltr"}, messages(t), accented)
	if err != nil {
		t.Fatal(err)
	}
	remove := strings.NewReplacer(slices.Concat(func() (pairs []string) {
		for _, s := range given {
			pairs = append(pairs, s, "")
		}
		return pairs
	}())...)
	for name, page := range gallery() {
		if strings.HasPrefix(name, "try") {
			continue // for administrators, in the words of the configuration
		}
		rec := httptest.NewRecorder()
		p.Write(rec, http.StatusOK, pages.Reader{Language: "mk"}, careplan, page)
		doc, err := html.Parse(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range slices.Concat(all(doc, "style"), all(doc, "script"), all(doc, "span")) {
			if n.Data != "span" || has(n, "aria-hidden") {
				n.Parent.RemoveChild(n)
			}
		}
		words := []string{text(doc)}
		for n := range doc.Descendants() {
			words = append(words, attr(n, "aria-label"), attr(n, "alt"), attr(n, "title"), attr(n, "placeholder"))
		}
		for _, s := range words {
			left := remove.Replace(s)
			if i := strings.IndexFunc(left, func(r rune) bool { return r < 0x80 && (r|0x20) >= 'a' && (r|0x20) <= 'z' }); i >= 0 {
				t.Errorf("%s: no catalogue has %q", name, left[i:min(len(left), i+80)])
			}
		}
	}
}

// Sentences that other packages put together from parts are recognised.
func TestSentencesWithPartsAreRecognised(t *testing.T) {
	for outlined, where := range said(t) {
		if !strings.Contains(outlined, "\x00") || strings.HasPrefix(where, "html/") || strings.HasPrefix(where, "../pages/") {
			continue
		}
		if !slices.ContainsFunc(pages.Elsewhere(), func(id string) bool { return outline(id) == outlined }) {
			t.Errorf("%s: %q is put together there and is not recognised", where, outlined)
		}
	}
	p := newPages(t)
	for sentence, want := range map[string]string{
		"Continue as Alice Archer": "Weiter als Alice Archer",
		"Your organisation, Ward, 7, wants you to use “A” / “B” here.": "Ihre Organisation, Ward, 7, möchte, dass Sie hier “A” / “B” verwenden.",
		"Continue as ": "Continue as ",
		"Your organisation, , wants you to use “A” here.": "Your organisation, , wants you to use “A” here.",
		"Continue as {{.name}}":                           "Weiter als {{.name}}",
		"Continue as {{.name | printf}} %s <b>":           "Weiter als {{.name | printf}} %s <b>",
		"":                                                "",
	} {
		if got := p.Say("de", sentence); got != want {
			t.Errorf("%q: got %q, want %q", sentence, got, want)
		}
		if got := p.Say("en", sentence); got != sentence {
			t.Errorf("%q: got %q in English", sentence, got)
		}
	}
}

// Whatever the number, each language has words for it, and they hold the number or
// need not.
func TestEveryNumberHasItsWords(t *testing.T) {
	p := newPages(t)
	for _, l := range pages.Languages() {
		for id, forms := range catalogue(t, l.Tag) {
			if len(forms) < 2 {
				continue
			}
			for n := range 130 {
				if got, err := p.Counted(l.Tag, id, n); err != nil || got == "" || strings.Contains(got, "<no value>") {
					t.Errorf("%s: %q with %d: %q, %v", l.Tag, id, n, got, err)
				}
			}
		}
	}
	for n, want := range map[int]string{0: "0 awr yn ôl", 1: "awr yn ôl", 2: "dwy awr yn ôl", 3: "3 awr yn ôl", 6: "6 awr yn ôl"} {
		if got, _ := p.Counted("cy", "{{.count}} hours ago", n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for tag, want := range map[string]string{"en": "12,345 days ago", "de": "vor 12.345 Tagen", "es": "hace 12.345 días", "nl": "12.345 dagen geleden", "cy": "12,345 diwrnod yn ôl", "fr": "il y a 12\u00a0345 jours"} {
		if got, err := p.Counted(tag, "{{.count}} days ago", 12345); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tag, got, err, want)
		}
	}
}

func TestTimesAreInPlainWords(t *testing.T) {
	p := newPages(t)
	at := time.Date(2026, time.March, 5, 7, 4, 0, 0, time.Local)
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", time.Minute: "just now", 3 * time.Minute: "3 minutes ago", 61 * time.Minute: "an hour ago",
		5 * time.Hour: "5 hours ago", 25 * time.Hour: "a day ago", 72 * time.Hour: "3 days ago",
	} {
		if got := p.Ago("en", at.Add(-d), at); !strings.HasPrefix(got, want+" (") {
			t.Errorf("%v: %q", d, got)
		}
	}
	zone := at.Format("MST")
	for tag, want := range map[string]string{"en": "5 March 2026, 07:04 " + zone, "de": "5. März 2026, 07:04 Uhr " + zone, "es": "5 de marzo de 2026, 07:04 " + zone, "cy": "5 Mawrth 2026, 07:04 " + zone} {
		if got := p.Moment(tag, at); got != want {
			t.Errorf("%s: got %q, want %q", tag, got, want)
		}
	}
}

func TestLanguageOfAReader(t *testing.T) {
	p := newPages(t)
	few := &pages.Look{Languages: []string{"de", "en"}}
	first := &pages.Look{Languages: []string{"de"}}
	for _, test := range []struct {
		look           *pages.Look
		chosen, accept string
		want           string
	}{
		{nil, "", "", "en"},
		{nil, "", "de", "de"},
		{nil, "", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{nil, "", "en-GB,en;q=0.9,de;q=0.8", "en"},
		{nil, "", "ja, de;q=0.5", "de"},
		{nil, "", "en;q=0.3, de;q=0.9", "de"},
		{nil, "", "de;q=0", "en"},
		{nil, "", "*", "en"},
		{nil, "", "x-klingon", "en"},
		{nil, "", "\x00\xff;q=;;,,", "en"},
		{nil, "", "de," + strings.Repeat(" ", 300), "en"},
		{nil, "", "cy-GB,cy;q=0.9,en-GB;q=0.8", "cy"},
		{nil, "", "fr-CA", "fr"},
		{nil, "", "nl-BE;q=0.8, ja", "nl"},
		{nil, "", "es-419,es;q=0.9", "es"},
		{nil, "en", "de", "en"},
		{nil, "de", "", "de"},
		{nil, "xx", "de", "de"},
		{nil, "../de", "", "en"},
		{few, "", "", "de"},
		{few, "", "ja", "de"},
		{few, "", "en-US", "en"},
		{first, "", "en", "de"},
		{first, "en", "en", "de"},
		{&pages.Look{Languages: []string{"xx"}}, "", "", "en"},
	} {
		if got := p.Language(test.look, test.chosen, test.accept); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

func FuzzLanguageOfAReader(f *testing.F) {
	for _, s := range []string{"", "de", "de-CH-1996,de;q=0.9", "*;q=0.1", "en;q=0.3, de;q=0.9", "a-DE-x-goethe", "i-klingon", strings.Repeat("de,", 80), "de;q=NaN", "de;q=1e999"} {
		f.Add(s)
	}
	p := newPages(f)
	f.Fuzz(func(t *testing.T, accept string) {
		got := p.Language(nil, accept, accept)
		if !slices.ContainsFunc(pages.Languages(), func(l pages.Language) bool { return l.Tag == got }) {
			t.Errorf("%q: got %q", accept, got)
		}
	})
}

func TestPagesSayWhichLanguageTheyAreIn(t *testing.T) {
	for _, l := range pages.Languages() {
		rec := httptest.NewRecorder()
		newPages(t).Write(rec, http.StatusOK, pages.Reader{Language: l.Tag}, careplan, pages.Problem{})
		doc, err := html.Parse(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		root := one(t, doc, "html")
		if rec.Header().Get("Content-Language") != l.Tag || attr(root, "lang") != l.Tag || attr(root, "dir") != l.Dir {
			t.Errorf("%s: Content-Language %q, <html lang=%q dir=%q>", l.Tag, rec.Header().Get("Content-Language"), attr(root, "lang"), attr(root, "dir"))
		}
		if got := rec.Header().Get("Vary"); got != "Accept, Accept-Language, Cookie" {
			t.Errorf("Vary %q", got)
		}
	}
}

// Every page offers its languages, but those that cannot be shown once more.
func TestPagesOfferTheirLanguages(t *testing.T) {
	p := newPages(t)
	for name, page := range gallery() {
		rec := httptest.NewRecorder()
		p.Write(rec, http.StatusOK, pages.Reader{Language: "cy", Choose: "/sso/language?rd=%2F&to="}, careplan, page)
		doc, err := html.Parse(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		checkIDs(t, doc)
		checkNothingLoads(t, doc)
		var tags []string
		for _, a := range all(doc, "a") {
			if !has(a, "hreflang") {
				continue
			}
			tag := attr(a, "hreflang")
			tags = append(tags, tag)
			if attr(a, "lang") != tag || attr(a, "href") != "/sso/language?rd=%2F&to="+tag || has(a, "aria-current") != (tag == "cy") {
				t.Errorf("%s: %v", name, a.Attr)
			}
		}
		want := "en cy de fr nl es"
		if name == "form-codes" || name == "handshake" || strings.HasPrefix(name, "postform") || strings.HasPrefix(name, "try") {
			want = ""
		}
		if got := strings.Join(tags, " "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, page := range []pages.Page{pages.TryStart{Title: "Entra"}, pages.TryOut{Title: "Entra"}} {
		rec := httptest.NewRecorder()
		p.Write(rec, http.StatusOK, pages.Reader{Language: "cy", Choose: "/sso/language?to="}, careplan, page)
		if rec.Header().Get("Content-Language") != "en" || strings.Contains(rec.Body.String(), "hreflang") || !strings.Contains(rec.Body.String(), `<html lang="en"`) {
			t.Errorf("%T is in English: %v", page, rec.Header())
		}
	}
	for _, look := range []*pages.Look{{Languages: []string{"de"}}, {Languages: []string{"xx", "de"}}} {
		rec := httptest.NewRecorder()
		p.Write(rec, http.StatusOK, pages.Reader{Choose: "/sso/language?to="}, look, pages.Problem{})
		if strings.Contains(rec.Body.String(), "hreflang") {
			t.Errorf("%v: a choice of one", look.Languages)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	p := newPages(b)
	page := gallery()["chooser-form"]
	for _, l := range pages.Languages() {
		b.Run(l.Tag, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Write(httptest.NewRecorder(), http.StatusOK, pages.Reader{Language: p.Language(careplan, "", l.Tag+"-XX,en;q=0.5")}, careplan, page)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := pages.New(); err != nil {
			b.Fatal(err)
		}
	}
}
