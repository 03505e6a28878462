package browser

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

// audit checks that everybody can use the page that the browser shows, on a
// phone and on a desk. With SHOTS=folder it leaves pictures there.
func (b *tab) audit(name string) {
	b.t.Helper()
	axe, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(b.t, "axe-core is not installed: run test/needs")
	}
	for _, width := range []int64{320, 1280} { // 320 is 1280 at 400 % (WCAG 1.4.10)
		b.do(chromedp.EmulateViewport(width, 800))
		must[bool](b, string(axe)+"; true")
		for _, fault := range must[[]string](b, runAxe) {
			b.t.Errorf("%s, %d wide: %s", name, width, fault)
		}
		if got := must[int64](b, "document.documentElement.scrollWidth"); got > width {
			b.t.Errorf("%s, %d wide: scrolls sideways, %d", name, width, got)
		}
		b.shoot(fmt.Sprintf("%s-%d.png", name, width))
	}
}

func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("SHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		b.t.Fatal(err)
	}
	write(b.t, filepath.Join(folder, name), picture)
}
