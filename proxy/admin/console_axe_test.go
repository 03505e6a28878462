package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"foregate/authn/accounts"
)

// runAxe asks axe for the success criteria of WCAG 2.2 A and AA and for what is good
// practice beyond. The answer is one line for each fault.
const runAxe = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
	.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`

// tooSmall lists buttons and fields that are hard to hit with a thumb, in CSS pixels.
const tooSmall = `[...document.querySelectorAll(".button, button, input:not([type=hidden]), select, textarea, summary")]
	.filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)`

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func axeSource(t *testing.T) string {
	t.Helper()
	file := os.Getenv("AXE_JS")
	if file == "" {
		file = "../../test/node_modules/axe-core/axe.min.js"
	}
	source, err := os.ReadFile(file)
	if err != nil {
		missing(t, fmt.Sprintf("axe-core is not installed, and AXE_JS does not say where it is: %v", err))
	}
	return string(source)
}

// openBrowser starts Chromium with one tab, which can reach this machine only. What the
// browser complains about, such as a policy that blocked something, fails the test.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	file, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(file), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	ctx, kill := chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() { kill(); stop() })
	do(t, ctx, chromedp.Navigate("about:blank"))
	err = chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*log.EventEntryAdded); ok && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
			t.Errorf("browser: %s: %s", e.Entry.URL, e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

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
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o600); err != nil {
		t.Fatal(err)
	}
}

// furnish fills a house with what all pages show.
func (h *house) furnish() accounts.Account {
	h.t.Helper()
	a := h.add(alice())
	h.begin(a)
	h.begin(a)
	other := h.add(bob())
	h.begin(other)
	ctx := h.t.Context()
	if err := h.people.SetPassword(ctx, accounts.Context{Actor: "test"}, a.ID, "a password for all of the tests"); err != nil {
		h.t.Fatal(err)
	}
	h.giveTOTP(a)
	h.giveLogin(a)
	h.begin(a)
	h.begin(a)
	if err := h.people.Disable(ctx, accounts.Context{Actor: "token desk"}, h.add(accounts.Account{
		Username: "carol.with.a.very.long.user.name@st-elsewhere.example", Name: "Carol Archer-Barker of the Very Long Name", Organisation: "st-elsewhere", Kind: "staff",
	}).ID); err != nil {
		h.t.Fatal(err)
	}
	for i := range 60 {
		if _, err := h.people.Create(ctx, accounts.Context{Actor: "test"}, accounts.Account{Username: fmt.Sprintf("user%02d", i), Name: fmt.Sprintf("Person %02d", i)}); err != nil {
			h.t.Fatal(err)
		}
		for range i % 7 {
			visit := accounts.Visit{Time: h.clock().AddDate(0, 0, -i%25), Organisation: "st-elsewhere", Method: "handoff", User: fmt.Sprint("person ", i%5)}
			if err := h.people.Usage.Count(ctx, visit); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	h.methods = []MethodState{
		{Name: "entra", Title: "Sign in with Microsoft", Kind: "oidc", Usable: true, Trial: true, SignIns: map[string]int{"ok": 1234, "refused": 5}},
		{Name: "st-elsewhere", Title: "St Elsewhere", Kind: "handoff", Usable: true, Warning: "nearly all users that the partner's page sent lately had never been seen before"},
		{Name: "ward-ad", Title: "Hospital account", Kind: "ldap", Why: "none of the servers answers", LastError: "ldap: dial ldaps://dc1.hospital.example: connection refused", LastFault: h.clock(),
			Compared: &Compared{At: h.clock(), Seen: 40, Why: "the directory broke off"}},
	}
	h.config = "listen:\n  admin: 127.0.0.1:9180\nmethods:\n  - name: entra\n    oidc:\n      issuer: https://login.example/tenant/v2.0\n      client_secret: (secret)\n"
	return a
}

// pagesOf are the pages of a furnished house, by a name for pictures.
func pagesOf(a accounts.Account) map[string]string {
	link := "issuer=" + url.QueryEscape(issuer) + "&subject=" + url.QueryEscape("subject of "+a.ID)
	return map[string]string{
		"people": "/people", "people-none": "/people?q=nobody", "people-more": "/people?status=active&q=person", "person": "/people/" + a.ID,
		"person-done": "/people/" + a.ID + "?done=roles", "new": "/people/new", "edit": "/people/" + a.ID + "/edit", "import": "/people/import",
		"disable": "/people/" + a.ID + "/disable", "roles": "/people/" + a.ID + "/roles", "login": "/people/" + a.ID + "/login", "remove-login": "/people/" + a.ID + "/remove-login?app=formulary", "link": "/people/" + a.ID + "/link", "unlink": "/people/" + a.ID + "/unlink?" + link,
		"sessions": "/sessions?method=entra", "end": "/sessions/end?method=entra", "methods": "/methods", "audit": "/audit?action=create", "audit-wrong": "/audit?from=yesterday",
		"usage": "/usage?from=2026-11-01&to=2026-11-30", "usage-none": "/usage?from=2020-01-01&to=2020-01-02", "configuration": "/configuration", "problem": "/people/nobody",
	}
}

func TestEveryPageOfTheConsoleIsAccessible(t *testing.T) {
	axe := axeSource(t)
	ctx := openBrowser(t)
	h := openHouse(t)
	a := h.furnish()
	h.guard.Use(Rules{Tokens: h.guard.rules.Load().Tokens, Allowed: []Allowed{{User: "alice", Role: Owner, Organisation: "st-elsewhere"}}})
	look := func(name string) {
		t.Helper()
		for _, v := range []struct {
			scheme string
			width  int64
		}{{"light", 1280}, {"dark", 320}} { // 320 is 1280 at 400 % (WCAG 1.4.10)
			do(t, ctx, chromedp.EmulateViewport(v.width, 800), scheme(v.scheme))
			evaluate[json.RawMessage](t, ctx, axe+"; true")
			for _, fault := range evaluate[[]string](t, ctx, runAxe) {
				t.Errorf("%s, %+v: %s", name, v, fault)
			}
			for _, fault := range evaluate[[]string](t, ctx, tooSmall) {
				t.Errorf("%s, %+v: too small: %s", name, v, fault)
			}
			if got := evaluate[int64](t, ctx, "document.documentElement.scrollWidth"); got > v.width {
				t.Errorf("%s, %+v: scrolls sideways, %d wide", name, v, got)
			}
			shoot(t, ctx, fmt.Sprintf("%s-%d.png", name, v.width))
		}
	}
	do(t, ctx, chromedp.Navigate(h.url+"/sign-in"))
	look("sign-in")
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#token"), "wrong"), chromedp.Click(chromedp.CSS("#token + button")), chromedp.WaitVisible(chromedp.CSS(".alert")))
	look("sign-in-wrong")
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("#token"), tokenOf("owner")), chromedp.Click(chromedp.CSS("#token + button")), chromedp.WaitVisible(chromedp.CSS("nav")))
	for name, address := range pagesOf(a) {
		do(t, ctx, chromedp.Navigate(h.url+address))
		look(name)
	}
	evaluate[bool](t, ctx, `document.documentElement.removeAttribute("lang"); true`)
	if faults := evaluate[[]string](t, ctx, runAxe); len(faults) != 1 || !strings.HasPrefix(faults[0], "html-has-lang") {
		t.Errorf("axe does not see a page without a language: %q", faults)
	}
}
