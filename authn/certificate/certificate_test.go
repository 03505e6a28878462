package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/certtest"
)

// house is a folder with an authority, and a clock.
type house struct {
	t   *testing.T
	dir string
	ca  *certtest.Authority
	now time.Time
	log bytes.Buffer
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir(), ca: certtest.New(t, "Hospital CA"), now: time.Now()}
	certtest.Write(t, h.path("ca.pem"), certtest.PEM(h.ca))
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) config() Config {
	return Config{CA: []authn.Path{authn.Path(h.path("ca.pem"))}, KnownBy: "san-email"}
}

// withList writes a list that holds for an hour.
func (h *house) withList(c *Config, revoked ...*x509.Certificate) {
	certtest.Write(h.t, h.path("list.crl"), h.ca.List(h.now.Add(-time.Minute), h.now.Add(time.Hour), revoked...))
	c.CRL = []authn.Path{authn.Path(h.path("list.crl"))}
}

// open opens without watching, so that the test decides when files are looked at.
func (h *house) open(c Config) *Method {
	h.t.Helper()
	if err := c.Validate(); err != nil {
		h.t.Fatal(err)
	}
	env := authntest.NewEnv("card")
	env.Log = slog.New(slog.NewTextHandler(&h.log, nil))
	env.Claims = []string{"given_name", "upn", "certificate_serial"}
	return c.open(env, func() time.Time { return h.now })
}

func (h *house) attempt(c tls.Certificate) *authn.Attempt {
	a := authntest.NewAttempt("card", "app.example")
	a.Shown = authn.Shown{Chain: certtest.Chain(h.t, c), Since: h.now.Add(-time.Minute)}
	return a
}

func (h *house) begin(m *Method, c tls.Certificate) (authn.Identity, error) {
	h.t.Helper()
	reply, err := m.Begin(h.t.Context(), h.attempt(c))
	if err != nil {
		return authn.Identity{}, err
	}
	return reply.(authn.SignedIn).Identity, nil
}

// codeOfError is the one word of a refusal; "" for none.
func codeOfError(t *testing.T, err error) Code {
	t.Helper()
	var r *Reason
	if err == nil || !errors.As(err, &r) {
		return ""
	}
	var public *authn.Error
	if !errors.As(err, &public) || public.Public == "" {
		t.Errorf("no words for the person: %v", err)
	}
	return r.Code
}

func TestContract(t *testing.T) {
	h := newHouse(t)
	alice := h.ca.Person("Alice Archer", "alice@hospital.example")
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		m := h.open(h.config())
		return authntest.Subject{
			Authenticator: m, Recognizes: true, Attempt: func() *authn.Attempt { return h.attempt(alice) },
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) { return m.Begin(ctx, a) },
		}
	})
}

// What a request says is no certificate.
func TestNothingThatIsSentIsACertificate(t *testing.T) {
	h := newHouse(t)
	m := h.open(h.config())
	r := authntest.Post(url.Values{"certificate": {"x"}})
	r.Header.Set("Client-Cert", ":"+"MIIB"+":")
	r.TLS = &tls.ConnectionState{PeerCertificates: certtest.Chain(t, h.ca.Person("Alice", "alice@hospital.example"))}
	if _, err := m.Resume(t.Context(), authntest.NewAttempt("card", "app.example"), r); codeOfError(t, err) != None {
		t.Errorf("got %v, want %s", err, None)
	}
}

