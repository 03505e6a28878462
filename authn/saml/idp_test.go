package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"foregate/authn"
	"foregate/authn/authntest"
)

const (
	idpEntity = "https://idp.hospital.example/saml"
	ourBase   = "https://app.example/sso"
	ourACS    = ourBase + "/acs"
	ourEntity = ourBase + "/metadata"
)

// pair is a key with a certificate of its own.
type pair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// keys are made once: RSA keys take their time.
var (
	idpKeys     = sync.OnceValue(func() pair { return newPair(rsaKey(2048), time.Now()) })
	otherKeys   = sync.OnceValue(func() pair { return newPair(rsaKey(2048), time.Now()) })
	spKeys      = sync.OnceValue(func() pair { return newPair(rsaKey(2048), time.Now()) })
	spOlderKeys = sync.OnceValue(func() pair { return newPair(rsaKey(2048), time.Now()) })
	ecKeys      = sync.OnceValue(func() pair {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return newPair(k, time.Now())
	})
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func rsaKey(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(err)
	return k
}

func newPair(key crypto.Signer, from time.Time) pair {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "signing"},
		NotBefore: from.Add(-time.Hour), NotAfter: from.Add(1000 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return pair{key, cert}
}

func (p pair) certPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
}

func (p pair) keyPEM() string {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func file(t testing.TB, name, content string) authn.Path {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return authn.Path(path)
}

func ownPair(t testing.TB, p pair) KeyPair {
	return KeyPair{Key: authn.NewSecret(p.keyPEM()), Certificate: file(t, "sp.crt", p.certPEM())}
}

// config is a provider by three values.
func config(t testing.TB, certs ...pair) *Config {
	if len(certs) == 0 {
		certs = []pair{idpKeys()}
	}
	var all string
	for _, p := range certs {
		all += p.certPEM()
	}
	return &Config{
		SSOURL: "https://idp.hospital.example/sso", SLOURL: "https://idp.hospital.example/slo", Certificate: file(t, "idp.pem", all),
		IdPEntityID: idpEntity, Keys: []KeyPair{ownPair(t, spKeys()), ownPair(t, spOlderKeys())},
	}
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now().Truncate(time.Second)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func openFor(t testing.TB, c *Config, clk *clock, once authn.Once) *Method {
	t.Helper()
	env := authntest.NewEnv("method")
	if once != nil {
		env.Once = once
	}
	env.Log = slog.New(slog.DiscardHandler)
	env.Claims = []string{"department"}
	m, err := openMethod(c, env, clk.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// begin begins an attempt and returns it with the ID of its request.
func begin(t testing.TB, m *Method, clk *clock) (*authn.Attempt, string) {
	t.Helper()
	a := authntest.NewAttempt("method", "app.example")
	a.Began = clk.now()
	reply, err := m.Begin(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a, attr(requestOf(t, reply), "ID")
}

// requestOf reads the message in a reply as a provider does.
func requestOf(t testing.TB, reply authn.Reply) *etree.Element {
	t.Helper()
	var b []byte
	switch r := reply.(type) {
	case authn.Redirect:
		u, err := url.Parse(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		encoded := u.Query().Get("SAMLRequest") + u.Query().Get("SAMLResponse")
		small, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(flate.NewReader(bytes.NewReader(small))); err != nil {
			t.Fatal(err)
		}
	case authn.PostForm:
		var err error
		if b, err = base64.StdEncoding.DecodeString(r.Fields["SAMLRequest"] + r.Fields["SAMLResponse"]); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("reply is %T", reply)
	}
	return element(string(b))
}

func element(s string) *etree.Element {
	doc := etree.NewDocument()
	must(doc.ReadFromString(s))
	return doc.Root()
}

func xmlOf(el *etree.Element) string {
	doc := etree.NewDocument()
	doc.SetRoot(el.Copy())
	s, err := doc.WriteToString()
	must(err)
	return s
}

// forge is a provider's answer and what is wrong with it.
type forge struct {
	now     time.Time
	request string
	id      string // of the assertion
	signers struct{ assertion, response pair }

	text          func(string) string       // changes the document before anything is signed
	unsigned      bool                      // neither part is signed
	signAssertion bool                      // with the zero value of both, both are signed
	signResponse  bool                      //
	algorithm     string                    // of signatures
	middle        func(root *etree.Element) // after the assertion is signed
	after         func(root *etree.Element) // after all is signed
	encrypt       func(plain string) string // of the assertion, to an EncryptedAssertion
	bytes         func(whole string) string // at the very end
}

const answerText = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r$ID" Version="2.0" IssueInstant="$NOW" Destination="$ACS" InResponseTo="$REQ"><saml:Issuer>$IDP</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="_a$ID" Version="2.0" IssueInstant="$NOW"><saml:Issuer>$IDP</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="$END" Recipient="$ACS" InResponseTo="$REQ"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="$NOW" NotOnOrAfter="$END"><saml:AudienceRestriction><saml:Audience>$US</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="$NOW" SessionIndex="s1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue xsi:type="xs:string">alice@hospital.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups"><saml:AttributeValue>staff</saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute><saml:Attribute Name="department" FriendlyName="uid"><saml:AttributeValue>Cardiology</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>`

// plain is the answer's text before it is signed.
func (f forge) plain() string {
	id := f.id
	if id == "" {
		id = rand.Text()
	}
	s := strings.NewReplacer("$IDP", idpEntity, "$ID", id, "$NOW", stamp(f.now), "$END", stamp(f.now.Add(5*time.Minute)), "$ACS", ourACS,
		"$REQ", f.request, "$US", ourEntity).Replace(answerText)
	if f.text != nil {
		s = f.text(s)
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// build makes the document.
func (f forge) build() string {
	root := element(f.plain())
	both := !f.signAssertion && !f.signResponse && !f.unsigned
	for _, a := range children(root, nsAssertion, "Assertion") {
		if f.signAssertion || both {
			signWith(f.signer(f.signers.assertion), a, f.algorithm)
		}
		if f.middle != nil {
			f.middle(root)
		}
		if f.encrypt != nil {
			alone, err := detached(a)
			must(err)
			root.InsertChildAt(a.Index(), element(f.encrypt(xmlOf(alone))))
			root.RemoveChild(a)
		}
	}
	if f.signResponse || both {
		signWith(f.signer(f.signers.response), root, f.algorithm)
	}
	if f.after != nil {
		f.after(root)
	}
	s := xmlOf(root)
	if f.bytes != nil {
		s = f.bytes(s)
	}
	return s
}

func (f forge) signer(p pair) pair {
	if p.key == nil {
		return idpKeys()
	}
	return p
}

// signWith puts an enveloped signature behind the issuer, or first.
func signWith(p pair, el *etree.Element, algorithm string) {
	ctx, err := dsig.NewSigningContext(p.key, [][]byte{p.cert.Raw})
	must(err)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if algorithm != "" {
		must(ctx.SetSignatureMethod(algorithm))
	}
	alone, err := detached(el)
	must(err)
	sig, err := ctx.ConstructSignature(alone, true)
	must(err)
	if _, elliptic := p.key.(*ecdsa.PrivateKey); elliptic {
		asNumbers(sig)
	}
	at := 0
	if issuer := children(el, nsAssertion, "Issuer"); len(issuer) > 0 {
		at = issuer[0].Index() + 1
	}
	el.InsertChildAt(at, sig)
}

// asNumbers writes an elliptic signature as XML Signature wants it.
func asNumbers(sig *etree.Element) {
	v := sig.FindElement("./SignatureValue")
	raw, err := base64.StdEncoding.DecodeString(v.Text())
	must(err)
	v.SetText(base64.StdEncoding.EncodeToString(numbers(raw)))
}

func numbers(der []byte) []byte {
	var rs struct{ R, S *big.Int }
	_, err := asn1.Unmarshal(der, &rs)
	must(err)
	return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
}

// post posts a document to an attempt.
func post(m *Method, a *authn.Attempt, doc string) (authn.Identity, error) {
	form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(doc))}, "RelayState": {a.ID}}
	reply, err := m.Resume(context.Background(), a, authntest.Post(form))
	if err != nil {
		return authn.Identity{}, err
	}
	return reply.(authn.SignedIn).Identity, nil
}

// scene is an opened method with an attempt that began.
type scene struct {
	m     *Method
	clk   *clock
	a     *authn.Attempt
	forge forge
}

func newScene(t testing.TB, c *Config) *scene {
	t.Helper()
	s := &scene{clk: newClock()}
	s.m = openFor(t, c, s.clk, nil)
	s.begin(t)
	return s
}

func (s *scene) begin(t testing.TB) {
	t.Helper()
	var request string
	s.a, request = begin(t, s.m, s.clk)
	s.forge.now, s.forge.request = s.clk.now(), request
}

func (s *scene) post() (authn.Identity, error) { return post(s.m, s.a, s.forge.build()) }

func replaced(old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("the answer does not contain " + old)
		}
		return strings.ReplaceAll(s, old, new)
	}
}
