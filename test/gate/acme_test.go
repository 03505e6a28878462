package gate

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foregate/internal/acmetest"
	"foregate/internal/redistest"
)

// TestAnAuthorityGivesTheCertificate of a host that no file is for, while files serve the
// others.
func TestAnAuthorityGivesTheCertificate(t *testing.T) {
	t.Parallel()
	f := start(t, options{tls: true})
	authority := acmetest.Start(t, f.addr, f.https, time.Hour)
	f.edit(func(yaml string) string {
		yaml = strings.Replace(yaml, "tls: {", fmt.Sprintf("tls: {acme: {directory: %q, ca: %q}, ", authority.Directory, authority.CA), 1)
		return strings.Replace(yaml, "hosts: [app.test]", "hosts: [app.test, app.acme.test]", 1)
	})
	f.restart()
	roots := authority.Roots()
	until(t, "the certificate is shown", func() bool {
		conn, err := tls.Dial("tcp", f.https, &tls.Config{ServerName: "app.acme.test", RootCAs: roots})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	if f.shown("app.test") == f.shown("app.acme.test") {
		t.Error("the host with a file is shown the ordered one")
	}
	if answer := f.raw("GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"); statusOf(answer) != 308 {
		t.Errorf("a challenge that nobody has set is answered %.60q", answer)
	}
}

// TestFM17TwoProcessesShareOneOrder through Redis: each comes up with the certificate that
// one of them has ordered, and so does a third that starts later.
func TestFM17TwoProcessesShareOneOrder(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := options{tls: true, session: fmt.Sprintf(", secrets: [{file: %q}]", secret)}
	first, second := start(t, shared), start(t, shared)
	authority := acmetest.Start(t, second.addr, second.https, time.Hour)
	order := func(yaml string) string {
		yaml = strings.Replace(yaml, "tls: {", fmt.Sprintf("tls: {acme: {directory: %q, ca: %q}, ", authority.Directory, authority.CA), 1)
		yaml = strings.Replace(yaml, "path: ./data}", fmt.Sprintf("path: ./data, redis: {addresses: [%q]}}", redis.Addr), 1)
		return strings.Replace(yaml, "hosts: [app.test]", "hosts: [app.test, app.acme.test]", 1)
	}
	roots := authority.Roots()
	show := func(f *foregate) (serial string) {
		until(t, "the certificate is shown", func() bool {
			conn, err := tls.Dial("tcp", f.https, &tls.Config{ServerName: "app.acme.test", RootCAs: roots})
			if err != nil {
				return false
			}
			defer conn.Close()
			serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
			return true
		})
		return serial
	}
	for _, f := range []*foregate{second, first} { // the one that the authority asks is there first
		f.edit(order)
		f.restart()
	}
	serial := show(first)
	if other := show(second); other != serial {
		t.Error("the two show different certificates")
	}
	if n := authority.Orders(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	third := start(t, shared)
	third.edit(order)
	third.restart()
	if other := show(third); other != serial || authority.Orders() != 1 {
		t.Error("one that comes later does not show the same certificate")
	}
}
