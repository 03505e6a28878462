package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foregate/internal/acmetest"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// door is a Keeper behind real listeners, as Foregate has them.
type door struct {
	*Keeper
	https string
	log   *logged
}

func openDoor(t *testing.T, a ACME) *door {
	t.Helper()
	d := &door{https: a.HTTPSAddress, log: new(logged)}
	var err error
	if d.Keeper, err = New(slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})), &a); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	for addr, secure := range map[string]bool{a.HTTPAddress: false, a.HTTPSAddress: true} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: d.Challenges(hello), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
		if secure {
			l = tls.NewListener(l, d.Config())
		}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
	}
	return d
}

// show is the certificate that a browser is shown, if it believes it.
func (d *door) show(host string, roots *x509.CertPool) (*x509.Certificate, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", d.https, &tls.Config{ServerName: host, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// await waits until a certificate is shown that differs from before.
func (d *door) await(t *testing.T, host string, roots *x509.CertPool, before *x509.Certificate) *x509.Certificate {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := d.show(host, roots)
		if err == nil && (before == nil || !c.Equal(before)) {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("no certificate: %v\n%s", err, d.log.String())
		}
	}
}

func TestCertificateIsOrderedByEitherChallenge(t *testing.T) {
	for name, a := range map[string]ACME{"http-01": {HTTP: true}, "tls-alpn-01": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			a.HTTPAddress, a.HTTPSAddress, a.Folder = acmetest.Free(t), acmetest.Free(t), filepath.Join(t.TempDir(), "acme")
			authority := acmetest.Start(t, a.HTTPAddress, a.HTTPSAddress, time.Hour)
			a.Directory, a.CA = authority.Directory, authority.CA
			d := openDoor(t, a)
			if err := d.Use(nil, []string{"app.acme.test", "192.0.2.1"}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := d.Begin(); err != nil {
				t.Fatal(err)
			}
			d.await(t, "app.acme.test", authority.Roots(), nil)
			t.Logf("ordered and shown after %s", time.Since(began).Round(10*time.Millisecond))
			if _, err := d.show("other.acme.test", authority.Roots()); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("a host that is not configured: %v", err)
			}
			if ends := d.Ordered(); len(ends) != 1 || time.Until(ends["app.acme.test"]) < 30*time.Minute {
				t.Errorf("ends %v", ends)
			}
			err := filepath.WalkDir(a.Folder, func(path string, e os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s may be read by others", path)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFM17CertificateIsRenewedUnderLoad, and no handshake fails.
func TestFM17CertificateIsRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	a := ACME{HTTP: true, TLS: true, HTTPAddress: acmetest.Free(t), HTTPSAddress: acmetest.Free(t), Folder: t.TempDir(), look: time.Second}
	authority := acmetest.Start(t, a.HTTPAddress, a.HTTPSAddress, 15*time.Second)
	a.Directory, a.CA = authority.Directory, authority.CA
	d := openDoor(t, a)
	if err := d.Use(nil, []string{"app.acme.test"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Begin(); err != nil {
		t.Fatal(err)
	}
	roots := authority.Roots()
	first := d.await(t, "app.acme.test", roots, nil)
	end := d.load(roots)
	second := d.await(t, "app.acme.test", roots, first)
	d.await(t, "app.acme.test", roots, second)
	made, failed := end()
	if failed > 0 {
		t.Errorf("%d of %d handshakes failed", failed, made)
	}
	t.Logf("renewed twice under %d handshakes, %d failed", made, failed)
}

// load keeps shaking hands until it is ended.
func (d *door) load(roots *x509.CertPool) (end func() (made, failed int64)) {
	var all, bad atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				all.Add(1)
				if _, err := d.show("app.acme.test", roots); err != nil {
					bad.Add(1)
				}
			}
		})
	}
	return func() (made, failed int64) {
		close(stop)
		clients.Wait()
		return all.Load(), bad.Load()
	}
}

// TestFM17WithoutTheAuthorityTheOldOneIsShown, also after a restart.
func TestFM17WithoutTheAuthorityTheOldOneIsShown(t *testing.T) {
	a := ACME{HTTP: true, TLS: true, HTTPAddress: acmetest.Free(t), HTTPSAddress: acmetest.Free(t), Folder: t.TempDir()}
	var roots *x509.CertPool
	t.Run("ordered", func(t *testing.T) {
		authority := acmetest.Start(t, a.HTTPAddress, a.HTTPSAddress, time.Hour)
		a.Directory, a.CA = authority.Directory, filepath.Join(a.Folder, "ca.pem")
		text, err := os.ReadFile(authority.CA)
		if err == nil {
			err = os.WriteFile(a.CA, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		d := openDoor(t, a)
		if err := d.Use(nil, []string{"app.acme.test"}); err != nil {
			t.Fatal(err)
		}
		if err := d.Begin(); err != nil {
			t.Fatal(err)
		}
		roots = authority.Roots()
		d.await(t, "app.acme.test", roots, nil)
	})
	d := openDoor(t, a) // the authority is gone
	if err := d.Use(nil, []string{"app.acme.test", "new.acme.test"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := d.Begin(); err != nil {
		t.Fatal(err)
	}
	d.await(t, "app.acme.test", roots, nil)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("shown after %s: the start waited for the authority", took)
	}
	if _, err := d.show("new.acme.test", roots); err == nil {
		t.Error("a certificate from nowhere")
	}
}
