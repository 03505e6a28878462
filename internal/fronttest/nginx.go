package fronttest

import (
	"fmt"
	"os/exec"
	"testing"
)

// Nginx asks with auth_request.
func Nginx(t *testing.T, s Site) {
	t.Helper()
	path, dir := Installed(t, "nginx"), folder(t)
	listen := []string{"listen 443 ssl", "listen " + s.Address + " ssl", "/etc/nginx/careplan", s.Certificate + "/app"}
	if s.Certificate == "" {
		listen = []string{"listen 443 ssl", "listen " + s.Address, "  ssl_certificate     /etc/nginx/careplan.crt;\n", "", "  ssl_certificate_key /etc/nginx/careplan.key;\n", ""}
	}
	server := s.config(t, Snippet(t, "nginx.md", "nginx"), append(listen, "careplan.hospital.example", "app.test")...)
	s.run(t, dir, NginxServer(t, path, dir, server))
}

// NginxServer is the command of an nginx with one server, all of whose files are in dir.
func NginxServer(t *testing.T, path, dir, server string) *exec.Cmd {
	t.Helper()
	conf := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", dir, server)
	return exec.Command(path, "-c", put(t, dir, "nginx.conf", conf))
}
