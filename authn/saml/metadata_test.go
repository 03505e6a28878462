package saml

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestOurMetadata(t *testing.T) {
	c := &Config{
		Keys:    []KeyPair{ownPair(t, spKeys()), ownPair(t, spOlderKeys())},
		Contact: "it@hospital.example", NameIDFormat: "persistent",
	}
	m := openFor(t, c, newClock(), nil)
	doc, err := m.Publish("https://trial.example:8443/sso")
	if err != nil || doc.Type != "application/samlmetadata+xml" {
		t.Fatalf("%+v %v", doc, err)
	}
	root, err := parse(doc.Body, metadataLimits)
	if err != nil {
		t.Fatal(err)
	}
	sp := child0(root, "SPSSODescriptor")
	if attr(root, "entityID") != "https://trial.example:8443/sso/metadata" || attr(root, "validUntil") != "" ||
		attr(sp, "AuthnRequestsSigned") != "true" || attr(sp, "WantAssertionsSigned") != "true" {
		t.Errorf("%s", doc.Body)
	}
	count := make(map[string]int)
	var order []string
	for _, e := range sp.ChildElements() {
		count[e.Tag+attr(e, "use")]++
		if len(order) == 0 || order[len(order)-1] != e.Tag {
			order = append(order, e.Tag)
		}
	}
	if count["KeyDescriptorsigning"] != 2 || count["KeyDescriptorencryption"] != 2 || count["SingleLogoutService"] != 2 || count["AssertionConsumerService"] != 1 {
		t.Errorf("%v", count)
	}
	// The schema is a sequence.
	if got := strings.Join(order, " "); got != "KeyDescriptor SingleLogoutService NameIDFormat AssertionConsumerService" {
		t.Errorf("order is %s", got)
	}
	if acs := child0(sp, "AssertionConsumerService"); attr(acs, "Location") != "https://trial.example:8443/sso/acs" || attr(acs, "Binding") != uriPost {
		t.Errorf("ACS %v", acs.Attr)
	}
	for _, e := range sp.FindElements("./KeyDescriptor/EncryptionMethod") {
		if uri := attr(e, "Algorithm"); strings.Contains(uri, "cbc") || strings.Contains(uri, "1_5") || contentCiphers[uri].key == 0 && uri != oaepMGF1P && uri != oaep11 {
			t.Errorf("offers %s, which is not accepted", uri)
		}
	}
	if mail := root.FindElement("./ContactPerson/EmailAddress"); mail.Text() != "mailto:it@hospital.example" {
		t.Errorf("contact %v", mail.Text())
	}
}

func TestOurMetadataWithoutKeysOffersNothingThatNeedsThem(t *testing.T) {
	m := openFor(t, &Config{EntityID: "urn:careplan"}, newClock(), nil)
	doc, err := m.Publish(ourBase)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(doc.Body); strings.Contains(s, "KeyDescriptor") || strings.Contains(s, "SingleLogout") || !strings.Contains(s, `AuthnRequestsSigned="false"`) || !strings.Contains(s, `entityID="urn:careplan"`) {
		t.Errorf("%s", s)
	}
}

// idpMetadata describes a provider that signs with certs.
func idpMetadata(attributes string, certs ...pair) string {
	var b strings.Builder
	b.WriteString(`<md:EntityDescriptor xmlns:md="` + nsMetadata + `" xmlns:ds="` + nsSignature + `" ID="_md" entityID="` + idpEntity + `" ` + attributes + `><!-- made by hand --><md:IDPSSODescriptor protocolSupportEnumeration="` + nsProtocol + `">`)
	for _, p := range certs {
		b.WriteString(`<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(p.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`)
	}
	b.WriteString(`<md:SingleLogoutService Binding="` + uriRedirect + `" Location="https://idp.hospital.example/slo" ResponseLocation="https://idp.hospital.example/slo/response"/>`)
	b.WriteString(`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.hospital.example/soap"/><md:SingleSignOnService Binding="` + uriRedirect + `" Location="https://idp.hospital.example/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`)
	return b.String()
}

func signedMetadata(p pair, text string) string {
	el := element(text)
	signWith(p, el, "")
	return xmlOf(el)
}

