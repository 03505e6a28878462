package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"foregate/authn/authntest"
)

// fixed are keys that are the same in every process of a fuzzer, and take no time
// to make: the provider's, and ours.
var (
	fixedIdP = sync.OnceValue(func() pair {
		k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
		must(err)
		return newPair(k, time.Now())
	})
	fixedSP = sync.OnceValue(func() pair {
		text, err := os.ReadFile("testdata/sp.pem")
		must(err)
		block, _ := pem.Decode(text)
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		must(err)
		return newPair(k.(*rsa.PrivateKey), time.Now())
	})
)

// FuzzAnswer changes answers of which some are signed. Whatever is read is about
// alice: nobody signed anything about anybody else.
func FuzzAnswer(f *testing.F) {
	now := time.Now()
	how := gcm256
	how.to = fixedSP
	seal := func(plain string) string { return encrypted(plain, how) }
	for _, c := range []forge{
		{}, {signAssertion: true}, {signResponse: true}, {unsigned: true}, {encrypt: seal}, {signAssertion: true, encrypt: seal},
	} {
		c.signers.assertion, c.signers.response = fixedIdP(), fixedIdP()
		c.now, c.request = now, "_r"
		f.Add([]byte(c.build()))
	}
	for _, wrap := range xsw {
		c := forge{now: now, request: "_r", after: wrap}
		c.signers.assertion, c.signers.response = fixedIdP(), fixedIdP()
		f.Add([]byte(c.build()))
	}
	keys := ownKeys{{fixedSP().key.(*rsa.PrivateKey), fixedSP().cert}}
	m := &Method{cfg: (&Config{InsecureCBC: true}).filled(), keys: keys, log: slog.New(slog.DiscardHandler), now: time.Now}
	signers := []signer{{fixedIdP().cert}}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := m.read(text, signers)
		if err != nil {
			return
		}
		_ = got.check(expected{audience: ourEntity, acs: ourACS, request: "_r", issuer: idpEntity}, now, 4*time.Minute)
		if id := got.assertion.Subject; id == nil || id.NameID == nil || id.NameID.Value != "alice" {
			t.Fatalf("read %+v", got.assertion)
		}
	})
}

func FuzzQuery(f *testing.F) {
	now := time.Now()
	f.Add(byRedirect(fixedIdP(), "SAMLRequest", logoutText(requestText, now), "back"))
	f.Add(byRedirect(fixedIdP(), "SAMLResponse", logoutText(responseText, now), ""))
	signers := []signer{{fixedIdP().cert}}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := receiveQuery(raw)
		if err != nil || c.query.verify(signers) != nil {
			return
		}
		if v, err := url.ParseQuery(raw); err != nil || len(v["SAMLRequest"])+len(v["SAMLResponse"]) != 1 || v.Get(c.parameter) == "" || v.Get("RelayState") != c.relay {
			t.Fatalf("another reader sees something else in %q", raw)
		}
		if s := string(c.text); !strings.Contains(s, ">alice<") && !strings.Contains(s, statusSuccess) {
			t.Fatalf("verified %q", c.text)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(idpMetadata("", fixedIdP())))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="` + nsMetadata + `">` + idpMetadata("", fixedIdP()) + `</md:EntitiesDescriptor>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := readMetadata(text, "", nil, false, time.Now(), false)
		if err != nil {
			return
		}
		for _, list := range []map[string]string{p.sso, p.slo, p.sloResponse} {
			for _, address := range list {
				if err := checkAddress(address, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(p.certs) == 0 || p.entityID == "" {
			t.Fatalf("%+v", p)
		}
	})
}

// FuzzPosted gives the way in what a stranger may post.
func FuzzPosted(f *testing.F) {
	f.Add("SAMLResponse=PHg%2BPC94Pg%3D%3D&RelayState=x")
	f.Add("SAMLRequest=PHg%2BPC94Pg%3D%3D")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		r := authntest.Post(form)
		if c, err := receive(r); err == nil && len(c.text) > maxMessage*2 {
			t.Fatalf("%d bytes", len(c.text))
		}
		r.Method = http.MethodGet
		_, _ = receive(r)
	})
}
