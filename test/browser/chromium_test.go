package browser

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

// missing skips a test that needs what is not installed. Where everything must
// run (CI=true) it fails instead.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tab is one tab of a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser starts Chromium with an empty profile, or with the one in a
// folder. It can reach this machine only, and trusts the authority of h. more comes
// after the usual options, and so before them.
func openBrowser(t *testing.T, h *hospital, profile string, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed")
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
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	if h != nil {
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", h.ca.pin))
	}
	options = append(options, more...)
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	ctx, kill := chromedp.NewExecAllocator(ctx, options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() { end(); kill(); stop() })
	b := &tab{t, ctx}
	b.begin()
	return b
}

// begin opens the tab. A policy that blocks something on one of our pages fails
// the test.
func (b *tab) begin() {
	b.t.Helper()
	// The browser lives as long as the context of the first step.
	if err := chromedp.Do(b.ctx, chromedp.Navigate("about:blank")); err != nil {
		b.t.Fatal(err)
	}
	err := chromedp.Listen(b.ctx, func(event any) {
		e, ok := event.(*log.EventEntryAdded)
		if ok && e.Entry.Source == log.EntrySourceSecurity && strings.Contains(e.Entry.URL, "/sso/") {
			b.t.Errorf("browser: %s: %s", e.Entry.URL, e.Entry.Text)
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// newTab opens another tab of the same window, with the same cookies.
func (b *tab) newTab() *tab {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	n := &tab{b.t, ctx}
	n.begin()
	return n
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("at %s: %v", where, err)
	}
}

// open goes to an address as if it had been typed.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

func (b *tab) click(css string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(css)))
}

// choose clicks a button of the chooser by its words.
func (b *tab) choose(title string) {
	b.t.Helper()
	b.do(chromedp.Click(`//ul//a[contains(., "` + title + `")]`))
}

func (b *tab) fill(css, value string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.CSS(css)), chromedp.SendKeys(chromedp.CSS(css), value))
}

// ask evaluates a JavaScript expression, also where the page may run no script.
// Between two pages there is nothing to ask; then the answer is false.
func ask[T any](b *tab, script string) (T, bool) {
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	return got, err == nil
}

func must[T any](b *tab, script string) T {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// until waits for a condition on the page, whichever page that is by then.
func (b *tab) until(condition string) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if ok, _ := ask[bool](b, condition); ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := ask[string](b, `location.href + "\n" + document.body.innerText`)
			b.t.Fatalf("waited in vain for %s; the page is %s", condition, text)
		}
		<-time.After(30 * time.Millisecond)
	}
}

// says waits until the page holds some words.
func (b *tab) says(words string) {
	b.t.Helper()
	b.until(`document.readyState === "complete" && document.body.innerText.includes(` + quote(words) + `)`)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func (b *tab) text() string     { b.t.Helper(); return must[string](b, `document.body.innerText`) }
func (b *tab) location() string { b.t.Helper(); return must[string](b, `location.href`) }

// status is that of the page's own response.
func (b *tab) status() int {
	b.t.Helper()
	return must[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`)
}

// cookie returns the value of a cookie that the browser would send to url.
func (b *tab) cookie(url, name string) string {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range r.Cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *tab) loseCookie(url, name string) {
	b.t.Helper()
	call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// signIn fills in Foregate's own form.
func (b *tab) signIn(user, password string) {
	b.t.Helper()
	b.fill("input[name=username]", user)
	b.fill("input[name=password]", password)
	b.click("main form button")
}

// signInAtProvider fills in the form of a provider.
func (b *tab) signInAtProvider(title, user, password string) {
	b.t.Helper()
	b.until(`document.title === ` + quote(title) + ` && !!document.querySelector("#password")`)
	b.fill("#user", user)
	b.fill("#password", password)
	b.click("button")
}

// told returns a header as the sample application shows that it got it.
func (b *tab) told(header string) string {
	b.t.Helper()
	return must[string](b, `[...document.querySelectorAll("#headers tr")]
		.filter(r => r.cells[0].innerText.trim() === `+quote(header)+`).map(r => r.cells[1].innerText.trim()).join("|")`)
}
