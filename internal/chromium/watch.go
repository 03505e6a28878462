package chromium

import (
	"strings"
	"sync/atomic"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Hops counts the requests for pages.
func (b *Tab) Hops() *atomic.Int32 {
	b.T.Helper()
	n := new(atomic.Int32)
	b.Listen(func(e *network.EventRequestWillBeSent) {
		if e.Type == network.ResourceTypeDocument {
			n.Add(1)
		}
	})
	return n
}

// WatchFor returns the address of the next page whose path begins so.
func (b *Tab) WatchFor(path string) <-chan string {
	b.T.Helper()
	found := make(chan string, 1)
	b.Listen(func(e *network.EventRequestWillBeSent) {
		if strings.Contains(e.Request.URL, path) {
			select {
			case found <- e.Request.URL:
			default:
			}
		}
	})
	return found
}

// Listen is told of each request that the tab makes.
func (b *Tab) Listen(hear func(*network.EventRequestWillBeSent)) {
	b.T.Helper()
	err := chromedp.Listen(b.Ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok {
			hear(e)
		}
	})
	if err != nil {
		b.T.Fatal(err)
	}
	Call(b, network.Enable, network.EnableParams{})
}
