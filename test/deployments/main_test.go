// Package deployments proves every numbered sentence about the five deployments: in a real
// browser, against real servers, with the files of examples/, on the embedded store and
// with two replicas on Redis and PostgreSQL. docs/deployments.md says which test is which.
package deployments

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"foregate/internal/chromium"
	"foregate/internal/ldaptest"
	"foregate/test/deployments/world"
)

var binary string // the program under test, built once

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foregate-deployments-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = world.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return ldaptest.Main(m)
}

// authorised is how long what the provider said at a sign-in is current.
const authorised = 20 * time.Second

// onBoth tells a story on the embedded store, and again with two replicas.
func onBoth(t *testing.T, name string, idle time.Duration, story func(*testing.T, *world.World)) {
	for _, o := range []world.Options{{}, {Replicas: true}} {
		o.Binary, o.Idle, o.Authorised = binary, idle, authorised
		stores := "embedded"
		if o.Replicas {
			stores = "replicas"
		}
		t.Run(stores, func(t *testing.T) { story(t, world.Start(t, name, o)) })
	}
}

// signedOut waits until every replica knows that the browser's session is over: they write
// down what people do a moment later, and ask each other.
func signedOut(w *world.World, b *chromium.Tab) {
	w.T.Helper()
	w.Eventually("the session is over", func() bool {
		for range 4 {
			if chromium.Must[int](b, `fetch("/sso/session").then(r => r.status)`) != http.StatusUnauthorized {
				return false
			}
		}
		return true
	})
}