func TestIdentityIsAuthorityAndField(t *testing.T) {
	h := newHouse(t)
	c := h.config()
	c.Groups, c.TrustEmail = groupsOU, true
	m := h.open(c)
	cert := h.ca.Person("Alice Archer", "Alice@Hospital.Example", func(c *x509.Certificate) {
		c.Subject.OrganizationalUnit = []string{"Ward 7", "Pharmacy"}
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidGivenName, Value: "Alice"}, {Type: oidSurname, Value: "Archer-Brown"}}
	})
	got, err := h.begin(m, cert)
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Identity{
		Method: "card", Issuer: "certificate:san-email:CN=Hospital CA,O=St Elsewhere", Subject: "alice@hospital.example", User: "alice@hospital.example",
		PreferredUsername: "alice@hospital.example", Email: "alice@hospital.example", Checked: true, Name: "Alice Archer-Brown",
		Groups: []string{"Ward 7", "Pharmacy"}, AMR: []string{"pop"}, Authenticated: h.now.Add(-time.Minute),
		Claims: map[string]any{"given_name": "Alice", "certificate_serial": serial(cert.Leaf)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	renewed, err := h.begin(m, h.ca.Person("Alice Archer", "alice@hospital.example"))
	if err != nil || renewed.Issuer != got.Issuer || renewed.Subject != got.Subject {
		t.Errorf("with a renewed certificate: %q %q %v", renewed.Issuer, renewed.Subject, err)
	}
}

func TestFieldsThatPeopleAreKnownBy(t *testing.T) {
	h := newHouse(t)
	alice := func(changes ...certtest.Change) tls.Certificate {
		return h.ca.Person("Alice Archer", "alice@hospital.example", append([]certtest.Change{func(c *x509.Certificate) { c.Subject.SerialNumber = "S-0815" }}, changes...)...)
	}
	u, _ := url.Parse("urn:uuid:6b29fc40-ca47-1067-b31d-00dd010662da")
	for _, tt := range []struct {
		field string
		cert  tls.Certificate
		want  string
	}{
		{"", alice(), "SERIALNUMBER=S-0815,CN=Alice Archer,O=St Elsewhere"},
		{"subject-dn", alice(), "SERIALNUMBER=S-0815,CN=Alice Archer,O=St Elsewhere"},
		{"subject-cn", alice(), "Alice Archer"},
		{"subject-serial", alice(), "S-0815"},
		{"san-email", alice(), "alice@hospital.example"},
		{"san-upn", alice(certtest.UPN(false, "AArcher@AD.Hospital.Example")), "aarcher@ad.hospital.example"},
		{"san-upn", alice(certtest.UPN(true, "aarcher@ad.hospital.example")), "aarcher@ad.hospital.example"},
		{"san-uri", alice(func(c *x509.Certificate) { c.URIs = []*url.URL{u} }), "urn:uuid:6b29fc40-ca47-1067-b31d-00dd010662da"},
		{"sid", alice(certtest.SID("S-1-5-21-1004336348-1177238915-682003330-512")), "S-1-5-21-1004336348-1177238915-682003330-512"},
		// absent, or twice
		{"sid", alice(), ""},
		{"sid", alice(certtest.SID("S-1-5-21-1-2-3-512", "S-1-5-21-1-2-3-500")), ""},
		{"sid", alice(certtest.SID("S-1-5-21-x")), ""},
		{"san-upn", alice(), ""},
		{"san-uri", alice(), ""},
		{"san-upn", alice(certtest.UPN(false, "a@b.example", "root@b.example")), ""},
		{"san-email", alice(func(c *x509.Certificate) { c.EmailAddresses = append(c.EmailAddresses, "root@hospital.example") }), ""},
		{"subject-cn", alice(func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidCN, Value: "alice"}, {Type: oidCN, Value: "root"}}
		}), ""},
		// odd
		{"san-email", alice(func(c *x509.Certificate) {
			c.EmailAddresses = []string{"alice@hospital.example\r\nX-Forwarded-User: root"}
		}), ""},
		{"san-email", alice(func(c *x509.Certificate) { c.EmailAddresses = []string{"root@hospital.example\x00.evil.example"} }), ""},
		{"san-email", alice(func(c *x509.Certificate) { c.EmailAddresses = []string{"root@hospital.example,alice@hospital.example"} }), ""},
		{"san-email", alice(func(c *x509.Certificate) { c.EmailAddresses = []string{"alice@evil.example@hospital.example"} }), ""},
		{"san-email", alice(func(c *x509.Certificate) { c.EmailAddresses = []string{"alice"} }), ""},
		{"san-upn", alice(certtest.UPN(false, "root\u202e@hospital.example")), ""},
		{"subject-cn", alice(func(c *x509.Certificate) { c.Subject.CommonName = "root\x00" }), ""},
		{"subject-cn", alice(func(c *x509.Certificate) { c.Subject.CommonName = " root" }), ""},
		{"subject-cn", alice(func(c *x509.Certificate) { c.Subject.CommonName = "" }), ""},
		{"subject-cn", alice(func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("x", maxText+1) }), ""},
	} {
		c := h.config()
		c.KnownBy = tt.field
		got, err := h.begin(h.open(c), tt.cert)
		switch {
		case tt.want == "" && codeOfError(t, err) != Field:
			t.Errorf("%s of %v: %q %v, want %s", tt.field, tt.cert.Leaf.Subject, got.Subject, err, Field)
		case tt.want != "" && (err != nil || got.Subject != tt.want || got.User != tt.want):
			t.Errorf("%s: %q, user %q, %v; want %q", tt.field, got.Subject, got.User, err, tt.want)
		}
	}
}

