package fronttest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Traefik runs one if there is one, and says whether it does.
func Traefik(t *testing.T, s Site) bool {
	t.Helper()
	path := wheel(t, "traefik", "bin/traefik")
	if path == "" {
		return false
	}
	dir := folder(t)
	static, dynamic := Snippet(t, "traefik.md", "traefik-static"), Snippet(t, "traefik.md", "traefik")
	if s.Certificate == "" {
		dynamic = s.config(t, dynamic, "      tls: {}\n", "", "tls: {certificates: [{certFile: /etc/traefik/careplan.crt, keyFile: /etc/traefik/careplan.key}]}\n", "")
	} else {
		dynamic = s.config(t, dynamic, "/etc/traefik/careplan", s.Certificate+"/app")
	}
	dynamic = s.config(t, dynamic, "careplan.hospital.example", "app.test")
	static = s.config(t, static, `":443"`, fmt.Sprintf("%q", s.Address), "/etc/traefik/careplan.yml", put(t, dir, "careplan.yml", dynamic))
	static += "global: {checkNewVersion: false, sendAnonymousUsage: false}\nlog: {level: WARN}\n"
	s.run(t, dir, exec.Command(path, "--configfile="+put(t, dir, "traefik.yml", static)))
	s.routed(t)
	return true
}

// routed waits until Traefik, which listens before it has read its routes, has them.
func (s Site) routed(t *testing.T) {
	t.Helper()
	scheme := "http://"
	if s.Certificate != "" {
		scheme = "https://"
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // whoever it is, only whether it has routes is asked
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+s.Address+"/sso/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "app.test"
		answer, err := transport.RoundTrip(r)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") { // of Traefik's own 404
			return
		}
	}
	t.Fatal("Traefik has no routes")
}
