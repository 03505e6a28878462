package certificates

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/google/go-cmp/cmp"

	"foregate/cookies"
	"foregate/cookies/redisstore"
	"foregate/internal/acmetest"
	"foregate/internal/redistest"
)

var secret = []byte("a session secret of the tests, 1")

func records(t *testing.T, server *redistest.Server) Records {
	t.Helper()
	s := redisstore.Open(redisstore.Config{Addresses: []string{server.Addr}, Prefix: "foregate:", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func vault(t *testing.T) cookies.Vault {
	t.Helper()
	v, err := cookies.NewVault([][]byte{secret}, "foregate certificates 1")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func replica(t *testing.T, server *redistest.Server) *shared {
	t.Helper()
	return newShared(records(t, server), vault(t), t.TempDir(), slog.New(slog.DiscardHandler))
}

// TestStorageContract: what replicas share behaves as certmagic's own files do.
func TestStorageContract(t *testing.T) {
	server := redistest.Start(t)
	for name, s := range map[string]certmagic.Storage{"files": &certmagic.FileStorage{Path: t.TempDir()}, "shared": replica(t, server)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := s.Load(ctx, "certificates/ca/a.example/a.example.crt"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("load of nothing: %v", err)
			}
			if _, err := s.Stat(ctx, "certificates"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("stat of nothing: %v", err)
			}
			if _, err := s.List(ctx, "certificates", true); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("list of nothing: %v", err)
			}
			if err := s.Delete(ctx, "certificates/nothing"); err != nil {
				t.Errorf("delete of nothing: %v", err)
			}
			for _, n := range []string{"certificates/ca/a.example/a.example.crt", "certificates/ca/a.example/a.example.key", "certificates/cab/b", "top"} {
				for _, value := range []string{"old", "of " + n} {
					if err := s.Store(ctx, n, []byte(value)); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := s.Load(ctx, n); err != nil || string(got) != "of "+n {
					t.Errorf("load %s: %q, %v", n, got, err)
				}
			}
			for n, want := range map[string]bool{"certificates": true, "certificates/ca": true, "certificates/c": false, "top": true, "other": false} {
				if s.Exists(ctx, n) != want {
					t.Errorf("exists %s: %v", n, !want)
				}
			}
			for _, c := range []struct {
				folder string
				deep   bool
				want   []string
			}{
				{"certificates", false, []string{"certificates/ca", "certificates/cab"}},
				{"certificates/ca", true, []string{"certificates/ca/a.example", "certificates/ca/a.example/a.example.crt", "certificates/ca/a.example/a.example.key"}},
			} {
				got, err := s.List(ctx, c.folder, c.deep)
				slices.Sort(got)
				if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
					t.Errorf("list %s: %v\n%s", c.folder, err, diff)
				}
			}
			if i, err := s.Stat(ctx, "top"); err != nil || !i.IsTerminal || i.Size != int64(len("of top")) || time.Since(i.Modified) > time.Minute {
				t.Errorf("stat of a file: %+v, %v", i, err)
			}
			if i, err := s.Stat(ctx, "certificates"); err != nil || i.IsTerminal {
				t.Errorf("stat of a folder: %+v, %v", i, err)
			}
			if err := s.Delete(ctx, "certificates/ca"); err != nil {
				t.Fatal(err)
			}
			if s.Exists(ctx, "certificates/ca/a.example/a.example.key") || !s.Exists(ctx, "certificates/cab/b") {
				t.Error("a deleted folder takes its files along, and no others")
			}
			inside, most := 0, 0
			var mu sync.Mutex
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if err := s.Lock(ctx, "one"); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
					mu.Lock()
					inside--
					mu.Unlock()
					if err := s.Unlock(ctx, "one"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if most != 1 {
				t.Errorf("%d had the lock at once", most)
			}
		})
	}
}

// TestRedisCannotReadKeys, nor give one for another.
func TestRedisCannotReadKeys(t *testing.T) {
	server := redistest.Start(t)
	s := replica(t, server)
	if err := s.Store(t.Context(), "certificates/a/a.key", []byte("PRIVATE KEY")); err != nil {
		t.Fatal(err)
	}
	key := recordKey("acme", "certificates/a/a.key")
	if raw := server.Do("GET", "foregate:r:{"+key+"}"); raw == "" || strings.Contains(raw, "PRIVATE") || strings.Contains(raw, "a.key") {
		t.Errorf("Redis has %q", raw)
	}
	moved := recordKey("acme", "certificates/b/b.key")
	server.Do("COPY", "foregate:r:{"+key+"}", "foregate:r:{"+moved+"}")
	if got, err := s.Load(t.Context(), "certificates/b/b.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a record that was moved: %q, %v", got, err)
	}
}

// TestLockOfADeadReplicaRunsOut, and the dead one, when it wakes, neither releases nor
// overwrites what another has by then.
func TestLockOfADeadReplicaRunsOut(t *testing.T) {
	server := redistest.Start(t)
	dead, alive := replica(t, server), replica(t, server)
	ctx := t.Context()
	if ok, err := dead.TryLock(ctx, "a"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := alive.TryLock(ctx, "a"); ok || err != nil {
		t.Fatalf("a lock that another has: %v, %v", ok, err)
	}
	short, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
	defer cancel()
	if err := alive.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that does not come in time: %v", err)
	}
	server.Do("DEL", "foregate:r:{"+recordKey("acme-lock", "a")+"}") // as it is after lockLife
	if ok, err := alive.TryLock(ctx, "a"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	redistest.Eventually(t, "the dead one learns of it", func() bool { return errors.Is(dead.fence(), errLost) })
	if err := dead.Store(ctx, "certificates/a", []byte("late")); !errors.Is(err, errLost) {
		t.Errorf("a late write: %v", err)
	}
	if err := dead.Unlock(ctx, "a"); err != nil {
		t.Error(err)
	}
	if ok, _ := replica(t, server).TryLock(ctx, "a"); ok {
		t.Error("a lost lock was released for who has it now")
	}
	if err := dead.Store(ctx, "certificates/a", []byte("fresh")); err != nil {
		t.Errorf("a write after the lost work was over: %v", err)
	}
	if err := alive.Unlock(ctx, "a"); err != nil {
		t.Error(err)
	}
	redistest.Eventually(t, "the lock is free", func() bool { ok, _ := dead.TryLock(ctx, "a"); return ok })
}

// TestLockIsProlonged for as long as the work takes.
func TestLockIsProlonged(t *testing.T) {
	server := redistest.Start(t)
	s := replica(t, server)
	if ok, err := s.TryLock(t.Context(), "a"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	key := "foregate:r:{" + recordKey("acme-lock", "a") + "}"
	first := strings.TrimSpace(server.Do("PEXPIRETIME", key))
	redistest.Eventually(t, "it is prolonged", func() bool { return strings.TrimSpace(server.Do("PEXPIRETIME", key)) > first })
	if err := s.Unlock(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// openTwo opens two replicas on one Redis, of which the authority asks the second alone.
func openTwo(t *testing.T, server *redistest.Server, a ACME, life time.Duration) (*acmetest.Authority, []*door) {
	t.Helper()
	asked, orders := a, a
	for _, r := range []*ACME{&asked, &orders} {
		r.HTTPAddress, r.HTTPSAddress, r.Folder = acmetest.Free(t), acmetest.Free(t), t.TempDir()
	}
	authority := acmetest.Start(t, asked.HTTPAddress, asked.HTTPSAddress, life)
	var doors []*door
	for _, r := range []ACME{orders, asked} {
		r.Directory, r.CA, r.Records, r.Seals = authority.Directory, authority.CA, records(t, server), vault(t)
		d := openDoor(t, r)
		if err := d.Use(nil, []string{"app.acme.test"}); err != nil {
			t.Fatal(err)
		}
		doors = append(doors, d)
	}
	return authority, doors
}

// TestFM17ReplicasRenewTogetherUnderLoad: one order for each certificate, the same one on
// both, and no handshake fails.
func TestFM17ReplicasRenewTogetherUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	authority, doors := openTwo(t, server, ACME{HTTP: true, TLS: true, look: time.Second}, 30*time.Second)
	for _, d := range doors {
		if err := d.Begin(); err != nil {
			t.Fatal(err)
		}
	}
	roots := authority.Roots()
	first := doors[0].await(t, "app.acme.test", roots, nil)
	doors[1].await(t, "app.acme.test", roots, nil)
	ends := []func() (int64, int64){doors[0].load(roots), doors[1].load(roots)}
	second := doors[0].await(t, "app.acme.test", roots, first)
	if other := doors[1].await(t, "app.acme.test", roots, first); !other.Equal(second) {
		t.Error("the replicas show different certificates")
	}
	orders := authority.Orders()
	var made, failed int64
	for _, end := range ends {
		m, f := end()
		made, failed = made+m, failed+f
	}
	t.Logf("renewed under %d handshakes with two replicas, %d failed; %d orders", made, failed, orders)
	if failed > 0 || orders != 2 {
		t.Errorf("%d handshakes failed; %d orders, want 2", failed, orders)
	}
}

// TestReplicasShareOneOrder: the authority sees one order, and asks the replica that did
// not make it.
func TestReplicasShareOneOrder(t *testing.T) {
	for name, a := range map[string]ACME{"http-01": {HTTP: true}, "tls-alpn-01": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			authority, doors := openTwo(t, server, a, time.Hour)
			for _, d := range doors { // both listen by now
				if err := d.Begin(); err != nil {
					t.Fatal(err)
				}
				if d == doors[0] {
					redistest.Eventually(t, "the first one has the lock", func() bool {
						return strings.Contains(server.Do("KEYS", "foregate:r:{acme-lock:*"), "acme-lock")
					})
				}
			}
			one := doors[0].await(t, "app.acme.test", authority.Roots(), nil)
			if two := doors[1].await(t, "app.acme.test", authority.Roots(), nil); !two.Equal(one) {
				t.Error("the replicas show different certificates")
			}
			if n := authority.Orders(); n != 1 {
				t.Errorf("%d orders, want 1", n)
			}
		})
	}
}

// TestWithoutRedisTheCopyIsShown after a start, and a host without one does not keep
// Foregate from starting: it gets its certificate when Redis is back.
func TestWithoutRedisTheCopyIsShown(t *testing.T) {
	server := redistest.Start(t)
	a := ACME{HTTP: true, TLS: true, HTTPAddress: acmetest.Free(t), HTTPSAddress: acmetest.Free(t), Folder: t.TempDir()}
	authority := acmetest.Start(t, a.HTTPAddress, a.HTTPSAddress, time.Hour)
	a.Directory, a.CA, a.Seals = authority.Directory, authority.CA, vault(t)
	roots := authority.Roots()
	t.Run("ordered", func(t *testing.T) {
		a := a
		a.Records = records(t, server)
		d := openDoor(t, a)
		if err := d.Use(nil, []string{"app.acme.test"}); err != nil {
			t.Fatal(err)
		}
		if err := d.Begin(); err != nil {
			t.Fatal(err)
		}
		d.await(t, "app.acme.test", roots, nil)
	})
	copies, err := filepath.Glob(filepath.Join(a.Folder, "certificates/*/*/*.key"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies %v, %v", copies, err)
	}
	if info, err := os.Stat(copies[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy may be read by others: %v, %v", info, err)
	}
	server.Kill()
	a.Records = records(t, server)
	d := openDoor(t, a)
	if err := d.Use(nil, []string{"app.acme.test", "new.acme.test"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Begin(); err != nil {
		t.Fatal(err)
	}
	d.await(t, "app.acme.test", roots, nil)
	server.Restart()
	d.await(t, "new.acme.test", roots, nil)
}

func TestCopiesAreOfCertificatesAlone(t *testing.T) {
	server := redistest.Start(t)
	s := replica(t, server)
	for _, n := range []string{"certificates/a/a.crt", "acme/ca/challenge_tokens/a.json"} {
		if err := s.Store(t.Context(), n, []byte(rand.Text())); err != nil {
			t.Fatal(err)
		}
	}
	local := s.local.(*certmagic.FileStorage)
	if !local.Exists(t.Context(), "certificates/a/a.crt") || local.Exists(t.Context(), "acme") {
		t.Error("not the certificate alone is kept on this machine")
	}
	want, _ := s.Load(t.Context(), "certificates/a/a.crt")
	server.Kill()
	if got, err := s.Load(t.Context(), "certificates/a/a.crt"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("load while Redis is down: %q, %v", got, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Load(short, "certificates/b/b.crt"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not known while Redis is down is said to be missing: %v", err)
	}
}
