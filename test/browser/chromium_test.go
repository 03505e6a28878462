package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"foregate/internal/chromium"
)

type tab = chromium.Tab

// openBrowser starts a browser that trusts the authority of h.
func openBrowser(t *testing.T, h *hospital, profile string, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	if h != nil {
		more = append([]chromedp.ExecAllocatorOption{chromedp.Flag("ignore-certificate-errors-spki-list", h.ca.pin)}, more...)
	}
	return chromium.Open(t, profile, more...)
}
