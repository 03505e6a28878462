package proxy

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"foregate/internal/certtest"
)

func byteSequence(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }

// nginxEscaped is as nginx writes $ssl_client_escaped_cert.
func nginxEscaped(der []byte) string {
	return strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), "+", "%20")
}

func TestCertificateInAHeader(t *testing.T) {
	ca := certtest.New(t, "Staff CA")
	ward := ca.Below("Ward CA")
	alice := ward.Person("Alice", "alice@hospital.example").Certificate[0]
	one, two := byteSequence(ward.Cert.Raw), byteSequence(ca.Cert.Raw)
	for what, tt := range map[string]struct {
		h    http.Header
		want int // certificates; -1 for an error
	}{
		"nothing":               {http.Header{}, 0},
		"empty":                 {http.Header{"Client-Cert": {""}}, 0},
		"an empty sequence":     {http.Header{"Client-Cert": {"::"}}, 0},
		"RFC 9440":              {http.Header{"Client-Cert": {byteSequence(alice)}}, 1},
		"with its chain":        {http.Header{"Client-Cert": {byteSequence(alice)}, "Client-Cert-Chain": {one + ", " + two}}, 3},
		"a chain of two lines":  {http.Header{"Client-Cert": {byteSequence(alice)}, "Client-Cert-Chain": {one, two}}, 3},
		"nginx":                 {http.Header{"Client-Cert": {nginxEscaped(alice)}}, 1},
		"another spelling":      {http.Header{"Client_cert": {byteSequence(alice)}}, 0},
		"a chain alone":         {http.Header{"Client-Cert-Chain": {one}}, 0},
		"twice":                 {http.Header{"Client-Cert": {byteSequence(alice), byteSequence(alice)}}, -1},
		"two in one":            {http.Header{"Client-Cert": {byteSequence(alice) + ", " + byteSequence(alice)}}, -1},
		"with a parameter":      {http.Header{"Client-Cert": {byteSequence(alice) + ";a=1"}}, -1},
		"no end":                {http.Header{"Client-Cert": {byteSequence(alice)[:99]}}, -1},
		"a colon":               {http.Header{"Client-Cert": {":"}}, -1},
		"bare base64":           {http.Header{"Client-Cert": {base64.StdEncoding.EncodeToString(alice)}}, -1},
		"more after it":         {http.Header{"Client-Cert": {byteSequence(append(alice[:len(alice):len(alice)], 0))}}, -1},
		"64 kB":                 {http.Header{"Client-Cert": {":" + strings.Repeat("A", 64<<10) + ":"}}, -1},
		"two in PEM":            {http.Header{"Client-Cert": {nginxEscaped(alice) + nginxEscaped(ward.Cert.Raw)}}, -1},
		"something before PEM":  {http.Header{"Client-Cert": {"x%0A" + nginxEscaped(alice)}}, -1},
		"a bad chain":           {http.Header{"Client-Cert": {byteSequence(alice)}, "Client-Cert-Chain": {one + ",," + two}}, -1},
		"a long chain":          {http.Header{"Client-Cert": {byteSequence(alice)}, "Client-Cert-Chain": {strings.Repeat(one+",", 10) + one}}, -1},
		"a cut-off certificate": {http.Header{"Client-Cert": {byteSequence(alice[:200])}}, -1},
		"a key in PEM":          {http.Header{"Client-Cert": {url.PathEscape("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}}, -1},
		"a bad escape":          {http.Header{"Client-Cert": {"-----BEGIN%2"}}, -1},
		"what is a line break":  {http.Header{"Client-Cert": {":\r\n" + byteSequence(alice)[1:]}}, -1},
	} {
		got, err := certificateIn(tt.h, "Client-Cert")
		if (err != nil) != (tt.want < 0) || err == nil && len(got) != tt.want {
			t.Errorf("%s: %d certificates, %v; want %d", what, len(got), err, tt.want)
		}
		if err == nil && tt.want > 0 && string(got[0].Raw) != string(alice) {
			t.Errorf("%s: another certificate", what)
		}
	}
}

// FuzzCertificateInAHeader: what a header holds is a certificate, octet for octet, or an
// error.
func FuzzCertificateInAHeader(f *testing.F) {
	const small = "MIIBLTCB1KADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMTAkNBMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowDTELMAkGA1UEAxMCQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ="
	der, _ := base64.StdEncoding.DecodeString(small)
	f.Add(":"+small+":", "")
	f.Add(":"+small+":", ":"+small+":, :"+small+":")
	f.Add(nginxEscaped(der), "")
	f.Add("::", ",")
	f.Add("-----BEGIN CERTIFICATE-----%0A%0A-----END CERTIFICATE-----%0A", ":::")
	f.Fuzz(func(t *testing.T, one, chain string) {
		got, err := certificateIn(http.Header{"Client-Cert": {one}, "Client-Cert-Chain": {chain}}, "Client-Cert")
		switch {
		case err != nil && got != nil:
			t.Fatal("both certificates and an error")
		case len(got) > 1+maxBetween:
			t.Fatalf("%d certificates", len(got))
		case len(got) > 0 && one[0] == ':' && one != byteSequence(got[0].Raw):
			t.Fatalf("%q is read as another", one)
		}
	})
}
