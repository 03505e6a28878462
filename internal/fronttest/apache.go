package fronttest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Apache carries every request to Foregate, which carries it on: it does not ask. It has
// no certificate here.
func Apache(t *testing.T, s Site) {
	t.Helper()
	path, dir := Installed(t, "apache2"), folder(t)
	site := s.config(t, Snippet(t, "apache.md", "apache"), "*:443", s.Address, "careplan.hospital.example", "app.test", "  SSLEngine on\n", "",
		"  SSLCertificateFile    /etc/ssl/careplan.crt\n", "", "  SSLCertificateKeyFile /etc/ssl/careplan.key\n", "")
	conf := fmt.Sprintf("ServerRoot %[1]s\nPidFile %[1]s/pid\nErrorLog %[1]s/error.log\nDefaultRuntimeDir %[1]s\nServerName app.test\nListen %[2]s\n", dir, s.Address)
	if os.Getuid() == 0 { // its workers are somebody else
		conf += "User www-data\nGroup www-data\n"
	}
	for _, module := range []string{"mpm_event", "authz_core", "headers", "proxy", "proxy_http"} {
		conf += fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
	}
	s.run(t, dir, exec.Command(path, "-DFOREGROUND", "-f", put(t, dir, "apache.conf", conf+site)))
}
