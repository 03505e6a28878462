package chromium

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

// runAxe asks axe for the success criteria of WCAG 2.2 A and AA and for what is
// good practice beyond. The answer is one line for each fault.
const runAxe = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
	.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`

// Audit checks that everybody can use the page that the browser shows, on a
// phone and on a desk. With SHOTS=folder it leaves pictures there.
func (b *Tab) Audit(name string) {
	b.T.Helper()
	axe, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	if err != nil {
		Missing(b.T, "axe-core is not installed: run test/needs")
	}
	for _, width := range []int64{320, 1280} { // 320 is 1280 at 400 % (WCAG 1.4.10)
		b.Do(chromedp.EmulateViewport(width, 800))
		Must[bool](b, string(axe)+"; true")
		for _, fault := range Must[[]string](b, runAxe) {
			b.T.Errorf("%s, %d wide: %s", name, width, fault)
		}
		if got := Must[int64](b, "document.documentElement.scrollWidth"); got > width {
			b.T.Errorf("%s, %d wide: scrolls sideways, %d", name, width, got)
		}
		b.Shoot(fmt.Sprintf("%s-%d.png", name, width))
	}
}

func (b *Tab) Shoot(name string) {
	b.T.Helper()
	folder := os.Getenv("SHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.Ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.T.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		b.T.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o600); err != nil {
		b.T.Fatal(err)
	}
}
