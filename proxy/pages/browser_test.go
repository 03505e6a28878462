package pages_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"foregate/proxy/pages"
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

// openBrowser starts Chromium with one tab, which can reach this machine only.
// What the browser complains about, such as a policy that blocked something,
// fails the test.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	patience := 5 * time.Minute
	if os.Getenv("AXE") == "all" {
		patience = time.Hour
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	ctx, kill := chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() { kill(); stop() })
	do(t, ctx, chromedp.Navigate("about:blank"))
	err = chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*log.EventEntryAdded); ok {
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

// waitTitle waits for a page whose title starts so. On the way there the tab may
// be between two pages and answer with an error.
func waitTitle(t *testing.T, ctx context.Context, start string) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		title, err := chromedp.Run(ctx, chromedp.Title())
		if err == nil && strings.HasPrefix(title, start) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("still at %q, want %q: %v", title, start, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

func withoutScripts() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
}

// provider is another site: it takes what is posted to it.
type provider struct {
	url   string
	posts atomic.Int32
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			p.posts.Add(1)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><title>arrived</title>%d`, len(r.PostFormValue("SAMLRequest")))
	}))
	t.Cleanup(srv.Close)
	p.url = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) // not the same site as 127.0.0.1
	return p
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestPostFormContinuesByItselfAndIsNotInTheWayBack(t *testing.T) {
	ctx, p, elsewhere := openBrowser(t), newPages(t), startProvider(t)
	here := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start" {
			p.Write(w, http.StatusOK, pages.Reader{}, careplan, pages.PostForm{URL: elsewhere.url, Fields: map[string]string{"SAMLRequest": "abc", "submit": "x"}})
			return
		}
		p.Write(w, http.StatusOK, pages.Reader{}, careplan, pages.Chooser{Choices: []pages.Choice{{Title: "Microsoft", URL: "/start"}}})
	})
	do(t, ctx, chromedp.Navigate(here), chromedp.Click(chromedp.CSS(".choices a")))
	waitTitle(t, ctx, "arrived")
	if got := evaluate[string](t, ctx, "document.body.textContent"); got != "3" {
		t.Errorf("got a field of length %s, want 3", got)
	}
	// NavigateBack would wait for ever: Cross-Origin-Opener-Policy changes the process.
	evaluate[bool](t, ctx, "setTimeout(() => history.back()); true")
	waitTitle(t, ctx, "Sign in to Careplan")
	if got := elsewhere.posts.Load(); got != 1 {
		t.Errorf("posted %d times", got)
	}
}

func TestPostFormWorksWithoutScripts(t *testing.T) {
	ctx, p, elsewhere := openBrowser(t), newPages(t), startProvider(t)
	here := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		p.Write(w, http.StatusOK, pages.Reader{}, careplan, pages.PostForm{URL: elsewhere.url, Fields: map[string]string{"SAMLRequest": "abc"}})
	})
	do(t, ctx, withoutScripts(), chromedp.Navigate(here), chromedp.Click(chromedp.CSS("button")))
	waitTitle(t, ctx, "arrived")
}

// The answer to a form may be a redirect to a provider: see policy. The browser
// says of the post where it comes from, but not in Origin: see SecurityHeaders.
func TestFormMayBeAnsweredByAnotherSite(t *testing.T) {
	ctx, p, elsewhere := openBrowser(t), newPages(t), startProvider(t)
	here := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			p.Write(w, http.StatusOK, pages.Reader{}, careplan, gallery()[strings.TrimPrefix(r.URL.Path, "/")])
			return
		}
		if origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"); origin != "null" || site != "same-origin" {
			t.Errorf("got Origin %q and Sec-Fetch-Site %q", origin, site)
		}
		http.Redirect(w, r, elsewhere.url, http.StatusSeeOther)
	})
	for _, name := range []string{"form-password", "chooser-only", "signout"} {
		do(t, ctx, chromedp.Navigate(here+"/"+name), chromedp.Click(chromedp.CSS("button")))
		waitTitle(t, ctx, "arrived")
	}
}