// Somebody who has another's address as common name is not that person.
func TestTwoFieldsWithOneTextAreTwoPeople(t *testing.T) {
	h := newHouse(t)
	byMail, byName := h.config(), h.config()
	byName.KnownBy = "subject-cn"
	one, err := h.begin(h.open(byMail), h.ca.Person("Alice Archer", "alice@hospital.example"))
	other, err2 := h.begin(h.open(byName), h.ca.Person("alice@hospital.example", "mallory@hospital.example"))
	if err != nil || err2 != nil || one.Subject != other.Subject || one.Issuer == other.Issuer {
		t.Errorf("%q %q, %q %q, %v, %v", one.Issuer, one.Subject, other.Issuer, other.Subject, err, err2)
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	h := newHouse(t)
	impostor := certtest.New(t, "Hospital CA")
	ward := h.ca.Below("Ward CA")
	notSigning := h.ca.Below("Ward CA", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	bound := h.ca.Below("Bound CA", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"ward.example"} })
	serversOnly := h.ca.Below("Servers CA", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	alone := certtest.New(t, "Alice Archer", func(c *x509.Certificate) { c.Subject = h.ca.Cert.Subject })
	for _, tt := range []struct {
		what string
		cert tls.Certificate
		want Code
	}{
		{"good", h.ca.Person("Alice", "alice@hospital.example"), ""},
		{"good, with an authority between", certtest.With(ward.Person("Alice", "alice@hospital.example"), ward), ""},
		{"an authority that may name her", certtest.With(bound.Person("Alice", "alice@ward.example"), bound), ""},
		{"none", tls.Certificate{}, None},
		{"the authority between is not sent", ward.Person("Alice", "alice@hospital.example"), Unknown},
		{"an authority of the same name", impostor.Person("Alice", "alice@hospital.example"), Unknown},
		{"an authority of the same name, sent along", certtest.With(impostor.Person("Alice", "alice@hospital.example"), impostor), Unknown},
		{"signed by itself, with the authority's name", tls.Certificate{Certificate: [][]byte{alone.Cert.Raw}}, Usage},
		{"the authority's own", tls.Certificate{Certificate: [][]byte{h.ca.Cert.Raw}}, Usage},
		{"expired", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.NotAfter = h.now.Add(-time.Minute) }), Expired},
		{"not valid yet", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.NotBefore = h.now.Add(time.Minute) }), Early},
		{"for servers", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), Usage},
		{"for nothing in particular", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.ExtKeyUsage = nil }), Usage},
		{"for encryption", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), Usage},
		{"issued by a person", certtest.With(notSigning.Person("Alice", "alice@hospital.example"), notSigning), Unknown},
		{"named by who may not", certtest.With(bound.Person("Root", "root@hospital.example"), bound), Constraint},
		{"by an authority for servers", certtest.With(serversOnly.Person("Alice", "alice@hospital.example"), serversOnly), Usage},
		{"a long chain", certtest.With(h.ca.Person("Alice", "alice@hospital.example"), ward, ward, ward, ward, ward, ward, ward, ward, ward, ward), TooMany},
		{"an extension that nobody knows", h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), Damaged},
	} {
		got, err := h.begin(h.open(h.config()), tt.cert)
		if code := codeOfError(t, err); code != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %q %v, want %q", tt.what, got.Subject, err, tt.want)
		}
	}
}

