package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// keyPair writes a self-signed certificate and its key.
func keyPair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"careplan.hospital.example"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o644)
	write(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
}

func TestFM14FilesThatAreNamedMustBeUsable(t *testing.T) {
	dir := t.TempDir()
	keyPair(t, dir, "a")
	keyPair(t, dir, "b")
	write(t, dir, "logo.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`, 0o644)
	write(t, dir, "logo.png", "\x89PNG\r\n\x1a\n rest", 0o644)
	write(t, dir, "logo.txt", "no image", 0o644)
	for folder, text := range map[string]string{"pages": "Message", "wrong": "Mesage"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, folder), "problem.html", `{{define "content"}}{{.Page.`+text+`}}{{end}}`, 0o600)
	}
	write(t, dir, "large.png", "\x89PNG\r\n\x1a\n"+strings.Repeat("x", maxLogo), 0o644)
	https := func(pairs string) string {
		return least + "listen: {https: ':8443'}\ntls: {certificates: [" + pairs + "]}\n"
	}
	ca := func(name string) string {
		return strings.Replace(least, "http://127.0.0.1:9000", "https://a.example, ca: "+name, 1)
	}
	tests := []struct{ text, want string }{
		{https("{cert: a.crt, key: a.key}"), ""},
		{https("{cert: a.crt, key: a.key}, {cert: b.crt, key: b.key}"), ""},
		{https("{cert: a.crt, key: b.key}"), "10:29: tls.certificates[0].cert: is not a certificate with this key"},
		{https("{cert: a.key, key: a.key}"), "10:29: tls.certificates[0].cert: is not a certificate with this key"},
		{https("{cert: none, key: a.key}"), "10:29: tls.certificates[0].cert: the file cannot be read: no such file or directory"},
		{https("{cert: a.crt}"), "10:22: tls.certificates[0].key: is missing"},
		{https(""), "9:17: listen.https: there is no certificate for https"},
		{least + "tls: {certificates: [{cert: a.crt, key: a.key}]}\n", "9:7: tls.certificates: nothing would use the certificates"},
		{ca("a.crt"), ""},
		{ca("a.key"), "apps[0].upstream.ca: holds no certificate"},
		{ca("none"), "apps[0].upstream.ca: the file cannot be read"},
		{least + "    page: {logo: logo.svg}\n", ""},
		{least + "    page: {logo: logo.png}\n", ""},
		{least + "    page: {logo: ''}\n", ""},
		{least + "    page: {templates: pages}\n", ""},
		{least + "    page: {templates: wrong}\n", "9:23: apps[0].page.templates: has a fault: " + dir + "/wrong/problem.html:1:28: pages.Problem has no variable Mesage; see the variables in docs/pages.md — did you mean \"Message\"?"},
		{least + "    page: {logo: logo.txt}\n", "9:18: apps[0].page.logo: is not an image that browsers show"},
		{least + "    page: {logo: large.png}\n", "9:18: apps[0].page.logo: the file cannot be read: is larger than 100 KiB"},
	}
	for _, tt := range tests {
		_, err := Parse("x", []byte(tt.text), dir, kinds())
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s\n%v", tt.text, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// What is in the folder of templates is watched like what the file itself names.
func TestTemplatesAreWatched(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "problem.html", `{{define "content"}}{{.Page.Message}}{{end}}`, 0o600)
	f := mustParse(t, least+"    page: {templates: "+dir+"}\n")
	if !slices.Contains(f.Files, filepath.Join(dir, "problem.html")) {
		t.Errorf("files %v", f.Files)
	}
}
