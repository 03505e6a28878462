package replicas

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"foregate/internal/redistest"
)

// balance starts an nginx that hands requests to the replicas in turn, and returns
// its address.
func (w *ward) balance() string {
	w.t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("CI") == "true" {
			w.t.Fatal("nginx is missing: run test/needs")
		}
		w.t.Skip("nginx is missing: run test/needs")
	}
	dir, addr := w.t.TempDir(), address(w.t)
	var servers strings.Builder
	for _, r := range w.replicas {
		fmt.Fprintf(&servers, "server %s max_fails=0;\n", r.addr)
	}
	conf := fmt.Sprintf(`
daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log; master_process off;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  upstream replicas { %[2]s }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto http;
      proxy_next_upstream error;
    }
  }
}`, dir, servers.String(), addr)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	redistest.Eventually(w.t, "nginx answers", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return addr
}

// TestFM20TwoReplicasBehindABalancer are one: whatever one of them begins or ends
// holds on the other within a second.
func TestFM20TwoReplicasBehindABalancer(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{replicas: 2, redis: single(redis), provider: true})
	front := w.balance()
	first, second := w.replicas[0], w.replicas[1]

	// Sign in through the balancer: page, form and callback meet different replicas.
	b := w.browser(front)
	if p := b.signInAtProvider(); p.told.User != "alice" {
		t.Fatalf("signing in through the balancer: %d at %s: %.300s", p.status, p.at, p.body)
	}
	for range 10 {
		b.in("alice")
	}

	// Begun on one, used on the other, ended on one.
	b = w.browser(first.addr)
	b.signIn()
	b.turn(second.addr).in("nora")
	b.turn(first.addr).in("nora")
	stolen := b.cookie()
	b.signOut()
	wantRefused(t, second, stolen)

	// The operator ends what the other replica has in memory.
	b = w.browser(second.addr)
	b.signIn()
	b.in("nora")
	if said := first.command("", "sessions", "revoke", "--user", "nora"); said != "1 sessions ended\n" {
		t.Errorf("said %q", said)
	}
	wantRefused(t, second, b.cookie())

	// A replica at a time is restarted: nobody notices.
	b = w.browser(front)
	b.signIn()
	for _, r := range w.replicas {
		r.stop()
		for range 10 {
			b.in("nora")
		}
		r.start()
	}
	for range 10 {
		b.in("nora")
	}
}

func TestFM20LockoutIsShared(t *testing.T) {
	redis := redistest.Start(t)
	w := open(t, options{replicas: 2, redis: single(redis)})
	b := w.browser(w.replicas[0].addr)
	for i := range 12 {
		b.turn(w.replicas[i%2].addr)
		form := b.get("/sso/start/local?rd=/")
		b.post("/sso/start/local", map[string][]string{"attempt": {hidden(form.body, "attempt")}, "rd": {"/"}, "username": {"nora"}, "password": {"wrong"}})
	}
	if p := b.signIn(); p.told.User != "" {
		t.Error("twelve wrong passwords at two replicas lock nobody out")
	}
}