func TestUsagesAndPolicies(t *testing.T) {
	h := newHouse(t)
	policy := func(list ...string) certtest.Change {
		return func(c *x509.Certificate) {
			for _, p := range list {
				oid, err := x509.ParseOID(p)
				if err != nil {
					t.Fatal(err)
				}
				c.Policies = append(c.Policies, oid)
			}
		}
	}
	smartcard := func(c *x509.Certificate) { c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, smartcardLogon) }
	noUsage := func(c *x509.Certificate) { c.ExtKeyUsage = nil }
	named, any := h.ca.Below("Named CA", policy("1.2.3.4")), h.ca.Below("Any CA", policy(anyPolicy))
	other := h.ca.Below("Other CA", policy("1.2.3.5"))
	person := func(a *certtest.Authority, changes ...certtest.Change) tls.Certificate {
		return certtest.With(a.Person("Alice", "alice@hospital.example", changes...), a)
	}
	for _, tt := range []struct {
		usages, policies []string
		cert             tls.Certificate
		want             Code
	}{
		{[]string{usageAny}, nil, person(h.ca, noUsage), ""},
		{[]string{usageSmartcard}, nil, person(h.ca, smartcard, noUsage), ""},
		{[]string{usageSmartcard, usageClient}, nil, person(h.ca, smartcard), ""},
		{[]string{usageSmartcard, usageClient}, nil, person(h.ca, smartcard, noUsage), Usage},
		{[]string{usageSmartcard}, nil, person(h.ca), Usage},
		{[]string{"1.3.6.1.4.1.311.20.2.2"}, nil, person(h.ca, smartcard), ""},
		{nil, []string{"1.2.3.4"}, person(h.ca, policy("1.2.3.4")), ""},
		{nil, []string{"1.2.3.9", "1.2.3.4"}, person(h.ca, policy("1.2.3.5", "1.2.3.4")), ""},
		{nil, []string{"1.2.3.4"}, person(h.ca), Policy},
		{nil, []string{"1.2.3.4"}, person(h.ca, policy("1.2.3.5")), Policy},
		{nil, []string{"1.2.3.4"}, person(h.ca, policy(anyPolicy)), Policy},
		{nil, []string{"1.2.3.4"}, person(named, policy("1.2.3.4")), ""},
		{nil, []string{"1.2.3.4"}, person(any, policy("1.2.3.4")), ""},
		{nil, []string{"1.2.3.4"}, person(other, policy("1.2.3.4")), Policy},
	} {
		c := h.config()
		c.Usages, c.Policies = tt.usages, tt.policies
		if _, err := h.begin(h.open(c), tt.cert); codeOfError(t, err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%v %v: %v, want %q", tt.usages, tt.policies, err, tt.want)
		}
	}
}

