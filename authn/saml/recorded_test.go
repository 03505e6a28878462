package saml

import (
	"crypto/rsa"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// Answers that npm samlp 8.0.0 made, encrypted with AES-256-GCM for testdata/sp.pem:
// what another program takes GCM and OAEP to be.
func TestRecordedAnswersOfAnotherProgram(t *testing.T) {
	certs, err := loadCertificates("testdata/samlp.crt")
	if err != nil {
		t.Fatal(err)
	}
	m := &Method{
		cfg: (&Config{Attributes: Attributes{User: []string{nameID}}}).filled(), name: "samlp",
		keys: ownKeys{{fixedSP().key.(*rsa.PrivateKey), fixedSP().cert}}, log: slog.New(slog.DiscardHandler), now: time.Now,
	}
	for name, signed := range map[string]bool{"testdata/samlp-assertion-signed.xml": false, "testdata/samlp-both-signed.xml": true} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := m.read(text, signersAt(certs, certs[0].NotBefore, false))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := expected{audience: ourEntity, acs: ourACS, request: a.response.InResponseTo, issuer: "http://127.0.0.1:18983/idp"}
		if err := a.check(want, a.response.IssueInstant.Add(time.Second), time.Minute); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.responseSigned != signed {
			t.Errorf("%s: response signed: %v", name, a.responseSigned)
		}
		id, err := m.identity(a, new(provider), nil)
		if err != nil || id.Subject != "alice" || id.User != "alice" {
			t.Errorf("%s: %+v %v", name, id, err)
		}
		if _, err := m.read([]byte(strings.Replace(string(text), `Version="2.0"`, `Version="2.1"`, 1)), signersAt(certs, certs[0].NotBefore, false)); signed && err == nil {
			t.Errorf("%s: read although it was changed", name)
		}
	}
}
