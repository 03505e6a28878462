package replicas

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"foregate/internal/pgtest"
	"foregate/internal/redistest"
)

// formulary is two Foregates, with Redis and PostgreSQL, before an application that is
// sent people's own names and passwords. It answers with them.
func formulary(t *testing.T) *ward {
	t.Helper()
	pg := new(pgtest.Server)
	t.Cleanup(pg.Stop)
	dsn, redis := pg.Database(t), redistest.Start(t)
	w := &ward{t: t, app: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		_ = json.NewEncoder(w).Encode(told{User: r.Header.Get("X-Forwarded-User"), Token: user + " " + secret})
	}))}
	t.Cleanup(w.app.Close)
	for range 2 {
		dir, err := os.MkdirTemp("", "fg")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		r := &replica{t: t, dir: dir, addr: address(t), admin: address(t)}
		r.write(fmt.Sprintf(`
listen: {http: %q, drain: 0s, admin: %q}
log: {level: debug, access: true}
storage: {path: ./data, redis: %s, postgres: %q}
session: {secrets: [%s]}
methods: [{name: local, local: {}}]
apps: [{name: formulary, hosts: [app.test], upstream: {url: %q, basic: {per_user: true}}, methods: [local]}]
`, r.addr, r.admin, single(redis), dsn, strings.Repeat("s", 40), w.app.URL))
		r.start()
		t.Cleanup(r.stop)
		w.replicas = append(w.replicas, r)
	}
	return w
}

// sends wants the application to be told a name and password, soon: a change holds on
// every replica within a second.
func (b *browser) sends(want string) {
	b.t.Helper()
	began := time.Now()
	for {
		p := b.get("/")
		if p.told.User == "nora" && p.told.Token == want {
			return
		}
		if time.Since(began) > time.Second {
			b.t.Fatalf("after a second the application is told %+v, want %q (status %d: %.300s)", p.told, want, p.status, p.body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestChangedLoginHoldsOnEveryReplica(t *testing.T) {
	w := formulary(t)
	first, second := w.replicas[0], w.replicas[1]
	first.command("", "accounts", "create", "--username", "nora")
	first.command(password, "accounts", "password", "nora")
	here, there := w.browser(first.addr), w.browser(second.addr)
	for _, b := range []*browser{here, there} {
		b.signIn()
		if p := b.get("/"); p.status != http.StatusForbidden || !strings.Contains(p.body, "/sso/account/application") {
			t.Fatalf("without one: %d %.300s", p.status, p.body)
		}
	}
	set := func(r *replica, secret string) {
		r.command(secret, "accounts", "login", "nora", "formulary", "--user", "NNIGHT")
	}
	set(first, "HT11-one")
	here.sends("NNIGHT HT11-one")
	there.sends("NNIGHT HT11-one")
	set(second, "HT11-two")
	here.sends("NNIGHT HT11-two")
	there.sends("NNIGHT HT11-two")

	// The person changes it on one replica, and both of her browsers go on.
	there.get("/sso/account/application")
	if p := there.post("/sso/account/application", url.Values{"app-user": {"nnight"}, "app-secret": {"HT11-three"}}); !strings.Contains(p.body, "are kept") {
		t.Fatalf("entered: %d %.300s", p.status, p.body)
	}
	here.sends("nnight HT11-three")
	there.sends("nnight HT11-three")

	first.command("", "accounts", "login", "nora", "formulary", "--remove")
	redistest.Eventually(t, "the other replica has none", func() bool { return there.get("/").status == http.StatusForbidden })
	if !strings.Contains(first.command("", "accounts", "audit"), "login_remove") {
		t.Error("the audit trail does not tell")
	}
	for _, r := range w.replicas {
		if said := r.logs.String(); strings.Contains(said, "HT11") || !strings.Contains(said, `"msg":"request"`) {
			t.Errorf("in the log:\n%s", said)
		}
	}
}