func TestRevokedPeopleStayOut(t *testing.T) {
	h := newHouse(t)
	ward, lost := h.ca.Below("Ward CA"), h.ca.Below("Lost CA")
	alice, bob := h.ca.Person("Alice", "alice@hospital.example"), h.ca.Person("Bob", "bob@hospital.example")
	carol, dave, eve := ward.Person("Carol", "carol@hospital.example"), ward.Person("Dave", "dave@hospital.example"), lost.Person("Eve", "eve@hospital.example")
	c := h.config()
	h.withList(&c, bob.Leaf, lost.Cert)
	if _, err := h.begin(h.open(c), certtest.With(carol, ward)); codeOfError(t, err) != Unlisted {
		t.Errorf("an authority without a list: %v", err)
	}
	certtest.Write(t, h.path("ward.crl"), ward.List(h.now, h.now.Add(time.Hour), dave.Leaf))
	certtest.Write(t, h.path("lost.crl"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: lost.List(h.now, h.now.Add(time.Hour))}))
	c.CRL = append(c.CRL, authn.Path(h.path("ward.crl")), authn.Path(h.path("lost.crl")))
	m := h.open(c)
	for name, tt := range map[string]struct {
		cert tls.Certificate
		want Code
	}{
		"alice": {alice, ""}, "bob": {bob, Revoked}, "carol": {certtest.With(carol, ward), ""}, "dave": {certtest.With(dave, ward), Revoked},
		"eve, of a revoked authority": {certtest.With(eve, lost), Revoked},
	} {
		if _, err := h.begin(m, tt.cert); codeOfError(t, err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestPB8WhatCannotBeKnownLetsNobodyIn: lists and authorities that are broken or out of date.
func TestPB8WhatCannotBeKnownLetsNobodyIn(t *testing.T) {
	impostor := certtest.New(t, "Hospital CA")
	whole := func(h *house) []byte { return h.ca.List(h.now, h.now.Add(time.Hour)) }
	partial := func(h *house, oid asn1.ObjectIdentifier, critical bool) []byte {
		return h.ca.Partial(h.now, h.now.Add(time.Hour), oid, critical)
	}
	for what, breaks := range map[string]func(h *house){
		"the list is out of date":      func(h *house) { h.now = h.now.Add(2 * time.Hour) },
		"the list is of the future":    func(h *house) { h.put("list.crl", h.ca.List(h.now.Add(time.Hour), h.now.Add(2*time.Hour))) },
		"the list is gone":             func(h *house) { h.remove("list.crl") },
		"the list is empty":            func(h *house) { h.put("list.crl", nil) },
		"the list is cut off":          func(h *house) { der := whole(h); h.put("list.crl", der[:len(der)-9]) },
		"the list is another's":        func(h *house) { h.put("list.crl", impostor.List(h.now, h.now.Add(time.Hour))) },
		"the list is a folder":         func(h *house) { h.remove("list.crl"); _ = os.Mkdir(h.path("list.crl"), 0o700) },
		"the list is no list":          func(h *house) { h.put("list.crl", certtest.PEM(h.ca)) },
		"two lists in a file":          func(h *house) { h.put("list.crl", twice(whole(h))) },
		"the list is partial":          func(h *house) { h.put("list.crl", partial(h, oidPartial, true)) },
		"the list is quietly partial":  func(h *house) { h.put("list.crl", partial(h, oidPartial, false)) },
		"the list has changes alone":   func(h *house) { h.put("list.crl", partial(h, oidDelta, true)) },
		"the list has what is unknown": func(h *house) { h.put("list.crl", partial(h, asn1.ObjectIdentifier{1, 2, 3}, true)) },
		"the authorities are gone":     func(h *house) { h.remove("ca.pem") },
		"the authorities are empty":    func(h *house) { h.put("ca.pem", nil) },
		"the authorities are unwell": func(h *house) {
			h.put("ca.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
		},
		"one of the authorities is ill": func(h *house) {
			h.put("ca.pem", append(certtest.PEM(h.ca), "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"...))
		},
		"the authority is a person": func(h *house) {
			h.put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.ca.Person("Alice", "").Leaf.Raw}))
		},
	} {
		h := newHouse(t)
		c := h.config()
		h.withList(&c)
		m := h.open(c)
		alice := h.ca.Person("Alice", "alice@hospital.example", func(c *x509.Certificate) { c.NotAfter = h.now.Add(12 * time.Hour) })
		if _, err := h.begin(m, alice); err != nil || m.Health() != nil || len(m.Authorities()) != 1 {
			t.Fatalf("%s: before that: %v, %v", what, err, m.Health())
		}
		breaks(h)
		m.look()
		_, err := h.begin(m, alice)
		var public *authn.Error
		if !errors.As(err, &public) || public.Status != 503 || m.Health() == nil || len(m.Authorities()) != 0 {
			t.Errorf("%s: %v; health %v", what, err, m.Health())
		}
		h.now = h.now.Add(2 * lookAgain)
		m.look() // again, and finds the same
		if lines := strings.Split(strings.TrimSpace(h.log.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "CERTIFICATES SIGN NOBODY IN") {
			t.Errorf("%s: in the log, and not one alarm:\n%s", what, h.log.String())
		}
		_ = os.RemoveAll(h.path("list.crl"))
		h.put("ca.pem", certtest.PEM(h.ca))
		h.put("list.crl", h.ca.List(h.now, h.now.Add(time.Hour)))
		m.look()
		if _, err := h.begin(m, alice); err != nil || m.Health() != nil {
			t.Errorf("%s: mended: %v", what, err)
		}
	}
}

func twice(der []byte) []byte {
	one := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	return append(one, one...)
}

func (h *house) put(name string, text []byte) { h.t.Helper(); certtest.Write(h.t, h.path(name), text) }
func (h *house) remove(name string)           { _ = os.Remove(h.path(name)) }

// The authorities of this machine are nobody's: an empty pool is not theirs.
func TestPB8TheSystemsAuthoritiesAreNeverTaken(t *testing.T) {
	h := newHouse(t)
	m := h.open(h.config())
	for _, t2 := range []*trust{m.trust.Load(), (files{}).load(h.now), (files{ca: []string{h.path("none")}}).load(h.now)} {
		if t2.roots == nil {
			t.Error("no pool, which to crypto/x509 is the system's")
		}
	}
	if (files{}).load(h.now).fault(h.now) == nil {
		t.Error("no authority is no fault")
	}
}

// A new authority is in force, and one that was taken out is not, without a restart.
func TestChangedAuthoritiesAreTaken(t *testing.T) {
	h := newHouse(t)
	c := h.config()
	other := certtest.New(t, "Other CA")
	opened, err := c.Open(authntest.NewEnv("card"))
	if err != nil {
		t.Fatal(err)
	}
	m := opened.(*Method)
	defer m.Close()
	alice, bob := h.ca.Person("Alice", "alice@hospital.example"), other.Person("Bob", "bob@other.example")
	certtest.Write(t, h.path("ca.pem"), certtest.PEM(other))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, in := m.Begin(t.Context(), h.attempt(bob))
		_, out := m.Begin(t.Context(), h.attempt(alice))
		if in == nil && codeOfError(t, out) == Unknown {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the new authority's: %v; the old one's: %v", in, out)
		}
	}
}

