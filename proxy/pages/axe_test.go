package pages_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"foregate/proxy/pages"
)

// runAxe asks axe for the success criteria of WCAG 2.2 A and AA and for what is
// good practice beyond. The answer is one line for each fault.
const runAxe = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
	.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`

// tooSmall lists what is hard to hit with a thumb, in CSS pixels.
const tooSmall = `[...document.querySelectorAll("a, button, input:not([type=hidden])")]
	.filter(e => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 44).map(e => e.outerHTML)`

// broken lists the words of headings, buttons and links that do not fit into one line.
const broken = `[...document.querySelectorAll("h1, h2, a, button, label, dt")].flatMap(e => {
	const walk = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), found = []
	for (let n; n = walk.nextNode();) for (const m of n.data.matchAll(/[^\s-]+/g)) if (!m[0].includes("://")) {
		const r = document.createRange()
		r.setStart(n, m.index); r.setEnd(n, m.index + m[0].length)
		if (new Set([...r.getClientRects()].map(c => Math.round(c.top))).size > 1) found.push(m[0])
	}
	return found})`

// shoot leaves a picture of the page where SHOTS names a folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("SHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		t.Error(err)
	}
}

// view is how somebody sees a page.
type view struct {
	look, scheme string
	width        int64
	plain        bool // no scripts run
}

func everyView() []view {
	var all []view
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 768, 1280} {
			for _, plain := range []bool{false, true} {
				all = append(all, view{"full", scheme, width, plain})
			}
		}
	}
	return all
}

// scripts lets the pages that are opened next run theirs, or not.
func scripts(ctx context.Context, run bool) error {
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !run})
	return err
}

// axeSource is axe.min.js of the npm package axe-core.
func axeSource(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AXE_JS")
	if path == "" {
		path = "../../test/node_modules/axe-core/axe.min.js"
	}
	source, err := os.ReadFile(path)
	if err != nil {
		missing(t, fmt.Sprintf("axe-core is not installed, and AXE_JS does not say where it is: %v", err))
	}
	return string(source)
}

// TestEveryPageIsAccessible: each in each language where there is least room, and elsewhere
// in one of them; with AXE=all at every width and scheme, with scripts and without.
func TestEveryPageIsAccessible(t *testing.T) {
	axe := axeSource(t)
	ctx := openBrowser(t)
	p := newPages(t)
	looks := map[string]*pages.Look{
		"full":  careplan,
		"plain": {},
		"pale":  {Name: "Formulary", Colour: "#ffe27a", Help: "Ask the library."},
		"dark":  {Name: "Formulary", Colour: "#0a0a23", Footer: "For readers."},
	}
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, look, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		look, language, _ := strings.Cut(look, "/")
		page, ok := gallery()[name]
		if !ok { // where the forms are posted to: the browser stays on the page
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if form, ok := page.(pages.PostForm); ok {
			form.URL = "http://" + r.Host + "/posted"
			page = form
		}
		p.Write(w, http.StatusOK, pages.Reader{Language: language, Choose: "/sso/language?rd=%2F&to="}, looks[look], page)
	})
	views := []view{{"full", "light", 320, false}, {"full", "dark", 1280, false}, {"pale", "light", 768, false}, {"plain", "dark", 320, true},
		{"dark", "dark", 768, false}, {"plain", "light", 1280, true}, {"full", "light", 768, false}} // 320 is 1280 at 400 %
	for i, name := range slices.Sorted(maps.Keys(gallery())) {
		for j, l := range pages.Languages() {
			if l.Tag != "en" && strings.HasPrefix(name, "try") {
				continue // it speaks English alone
			}
			visit := []int{0} // every language where there is least room …
			if i%len(pages.Languages()) == j {
				visit = []int{0, 1 + i%6} // … and one of them elsewhere
			}
			var seen []view
			for _, n := range visit {
				seen = append(seen, views[n])
			}
			if os.Getenv("AXE") == "all" {
				seen = everyView()
			}
			for _, v := range seen {
				if err := scripts(ctx, !v.plain); err != nil {
					t.Fatal(err)
				}
				do(t, ctx, chromedp.EmulateViewport(v.width, 800), scheme(v.scheme), chromedp.Navigate(origin+"/"+name+"/"+v.look+"/"+l.Tag))
				if err := scripts(ctx, true); err != nil { // axe is one; those of the page have had their time
					t.Fatal(err)
				}
				evaluate[json.RawMessage](t, ctx, axe+"; true")
				for _, fault := range evaluate[[]string](t, ctx, runAxe) {
					t.Errorf("%s, %s, %+v: %s", name, l.Tag, v, fault)
				}
				for _, fault := range evaluate[[]string](t, ctx, tooSmall) {
					t.Errorf("%s, %s, %+v: too small: %s", name, l.Tag, v, fault)
				}
				if got := evaluate[int64](t, ctx, "document.documentElement.scrollWidth"); got > v.width {
					t.Errorf("%s, %s, %+v: scrolls sideways, %d wide", name, l.Tag, v, got)
				}
				for _, word := range evaluate[[]string](t, ctx, broken) {
					if strings.Contains(word, "://") {
						continue // no address fits on a phone
					}
					t.Errorf("%s, %s, %+v: %q is broken within a word", name, l.Tag, v, word)
				}
				shoot(t, ctx, name+"-"+l.Tag+"-"+v.look+"-"+v.scheme)
			}
		}
	}

	do(t, ctx, chromedp.EmulateViewport(100, 800))
	if len(evaluate[[]string](t, ctx, broken)) == 0 {
		t.Error("no word is broken where there is no room")
	}
	evaluate[bool](t, ctx, `document.documentElement.removeAttribute("lang"); true`)
	if faults := evaluate[[]string](t, ctx, runAxe); len(faults) != 1 || !strings.HasPrefix(faults[0], "html-has-lang") {
		t.Errorf("axe does not see a page without a language: %q", faults)
	}
}

func TestCursorIsInTheFieldToFillIn(t *testing.T) {
	ctx, p := openBrowser(t), newPages(t)
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		p.Write(w, http.StatusOK, pages.Reader{}, careplan, gallery()[strings.TrimPrefix(r.URL.Path, "/")])
	})
	for name, want := range map[string]string{"form-password": "username", "form-wrong": "password", "form-code": "code", "chooser-wrong": "password"} {
		do(t, ctx, chromedp.Navigate(origin+"/"+name))
		got := ""
		for deadline := time.Now().Add(5 * time.Second); got != want && time.Now().Before(deadline); {
			got = evaluate[string](t, ctx, `document.activeElement.name ?? ""`) // autofocus comes with the first paint
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
