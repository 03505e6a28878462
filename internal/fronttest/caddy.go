package fronttest

import (
	"os"
	"os/exec"
	"testing"
)

// Caddy asks with forward_auth.
func Caddy(t *testing.T, s Site) {
	t.Helper()
	path, dir := Installed(t, "caddy"), folder(t)
	site := "http://app.test:" + s.port() + " {\n\tbind 127.0.0.1\n"
	if s.Certificate != "" {
		site = "https://app.test:" + s.port() + " {\n\tbind 127.0.0.1\n\ttls " + s.Certificate + "/app.crt " + s.Certificate + "/app.key\n"
	}
	conf := "{\n\tadmin off\n\tauto_https off\n}\n" + s.config(t, Snippet(t, "caddy.md", "caddyfile"), "careplan.hospital.example {", site)
	cmd := exec.Command(path, "run", "--config", put(t, dir, "Caddyfile", conf), "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	s.run(t, dir, cmd)
}
