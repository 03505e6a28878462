package pages_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"foregate/proxy/pages"
)

// mirrored are pages in a language that runs from right to left.
func mirrored(t *testing.T) *pages.Pages {
	t.Helper()
	hebrew := func(id string) string {
		var b strings.Builder
		for id != "" {
			before, rest, found := strings.Cut(id, "{{")
			for _, r := range before {
				if low := r | 0x20; low >= 'a' && low <= 'z' {
					r = 'א' + low - 'a'
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
	p, err := pages.NewWith(pages.Language{Tag: "he", Name: "עברית", Dir: "rtl"}, messages(t), hebrew)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Sides are named by where reading begins and ends.
func TestStyleHasNoLeftAndRight(t *testing.T) {
	physical := regexp.MustCompile(`(margin|padding|border|inset)-(left|right)|(^|[;{\s])(left|right|float)\s*:|text-align:\s*(left|right)`)
	for _, path := range []string{"html/style.css", "script/warning.js"} {
		style, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := physical.FindString(string(style)); got != "" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if !physical.MatchString("a { margin-left: 0 }") || !physical.MatchString("a { left: 0 }") {
		t.Error("left is not found")
	}
}

func TestPartsDoNotCarryAwayThePunctuation(t *testing.T) {
	rec := httptest.NewRecorder()
	mirrored(t).Write(rec, http.StatusOK, pages.Reader{Language: "he"}, careplan, pages.SignOut{Action: "/sso/sign-out"})
	doc, err := html.Parse(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := attr(one(t, doc, "html"), "dir"); got != "rtl" {
		t.Errorf("dir %q", got)
	}
	if got := text(one(t, doc, "h1")); !strings.Contains(got, "\u2068Careplan\u2069") {
		t.Errorf("got %q", got)
	}
}

func TestPagesCanBeReadFromTheRight(t *testing.T) {
	axe, ctx, p := axeSource(t), openBrowser(t), mirrored(t)
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		p.Write(w, http.StatusOK, pages.Reader{Language: "he", Choose: "/sso/language?to="}, careplan, gallery()[strings.TrimPrefix(r.URL.Path, "/")])
	})
	for _, name := range []string{"chooser-resume", "form-mailed-no", "form-codes", "account", "problem", "loopstop"} {
		do(t, ctx, chromedp.EmulateViewport(320, 800), chromedp.Navigate(origin+"/"+name))
		evaluate[json.RawMessage](t, ctx, axe+"; true")
		for _, fault := range evaluate[[]string](t, ctx, runAxe) {
			t.Errorf("%s: %s", name, fault)
		}
		if got := evaluate[int64](t, ctx, "document.documentElement.scrollWidth"); got > 320 {
			t.Errorf("%s: scrolls sideways, %d wide", name, got)
		}
		if got := evaluate[string](t, ctx, `getComputedStyle(document.querySelector("h1")).direction`); got != "rtl" {
			t.Errorf("%s: the heading runs %s", name, got)
		}
		shoot(t, ctx, name+"-he")
	}
	do(t, ctx, chromedp.Navigate(origin+"/chooser-resume"))
	if got := evaluate[string](t, ctx, `(s => s.borderRightWidth + " " + s.borderLeftWidth)(getComputedStyle(document.querySelector(".notice")))`); got != "4px 0px" {
		t.Errorf("the notice has its line at the other side: %s", got)
	}
}

func TestWarningSpeaksTheLanguageOfItsReader(t *testing.T) {
	ctx, p := openBrowser(t), newPages(t)
	left := 42
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sso/session":
			pages.JSON(w, http.StatusOK, map[string]int{"seconds_left": left})
		case "/sso/warning.js":
			p.WriteWarning(w, pages.Reader{Language: r.URL.Query().Get("in")})
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"><h1>app</h1><script src="/sso/warning.js?in=` + r.URL.Query().Get("in") + `" data-before="60" defer></script>`))
		}
	})
	const shown = `new Promise(resolve => { const look = () => {
		const d = document.querySelector("foregate-warning")?.shadowRoot.querySelector("dialog")
		d && d.open ? resolve(d.lang + "|" + d.dir + "|" + d.innerText.replace(/\d+/, "N")) : setTimeout(look, 20) }; look() })`
	for tag, want := range map[string][]string{
		"":   {"en|ltr|", "Are you still there?", "signed out in N seconds", "Stay signed in"},
		"de": {"de|ltr|", "Sind Sie noch da?", "in N Sekunden abgemeldet", "Angemeldet bleiben", "Jetzt abmelden"},
		"cy": {"cy|ltr|", "Ydych chi yno o hyd?", "ymhen N eiliad"},
	} {
		do(t, ctx, chromedp.Navigate(origin+"/?in="+tag))
		got := evaluate[string](t, ctx, shown)
		for _, words := range want {
			if !strings.Contains(got, words) {
				t.Errorf("%s: no %q in %q", tag, words, got)
			}
		}
	}
}

func TestWarningIsKeptPerLanguage(t *testing.T) {
	for _, l := range pages.Languages() {
		rec := httptest.NewRecorder()
		newPages(t).WriteWarning(rec, pages.Reader{Language: l.Tag})
		h := rec.Header()
		if h.Get("Content-Language") != l.Tag || h.Get("Vary") != "Accept-Language, Cookie" || h.Get("Cache-Control") != "private, max-age=3600" {
			t.Errorf("%s: %v", l.Tag, h)
		}
		body := rec.Body.String()
		if strings.Contains(body, "WORDS") || !strings.Contains(body, `"lang":"`+l.Tag+`"`) || strings.Contains(body, `"":`) {
			t.Errorf("%s: %.400s", l.Tag, body)
		}
	}
}
