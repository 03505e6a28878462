// Package chromium drives a real browser in tests: what a person would do with it, and
// what they would see.
package chromium

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Missing skips a test that needs what is not installed. Where everything must
// run (CI=true) it fails instead.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Tab is one tab of a browser.
type Tab struct {
	T   *testing.T
	Ctx context.Context
}

// Open starts Chromium with an empty profile, or with the one in a folder. It can reach
// this machine only, by the names *.test and *.localhost too. more comes after the usual
// options, and so before them. Without Chromium the test is skipped, and on CI it fails.
func Open(t *testing.T, profile string, more ...chromedp.ExecAllocatorOption) *Tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		Missing(t, "chromium is not installed")
	}
	if profile == "" {
		profile = t.TempDir()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	options = append(options, more...)
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	ctx, kill := chromedp.NewExecAllocator(ctx, options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() { end(); kill(); stop() })
	b := &Tab{t, ctx}
	b.begin()
	return b
}

// begin opens the tab. A policy that blocks something on one of our pages fails
// the test.
func (b *Tab) begin() {
	b.T.Helper()
	// The browser lives as long as the context of the first step.
	if err := chromedp.Do(b.Ctx, chromedp.Navigate("about:blank")); err != nil {
		b.T.Fatal(err)
	}
	err := chromedp.Listen(b.Ctx, func(event any) {
		e, ok := event.(*log.EventEntryAdded)
		if ok && e.Entry.Source == log.EntrySourceSecurity && strings.Contains(e.Entry.URL, "/sso/") {
			b.T.Errorf("browser: %s: %s", e.Entry.URL, e.Entry.Text)
		}
	})
	if err != nil {
		b.T.Fatal(err)
	}
}

// NewTab opens another tab of the same window, with the same cookies.
func (b *Tab) NewTab() *Tab {
	b.T.Helper()
	ctx, end := chromedp.NewContext(b.Ctx)
	b.T.Cleanup(end)
	n := &Tab{b.T, ctx}
	n.begin()
	return n
}

func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		where, _ := chromedp.Run(b.Ctx, chromedp.Location())
		b.T.Fatalf("at %s: %v", where, err)
	}
}

// Open goes to an address as if it had been typed.
func (b *Tab) Open(url string) {
	b.T.Helper()
	b.Do(chromedp.Navigate(url))
}

func (b *Tab) Click(css string) {
	b.T.Helper()
	b.Do(chromedp.Click(chromedp.CSS(css)))
}

// Choose clicks a button of the chooser by its words.
func (b *Tab) Choose(title string) {
	b.T.Helper()
	b.Do(chromedp.Click(`//ul//a[contains(., "` + title + `")]`))
}

func (b *Tab) Fill(css, value string) {
	b.T.Helper()
	b.Do(chromedp.Clear(chromedp.CSS(css)), chromedp.SendKeys(chromedp.CSS(css), value))
}

// Ask evaluates a JavaScript expression, also where the page may run no script.
// Between two pages there is nothing to Ask; then the answer is false.
func Ask[T any](b *Tab, script string) (T, bool) {
	got, err := chromedp.Run(b.Ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	return got, err == nil
}

func Must[T any](b *Tab, script string) T {
	b.T.Helper()
	got, err := chromedp.Run(b.Ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.T.Fatal(err)
	}
	return got
}

// Until waits for a condition on the page, whichever page that is by then.
func (b *Tab) Until(condition string) {
	b.T.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if ok, _ := Ask[bool](b, condition); ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := Ask[string](b, `location.href + "\n" + document.body.innerText`)
			b.T.Fatalf("waited in vain for %s; the page is %s", condition, text)
		}
		<-time.After(30 * time.Millisecond)
	}
}

// Says waits until the page holds some words.
func (b *Tab) Says(words string) {
	b.T.Helper()
	b.Until(`document.readyState === "complete" && document.body.innerText.includes(` + Quote(words) + `)`)
}

func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func (b *Tab) Text() string     { b.T.Helper(); return Must[string](b, `document.body.innerText`) }
func (b *Tab) Location() string { b.T.Helper(); return Must[string](b, `location.href`) }

// Status is that of the page's own response.
func (b *Tab) Status() int {
	b.T.Helper()
	return Must[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`)
}

// Cookie returns the value of a Cookie that the browser would send to url.
func (b *Tab) Cookie(url, name string) string {
	b.T.Helper()
	r, err := chromedp.Call(b.Ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	if err != nil {
		b.T.Fatal(err)
	}
	for _, c := range r.Cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *Tab) LoseCookie(url, name string) {
	b.T.Helper()
	Call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
}

func Call[P, R any](b *Tab, command cdp.Command[P, R], params P) {
	b.T.Helper()
	if _, err := chromedp.Call(b.Ctx, command, params); err != nil {
		b.T.Fatal(err)
	}
}

// Path is that of the page.
func (b *Tab) Path() string { b.T.Helper(); return Must[string](b, `location.pathname`) }
