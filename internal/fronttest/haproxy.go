package fronttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// HAProxy asks by deploy/haproxy/foregate.lua.
func HAProxy(t *testing.T, s Site) {
	t.Helper()
	path, dir := Installed(t, "haproxy"), folder(t)
	lua, err := filepath.Abs(filepath.Join(top, "deploy/haproxy/foregate.lua"))
	if err != nil {
		t.Fatal(err)
	}
	bind := "bind " + s.Address
	if s.Certificate != "" {
		bind += " ssl crt " + put(t, dir, "app.pem", read(t, s.Certificate, "app.crt")+read(t, s.Certificate, "app.key")) + " alpn h2,http/1.1"
	}
	conf := s.config(t, Snippet(t, "haproxy.md", "haproxy"), "/etc/haproxy/foregate.lua", lua, "bind :443 ssl crt /etc/haproxy/careplan.pem alpn h2,http/1.1", bind)
	s.run(t, dir, exec.Command(path, "-db", "-f", put(t, dir, "haproxy.cfg", conf)))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
