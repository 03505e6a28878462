package gate

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"foregate/internal/acmetest"
)

// TestAnAuthorityGivesTheCertificate of a host that no file is for, while files serve the
// others.
func TestAnAuthorityGivesTheCertificate(t *testing.T) {
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