func TestProviderByMetadata(t *testing.T) {
	p, err := readMetadata([]byte(idpMetadata("", idpKeys(), otherKeys())), "", nil, false, time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	if p.entityID != idpEntity || len(p.certs) != 2 || p.sso[bindingRedirect] != "https://idp.hospital.example/sso" || p.sso[bindingPost] != "" {
		t.Errorf("%+v", p)
	}
	if b, address := p.signOff(bindingPost, true); b != bindingRedirect || address != "https://idp.hospital.example/slo/response" {
		t.Errorf("answers go %s to %s", b, address)
	}
	if b, address := p.signOn(bindingPost); b != bindingRedirect || address != "https://idp.hospital.example/sso" {
		t.Errorf("requests go %s to %s", b, address)
	}
}

func TestOneOfSeveralProvidersInMetadata(t *testing.T) {
	one := idpMetadata("", idpKeys())
	other := strings.NewReplacer(idpEntity, "https://idp.st-elsewhere.example", `ID="_md"`, `ID="_other"`).Replace(one)
	aggregate := `<md:EntitiesDescriptor xmlns:md="` + nsMetadata + `"><md:EntitiesDescriptor>` + one + `</md:EntitiesDescriptor>` + other + `</md:EntitiesDescriptor>`
	p, err := readMetadata([]byte(aggregate), idpEntity, nil, false, time.Now(), false)
	if err != nil || p.entityID != idpEntity {
		t.Errorf("%+v %v", p, err)
	}
	for _, name := range []string{"", "https://nobody.example"} {
		if _, err := readMetadata([]byte(aggregate), name, nil, false, time.Now(), false); err == nil {
			t.Errorf("%q: which provider was taken?", name)
		}
	}
}

func TestSM16(t *testing.T) {
	now := time.Now()
	past, future := `validUntil="`+stamp(now.Add(-time.Minute))+`"`, `validUntil="`+stamp(now.Add(time.Hour))+`"`
	signers := []signer{{otherKeys().cert}}
	change := func(from, to string) string {
		s := idpMetadata("", idpKeys())
		if !strings.Contains(s, from) {
			t.Fatalf("the metadata does not contain %s", from)
		}
		return strings.ReplaceAll(s, from, to)
	}
	for name, text := range map[string]string{
		"ended":                  past + "",
		"DOCTYPE":                "<!DOCTYPE x>" + idpMetadata("", idpKeys()),
		"not XML":                "<html><body>Sign in",
		"a service provider's":   change("IDPSSODescriptor", "SPSSODescriptor"),
		"SAML 1.1 alone":         change(nsProtocol, "urn:oasis:names:tc:SAML:1.1:protocol"),
		"no certificate":         idpMetadata(""),
		"encryption alone":       change(`use="signing"`, `use="encryption"`),
		"weak certificate":       idpMetadata("", newPair(rsaKey(1024), now)),
		"javascript:":            change("https://idp.hospital.example/sso", "javascript:alert(1)"),
		"plain http":             change("https://idp.hospital.example/sso", "http://idp.hospital.example/sso"),
		"fragment":               change("https://idp.hospital.example/sso", "https://idp.hospital.example/sso#x"),
		"user in the address":    change("https://idp.hospital.example/sso", "https://idp.hospital.example@evil.example/sso"),
		"javascript: for logout": change("https://idp.hospital.example/slo\"", "javascript:alert(1)\""),
		"no address":             change("SingleSignOnService", "NameIDMappingService"),
		"no entity ID":           change(` entityID="`+idpEntity+`"`, ""),
		"nonsense validUntil":    idpMetadata(`validUntil="soon"`, idpKeys()),
		"too deep":               strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
	} {
		if name == "ended" {
			text = idpMetadata(text, idpKeys())
		}
		if p, err := readMetadata([]byte(text), "", nil, false, now, false); err == nil {
			t.Errorf("%s: taken: %+v", name, p)
		}
	}
	if p, err := readMetadata([]byte(signedMetadata(otherKeys(), idpMetadata(future, idpKeys()))), "", signers, true, now, false); err != nil || p.validUntil.IsZero() {
		t.Errorf("signed: %v", err)
	}
	for name, text := range map[string]string{
		"unsigned":              idpMetadata(future, idpKeys()),
		"signed by another key": signedMetadata(idpKeys(), idpMetadata(future, idpKeys())),
		"without validUntil":    signedMetadata(otherKeys(), idpMetadata("", idpKeys())),
		"ended":                 signedMetadata(otherKeys(), idpMetadata(past, idpKeys())),
		"changed":               strings.Replace(signedMetadata(otherKeys(), idpMetadata(future, idpKeys())), "idp.hospital.example/sso", "evil.example/sso", 1),
	} {
		if _, err := readMetadata([]byte(text), "", signers, true, now, false); err == nil {
			t.Errorf("signature asked for, %s: taken", name)
		}
	}
	if _, err := parse(make([]byte, 100<<20), metadataLimits); err == nil {
		t.Error("100 MB were read")
	}
}

// server serves metadata that a test changes.
type server struct {
	*httptest.Server
	text atomic.Pointer[string]
	asks chan struct{}
}

func serve(t *testing.T, text string) *server {
	s := &server{asks: make(chan struct{}, 100)}
	s.set(text)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := *s.text.Load()
		if text == "" {
			http.Error(w, "away", http.StatusBadGateway)
		} else {
			_, _ = w.Write([]byte(text))
		}
		s.asks <- struct{}{}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) set(text string) { s.text.Store(&text) }

// again reads the metadata as the background work does, at once.
func again(m *Method) error { return m.watch.try(context.Background()) }

func TestSM7RolloverWithoutARestart(t *testing.T) {
	s := serve(t, idpMetadata("", idpKeys()))
	clk := newClock()
	m := openFor(t, &Config{Metadata: Metadata{URL: s.URL}}, clk, nil)
	by := func(p pair) error {
		a, request := begin(t, m, clk)
		f := forge{now: clk.now(), request: request}
		f.signers.assertion, f.signers.response = p, p
		_, err := post(m, a, f.build())
		return err
	}
	if err := by(idpKeys()); err != nil {
		t.Fatal(err)
	}
	if err := by(otherKeys()); err == nil {
		t.Fatal("a key that nobody published was believed")
	}
	s.set(idpMetadata("", idpKeys(), otherKeys()))
	if err := again(m); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(by(idpKeys()), by(otherKeys())); err != nil {
		t.Errorf("both are published: %v", err)
	}
	s.set(idpMetadata("", otherKeys()))
	if err := again(m); err != nil {
		t.Fatal(err)
	}
	if by(idpKeys()) == nil || by(otherKeys()) != nil {
		t.Error("the old key is gone, and is believed still; or the new one is not")
	}
}

func TestSM16LastGoodCopyIsKept(t *testing.T) {
	s := serve(t, idpMetadata("", idpKeys()))
	clk := newClock()
	m := openFor(t, &Config{Metadata: Metadata{URL: s.URL}}, clk, nil)
	if _, err := m.provider(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"away": "", "nonsense": "<html/>", "another provider": strings.ReplaceAll(idpMetadata("", otherKeys()), idpEntity, "https://evil.example"),
		"no certificate": idpMetadata(""), "too large": "<a>" + strings.Repeat("x", 9<<20) + "</a>",
	} {
		s.set(text)
		if err := again(m); err == nil {
			t.Errorf("%s: taken", name)
		}
		a, request := begin(t, m, clk)
		if _, err := post(m, a, (forge{now: clk.now(), request: request}).build()); err != nil {
			t.Errorf("%s: the last good copy is lost: %v", name, err)
		}
	}
}

func TestMetadataThatEndsIsNotUsedAnyMore(t *testing.T) {
	clk := newClock()
	s := serve(t, idpMetadata(`validUntil="`+stamp(clk.now().Add(time.Hour))+`"`, idpKeys()))
	m := openFor(t, &Config{Metadata: Metadata{URL: s.URL}}, clk, nil)
	begin(t, m, clk)
	clk.add(2 * time.Hour)
	_, err := m.Begin(t.Context(), authntest.NewAttempt("method", "app.example"))
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || m.Health() == nil {
		t.Errorf("%v", err)
	}
}

func TestFileStandsInUntilTheAddressAnswers(t *testing.T) {
	s := serve(t, "")
	clk := newClock()
	m := openFor(t, &Config{Metadata: Metadata{URL: s.URL, File: file(t, "idp.xml", "\xef\xbb\xbf"+idpMetadata("", idpKeys()))}}, clk, nil)
	a, request := begin(t, m, clk)
	if _, err := post(m, a, (forge{now: clk.now(), request: request}).build()); err != nil {
		t.Error(err)
	}
}

func TestCertificateFileIsReadAgain(t *testing.T) {
	c := config(t)
	clk := newClock()
	m := openFor(t, c, clk, nil)
	begin(t, m, clk)
	if err := os.WriteFile(string(c.Certificate), []byte(otherKeys().certPEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again(m); err != nil {
		t.Fatal(err)
	}
	a, request := begin(t, m, clk)
	f := forge{now: clk.now(), request: request}
	f.signers.assertion, f.signers.response = otherKeys(), otherKeys()
	if _, err := post(m, a, f.build()); err != nil {
		t.Error(err)
	}
}

func TestThreeValuesAreEnough(t *testing.T) {
	c := config(t)
	c.IdPEntityID, c.Keys = "", nil
	s := newScene(t, c)
	if id, err := s.post(); err != nil || id.Issuer != idpEntity {
		t.Errorf("%+v %v", id, err)
	}
	for name, cert := range map[string]string{"DER": string(idpKeys().cert.Raw), "bare base64": base64.StdEncoding.EncodeToString(idpKeys().cert.Raw)} {
		c.Certificate = file(t, "idp.cer", cert)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProviderThatWantsSignedRequestsNeedsKeys(t *testing.T) {
	s := serve(t, strings.Replace(idpMetadata("", idpKeys()), "<md:IDPSSODescriptor ", `<md:IDPSSODescriptor WantAuthnRequestsSigned="true" `, 1))
	m := openFor(t, &Config{Metadata: Metadata{URL: s.URL}}, newClock(), nil)
	if _, err := m.Begin(t.Context(), authntest.NewAttempt("method", "app.example")); err == nil {
		t.Error("an unsigned request was sent")
	}
}