// Who must prove anew who they are needs a new connection, for which the key is used anew.
func TestFreshSignInNeedsANewConnection(t *testing.T) {
	h := newHouse(t)
	m := h.open(h.config())
	for _, tt := range []struct {
		since time.Time
		want  Code
	}{{h.now.Add(-time.Minute), ""}, {h.now.Add(-time.Hour), Old}, {time.Time{}, Old}} {
		a := h.attempt(h.ca.Person("Alice", "alice@hospital.example"))
		a.Fresh, a.Shown.Since = true, tt.since
		if _, err := m.Begin(t.Context(), a); codeOfError(t, err) != tt.want {
			t.Errorf("connection of %v: %v, want %q", tt.since, err, tt.want)
		}
	}
}

// What a browser sends along makes nobody somebody else.
func TestTheChainDoesNotDecideWhoSomebodyIs(t *testing.T) {
	h := newHouse(t)
	ward := h.ca.Below("Ward CA")
	h.put("ca.pem", certtest.PEM(h.ca, ward))
	m := h.open(h.config())
	alice := ward.Person("Alice", "alice@hospital.example")
	short, err := h.begin(m, alice)
	long, err2 := h.begin(m, certtest.With(alice, ward, h.ca))
	if err != nil || err2 != nil || short.Issuer != long.Issuer || !strings.HasSuffix(short.Issuer, "CN=Ward CA,O=St Elsewhere") {
		t.Errorf("%q and %q, %v, %v", short.Issuer, long.Issuer, err, err2)
	}
}

