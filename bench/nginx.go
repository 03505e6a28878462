package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// startNginx starts an nginx that only forwards, with the connections to the
// upstream kept alive.
func (s *stand) startNginx() (*process, error) {
	binary, err := exec.LookPath(s.nginxPath)
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "nginx-prefix")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConfig(dir, addr, s.upstream)), 0o600); err != nil {
		return nil, err
	}
	p, err := s.launch(s.proxyCore, nameNginx, nil, binary, "-p", dir, "-e", "stderr", "-c", conf)
	if err != nil {
		return nil, err
	}
	p.addrs = []string{addr}
	return p, s.answering(p, addr)
}

// nginxConfig has one worker, no log, and nothing that touches the disk.
func nginxConfig(dir, listen, upstream string) string {
	var temp strings.Builder
	for _, use := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "  %s_temp_path %s;\n", use, filepath.Join(dir, use))
	}
	return fmt.Sprintf(`daemon off;
worker_processes 1;
pid %s;
events { worker_connections 4096; }
http {
  access_log off;
%s  proxy_max_temp_file_size 0;
  keepalive_requests 100000000;
  upstream app {
    server %s;
    keepalive 1024;
    keepalive_requests 100000000;
  }
  server {
    listen %s;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
  }
}
`, filepath.Join(dir, "pid"), temp.String(), upstream, listen)
}
