package replicas

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"foregate/internal/pgtest"
	"foregate/internal/redistest"
)

// TestAStartWithoutPostgresServesWhoIsSignedIn: sessions are in Redis. Whose account must be
// looked up is told to try again, and comes in soon after the database is there, without a
// restart.
func TestAStartWithoutPostgresServesWhoIsSignedIn(t *testing.T) {
	pg := new(pgtest.Server)
	t.Cleanup(pg.Stop)
	relay, dsn := pgtest.NewRelay(t, pg.Database(t))
	redis := redistest.Start(t)
	w := &ward{t: t, app: httptest.NewServer(http.HandlerFunc(tell))}
	t.Cleanup(w.app.Close)
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &replica{t: t, dir: dir, addr: address(t), admin: address(t)}
	r.write(fmt.Sprintf(`
listen: {http: %q, drain: 0s, admin: %q}
storage: {path: ./data, redis: %s, postgres: %q}
session: {secrets: [%s]}
methods: [{name: local, local: {}}]
apps: [{name: app, hosts: [app.test], upstream: {url: %q}, methods: [local]}]
`, r.addr, r.admin, single(redis), dsn, strings.Repeat("s", 40), w.app.URL))
	w.replicas = append(w.replicas, r)
	relay.Up()
	r.start()
	t.Cleanup(r.stop)
	r.command("", "accounts", "create", "--username", "nora")
	r.command(password, "accounts", "password", "nora")
	nora := w.browser(r.addr)
	nora.signIn()

	r.stop()
	relay.Down()
	began := time.Now()
	r.start()
	t.Logf("answers %v after its start", time.Since(began).Round(time.Millisecond))
	if p := nora.get("/"); p.status != http.StatusOK || p.told.User != "nora" {
		t.Errorf("who is signed in: %d %.200s", p.status, p.body)
	}
	late := w.browser(r.addr)
	if p := late.signIn(); p.status != http.StatusServiceUnavailable || !strings.Contains(p.body, "try again") && !strings.Contains(p.body, "Try again") {
		t.Errorf("who signs in: %d %.2000s", p.status, p.body)
	}
	if late.cookie() != "" {
		t.Error("and has a session")
	}
	relay.Up()
	back := time.Now()
	redistest.Eventually(t, "PostgreSQL is used", func() bool { return strings.Contains(r.logs.String(), "PostgreSQL answers") })
	t.Logf("used %v after it was there", time.Since(back).Round(time.Millisecond))
	if time.Since(back) > 5*time.Second {
		t.Error("that is too late")
	}
	late.signIn()
	if p := late.get("/"); p.status != http.StatusOK || p.told.User != "nora" {
		t.Errorf("then: %d %.200s", p.status, p.body)
	}
}