func TestTryOutShowsWhatWasVerified(t *testing.T) {
	h := newHouse(t)
	c := h.config()
	h.withList(&c)
	m := h.open(c)
	a := h.attempt(h.ca.Person("Alice", "alice@hospital.example"))
	a.Trial = new(authn.Trial)
	if _, err := m.Begin(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	var checked []string
	for _, n := range a.Trial.Checked {
		checked = append(checked, n.Name)
	}
	if diff := cmp.Diff([]string{"Certificate", "Authority", "Not revoked by"}, checked); diff != "" || len(a.Trial.Sent) == 0 || len(a.Trial.Made) < 3 {
		t.Errorf("%s\nsent %v, made %v", diff, a.Trial.Sent, a.Trial.Made)
	}
	bad := h.attempt(certtest.New(t, "Other CA").Person("Mallory", "alice@hospital.example"))
	bad.Trial = new(authn.Trial)
	if _, err := m.Begin(t.Context(), bad); err == nil || len(bad.Trial.Checked) != 1 || bad.Trial.Checked[0].Name != "Certificate refused" {
		t.Errorf("%v %v", err, bad.Trial.Checked)
	}
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	h := newHouse(t)
	good := h.config()
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.CA = nil }, "ca: is empty"},
		{func(c *Config) { c.CA = []authn.Path{"/nowhere"} }, "ca[0]: cannot be read"},
		{func(c *Config) { c.CRL = []authn.Path{""} }, "crl[0]: is empty"},
		{func(c *Config) { c.CRL = []authn.Path{"/nowhere"} }, ""},
		{func(c *Config) { c.KnownBy = "mail" }, "known_by"},
		{func(c *Config) { c.User = "mail" }, "user"},
		{func(c *Config) { c.Groups = "ou" }, "groups"},
		{func(c *Config) { c.Usages = []string{"client"} }, "usages[0]"},
		{func(c *Config) { c.Usages = []string{"any", "client-auth"} }, "usages: any is beside others"},
		{func(c *Config) { c.Policies = []string{"1.2", "x"} }, "policies[1]"},
		{func(c *Config) { c.Directory, c.KnownBy = "ward-ad", "sid" }, ""},
		{func(c *Config) { c.Directory = "ward-ad" }, "known_by: is no field that people are looked up by"},
		{func(c *Config) { c.Directory, c.KnownBy, c.User = "ward-ad", "sid", "subject-cn" }, "user: is what the directory says"},
		{func(c *Config) { c.Directory, c.KnownBy, c.Groups = "ward-ad", "sid", groupsOU }, "groups: are those"},
		{func(c *Config) { c.Directory, c.KnownBy, c.TrustEmail = "ward-ad", "sid", true }, "trust_email"},
	} {
		c := good
		tt.change(&c)
		err := c.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestWarningsAndLooks(t *testing.T) {
	h := newHouse(t)
	c := h.config()
	if w := c.Warnings(); len(w) != 1 || w[0].Path != "crl" {
		t.Errorf("without a list: %v", w)
	}
	h.withList(&c)
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("with a list: %v", w)
	}
	looks := c.Checks()
	if len(looks) != 2 {
		t.Fatalf("%d looks", len(looks))
	}
	if f := looks[0].Look(t.Context(), nil); f.Err != nil || !strings.Contains(f.Warning, "ends on") { // the test's ends tomorrow
		t.Errorf("authority: %+v", f)
	}
	if f := looks[1].Look(t.Context(), nil); f.Err != nil || f.Warning != "" {
		t.Errorf("list: %+v", f)
	}
	h.put("list.crl", h.ca.List(h.now.Add(-time.Hour), h.now.Add(-time.Minute)))
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0].Problem, "out of date") {
		t.Errorf("with an old list: %v", w)
	}
	if f := looks[1].Look(t.Context(), nil); f.Err == nil {
		t.Errorf("old list: %+v", f)
	}
}

// TestCertificatesOfOpenSSL: what openssl makes, and its list.
func TestCertificatesOfOpenSSL(t *testing.T) {
	h := newHouse(t)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = h.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	h.put("ca.cnf", []byte(`[ca]
default_ca = hospital
[hospital]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 1
crl_extensions = list
policy = any
[list]
authorityKeyIdentifier = keyid
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[card]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth, msSmartcardLogin
subjectAltName = email:alice@hospital.example, otherName:msUPN;UTF8:aarcher@ad.hospital.example
`))
	h.put("index.txt", nil)
	h.put("serial", []byte("1001\n"))
	run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "60", "-subj", "/O=St Elsewhere/CN=OpenSSL CA")
	for _, who := range []string{"alice", "bob"} {
		run("req", "-new", "-config", "ca.cnf", "-newkey", "rsa:2048", "-nodes", "-keyout", who+".key", "-out", who+".csr", "-subj", "/CN="+who)
		run("ca", "-batch", "-config", "ca.cnf", "-extensions", "card", "-in", who+".csr", "-out", who+".pem", "-notext")
	}
	run("ca", "-config", "ca.cnf", "-revoke", "bob.pem")
	run("ca", "-config", "ca.cnf", "-gencrl", "-out", "list.crl")
	h.now = time.Now().Add(2 * time.Second)
	c := h.config()
	c.KnownBy, c.Usages, c.CRL = "san-upn", []string{usageClient, usageSmartcard}, []authn.Path{authn.Path(h.path("list.crl"))}
	m := h.open(c)
	load := func(who string) tls.Certificate {
		pair, err := tls.LoadX509KeyPair(h.path(who+".pem"), h.path(who+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	id, err := h.begin(m, load("alice"))
	if err != nil || id.Subject != "aarcher@ad.hospital.example" || id.Email != "alice@hospital.example" {
		t.Errorf("alice: %+v %v", id, err)
	}
	if _, err := h.begin(m, load("bob")); codeOfError(t, err) != Revoked {
		t.Errorf("bob: %v", err)
	}
}
