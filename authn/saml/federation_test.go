package saml

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

const elsewhereEntity = "https://idp.st-elsewhere.example/saml"

// member describes a provider of a federation: of an entity, with a title and what its
// metadata has beside that.
func member(p pair, entity, title, scopes, more string) string {
	ui := `<md:Extensions><mdui:UIInfo xmlns:mdui="` + nsUI + `"><mdui:DisplayName xml:lang="cy">` + title + ` (cy)</mdui:DisplayName><mdui:DisplayName xml:lang="en">` + title + `</mdui:DisplayName></mdui:UIInfo>` + scopes + `</md:Extensions>`
	s := idpMetadata("", p)
	s = strings.Replace(s, `protocolSupportEnumeration="`+nsProtocol+`">`, `protocolSupportEnumeration="`+nsProtocol+`">`+ui, 1)
	s = strings.Replace(s, "<!-- made by hand -->", more, 1)
	return strings.NewReplacer(idpEntity, entity, `ID="_md"`, `ID="_`+fmt.Sprintf("%x", entity)+`"`, "https://idp.hospital.example", strings.TrimSuffix(entity, "/saml")).Replace(s)
}

func registered(domains ...string) string {
	var b strings.Builder
	for _, d := range domains {
		b.WriteString(`<shibmd:Scope xmlns:shibmd="` + nsScope + `" regexp="false">` + d + `</shibmd:Scope>`)
	}
	return b.String()
}

func aggregate(members ...string) string {
	return `<md:EntitiesDescriptor xmlns:md="` + nsMetadata + `" ID="_all" validUntil="` + stamp(time.Now().Add(24*time.Hour)) + `">` + strings.Join(members, "") + `</md:EntitiesDescriptor>`
}

const hiddenCategory = `<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="` + nsAttributes + `"><saml:Attribute xmlns:saml="` + nsAssertion + `" Name="` + categoryAttribute + `" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue>` + hidden + `</saml:AttributeValue></saml:Attribute></mdattr:EntityAttributes></md:Extensions>`

// twoHospitals is a federation of two providers, of a hidden one, and of what is none.
func twoHospitals() string {
	return aggregate(
		member(idpKeys(), idpEntity, "Spítal Général", registered("hospital.example"), ""),
		member(otherKeys(), elsewhereEntity, "St Elsewhere", registered("st-elsewhere.example"), ""),
		member(otherKeys(), "https://hidden.example/saml", "Hidden Hospital", "", hiddenCategory),
		strings.ReplaceAll(member(otherKeys(), "https://broken.example/saml", "Broken", "", ""), "https://broken.example/sso", "javascript:alert(1)"),
		`<md:EntityDescriptor entityID="https://sp.example"><md:SPSSODescriptor protocolSupportEnumeration="`+nsProtocol+`"/></md:EntityDescriptor>`,
	)
}

func federation(t *testing.T, text string, change ...func(*Config)) (*Method, *clock) {
	t.Helper()
	clk := newClock()
	c := &Config{Preset: "shibboleth", Metadata: Metadata{File: file(t, "all.xml", text), Federation: true}}
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return openFor(t, c, clk, nil), clk
}

func starts(t *testing.T, m *Method, clk *clock, chosen string) (*authn.Attempt, authn.Reply, error) {
	t.Helper()
	a := authntest.NewAttempt("method", "app.example")
	a.Began, a.Provider = clk.now(), chosen
	reply, err := m.Begin(context.Background(), a)
	return a, reply, err
}

func offered(f authn.Form) []string {
	var all []string
	for _, b := range f.Buttons {
		all = append(all, b.Label+" "+b.Value)
	}
	return all
}

func TestPeopleChooseTheirOrganisation(t *testing.T) {
	m, clk := federation(t, twoHospitals())
	a, reply, err := starts(t, m, clk, "")
	form, ok := reply.(authn.Form)
	if err != nil || !ok {
		t.Fatal(reply, err)
	}
	both := []string{"Spítal Général " + idpEntity, "St Elsewhere " + elsewhereEntity}
	if diff := cmp.Diff(both, offered(form)); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
	for typed, want := range map[string][]string{
		"general": both[:1], "SPITAL": both[:1], "elsewhere st": both[1:], "e": both[1:], "cy": both, "nothing of it": nil, "hidden": nil, "broken": nil,
	} {
		if typed == "e" {
			want = []string{both[0], both[1]}
		}
		reply, err := m.Resume(t.Context(), a, authntest.Post(url.Values{searchField: {typed}}))
		form, ok := reply.(authn.Form)
		if err != nil || !ok {
			t.Fatal(reply, err)
		}
		if diff := cmp.Diff(want, offered(form)); diff != "" || (form.Problem == "") != (len(want) > 0) {
			t.Errorf("%q: %q (-want +got):\n%s", typed, form.Problem, diff)
		}
	}
	reply, err = m.Resume(t.Context(), a, authntest.Post(url.Values{chooseButton: {elsewhereEntity}}))
	to, ok := reply.(authn.Redirect)
	if err != nil || !ok || !strings.HasPrefix(to.URL, "https://idp.st-elsewhere.example/sso?SAMLRequest=") {
		t.Errorf("chosen: %+v %v", reply, err)
	}
	if _, err := m.Resume(t.Context(), a, authntest.Post(url.Values{chooseButton: {"https://evil.example"}})); statusOf(t, err) != 400 {
		t.Errorf("who is not of the federation: %v", err)
	}
	a.Recent = []string{"https://gone.example", elsewhereEntity}
	again, err := m.Begin(t.Context(), a)
	if err != nil || offered(again.(authn.Form))[0] != both[1] {
		t.Errorf("where they were last: %+v %v", again, err)
	}
	if _, reply, err := starts(t, m, clk, elsewhereEntity); err != nil || !strings.Contains(fmt.Sprint(reply), "st-elsewhere.example/sso") {
		t.Errorf("a link to one: %+v %v", reply, err)
	}
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var e *authn.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *authn.Error", err)
	}
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// sends puts these in place of those of the answer.
func sends(entity string, all map[string]string) func(string) string {
	return func(s string) string {
		i, j := strings.Index(s, "<saml:AttributeStatement>"), strings.Index(s, "</saml:AttributeStatement>")
		var b strings.Builder
		for name, v := range all {
			fmt.Fprintf(&b, `<saml:Attribute Name="%s"><saml:AttributeValue>%s</saml:AttributeValue></saml:Attribute>`, name, v)
		}
		return strings.ReplaceAll(s[:i]+"<saml:AttributeStatement>"+b.String()+s[j:], idpEntity, entity)
	}
}

const principalName = "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"

func TestEachMemberSpeaksForItsOwnPeopleOnly(t *testing.T) {
	m, clk := federation(t, twoHospitals(), func(c *Config) { c.TrustEmail = true })
	mail := "urn:oid:0.9.2342.19200300.100.1.3"
	enters := func(chosen, answering string, by pair, all map[string]string) (authn.Identity, error) {
		t.Helper()
		a, reply, err := starts(t, m, clk, chosen)
		if err != nil {
			t.Fatal(err)
		}
		f := forge{now: clk.now(), request: attr(requestOf(t, reply), "ID"), text: sends(answering, all)}
		f.signers.assertion, f.signers.response = by, by
		return post(m, a, f.build())
	}
	id, err := enters(elsewhereEntity, elsewhereEntity, otherKeys(), map[string]string{
		principalName: "alice@st-elsewhere.example", mail: "alice@st-elsewhere.example", scopedAffiliation: "staff@st-elsewhere.example", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1": "admins",
	})
	if err != nil || id.User != "alice@st-elsewhere.example" || id.Issuer != elsewhereEntity || !id.Checked || fmt.Sprint(id.Groups) != "[staff@st-elsewhere.example]" {
		t.Errorf("%+v %v", id, err)
	}
	id, err = enters(elsewhereEntity, elsewhereEntity, otherKeys(), map[string]string{principalName: "alice@st-elsewhere.example", mail: "dr@hospital.example", scopedAffiliation: "staff@hospital.example"})
	if err != nil || id.Checked || len(id.Groups) > 0 {
		t.Errorf("another's address and group: %+v %v", id, err)
	}
	for name, try := range map[string]struct {
		chosen, answering string
		by                pair
		user              string
	}{
		"another's person":           {elsewhereEntity, elsewhereEntity, otherKeys(), "dr@hospital.example"},
		"a part of a scope":          {elsewhereEntity, elsewhereEntity, otherKeys(), "dr@sub.st-elsewhere.example"},
		"two scopes":                 {elsewhereEntity, elsewhereEntity, otherKeys(), "dr@hospital.example@st-elsewhere.example"},
		"no scope":                   {elsewhereEntity, elsewhereEntity, otherKeys(), "dr"},
		"another's key":              {idpEntity, idpEntity, otherKeys(), "dr@hospital.example"},
		"another member than chosen": {idpEntity, elsewhereEntity, otherKeys(), "dr@st-elsewhere.example"},
		"another's name":             {elsewhereEntity, idpEntity, otherKeys(), "dr@hospital.example"},
		"who registered no scope":    {"https://hidden.example/saml", "https://hidden.example/saml", otherKeys(), "dr@hidden.example"},
	} {
		if id, err := enters(try.chosen, try.answering, try.by, map[string]string{principalName: try.user}); err == nil {
			t.Errorf("%s: came in as %+v", name, id)
		}
	}
}

func TestScopesThatArePatternsFitTheWholeDomain(t *testing.T) {
	p := &provider{}
	for _, text := range []string{`.*\.hospital\.example`, `a|evil`, `(`, strings.Repeat("x", maxPattern+1)} {
		el := element(`<shibmd:Scope xmlns:shibmd="` + nsScope + `" regexp="true"></shibmd:Scope>`)
		el.SetText(text)
		if s, ok := scopeOf(el); ok {
			p.scopes = append(p.scopes, s)
		}
	}
	for domain, want := range map[string]bool{
		"ward.hospital.example": true, "a": true, "evil": true, "hospital.example": false, "ward.hospital.example.evil": false, "xa": false, "evil.example": false, "": false, strings.Repeat("x", 300): false,
	} {
		if got := p.vouches(domain); got != want {
			t.Errorf("%q: %v", domain, got)
		}
	}
}

func TestScopesOfASingleProviderCount(t *testing.T) {
	text := strings.Replace(member(idpKeys(), idpEntity, "Hospital", registered("hospital.example"), ""), "x", "x", 1)
	c := &Config{Preset: "shibboleth", Metadata: Metadata{File: file(t, "idp.xml", text)}}
	s := newScene(t, c)
	s.forge.text = sends(idpEntity, map[string]string{principalName: "alice@hospital.example"})
	if id, err := s.post(); err != nil || id.User != "alice@hospital.example" {
		t.Errorf("%+v %v", id, err)
	}
	s.begin(t)
	s.forge.text = sends(idpEntity, map[string]string{principalName: "dr@st-elsewhere.example"})
	if id, err := s.post(); err != nil || strings.Contains(id.User, "elsewhere") {
		t.Errorf("another scope: %+v %v", id, err) // the NameID is the next that may be the user
	}
}

func TestKeptMetadataStandsInForTheAddress(t *testing.T) {
	end := time.Now().Add(24 * time.Hour)
	text := signedMetadata(otherKeys(), idpMetadata(`validUntil="`+stamp(end)+`"`, idpKeys()))
	s := serve(t, text)
	kept := filepath.Join(t.TempDir(), "kept.xml")
	c := func() *Config {
		return &Config{Metadata: Metadata{URL: s.URL, File: authn.Path(kept), Keep: true, Certificate: file(t, "federation.crt", otherKeys().certPEM())}}
	}
	if err := c().Validate(); err != nil {
		t.Fatalf("before anything is kept: %v", err)
	}
	if _, err := openFor(t, c(), newClock(), nil).provider(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	s.set("") // away
	clk := newClock()
	if p, err := openFor(t, c(), clk, nil).provider(t.Context(), ""); err != nil || p.entityID != idpEntity {
		t.Errorf("a start without the address: %+v %v", p, err)
	}
	late := newClock()
	late.add(25 * time.Hour)
	if _, err := openFor(t, c(), late, nil).provider(t.Context(), ""); err == nil {
		t.Error("kept metadata is used after its end")
	}
	if err := os.WriteFile(kept, []byte(strings.Replace(text, "https://idp.hospital.example/sso", "https://evil.example/sso", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFor(t, c(), clk, nil).provider(t.Context(), ""); err == nil {
		t.Error("kept metadata that was changed is used")
	}
}

func TestFaultsOfFederations(t *testing.T) {
	at := func(change func(*Metadata), more ...func(*Config)) *Config {
		c := &Config{Metadata: Metadata{File: file(t, "all.xml", twoHospitals()), Federation: true}}
		change(&c.Metadata)
		for _, f := range more {
			f(c)
		}
		return c
	}
	for want, c := range map[string]*Config{
		"metadata.entity_id: has no meaning with federation": at(func(m *Metadata) { m.EntityID = idpEntity }),
		"metadata.entities[0]: ":                             at(func(m *Metadata) { m.Entities = []string{"a b"} }),
		"metadata.federation: is not on":                     at(func(m *Metadata) { m.Federation, m.EntityID, m.Entities = false, idpEntity, []string{idpEntity} }),
		"metadata.keep: needs url":                           at(func(m *Metadata) { m.Keep = true }),
		"metadata.certificate: is missing beside mdq":        at(func(m *Metadata) { m.File, m.MDQ = "", "https://mdq.example/entities" }),
		"metadata.mdq: stands beside url or file": at(func(m *Metadata) {
			m.MDQ, m.Certificate = "https://mdq.example/entities", file(t, "x.crt", otherKeys().certPEM())
		}),
		"metadata.mdq: ends with a slash": at(func(m *Metadata) {
			m.File, m.MDQ, m.Certificate = "", "https://mdq.example/", file(t, "x.crt", otherKeys().certPEM())
		}),
		"insecure_idp_initiated: cannot be on": at(func(*Metadata) {}, func(c *Config) { c.InsecureIdPInitiated = true }),
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzFederation(f *testing.F) {
	f.Add([]byte(twoHospitals()))
	f.Add([]byte(aggregate(aggregate(member(idpKeys(), idpEntity, "x", "", "")))))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, _, err := readFederation(text, nil, nil, false, time.Now(), false)
		if err != nil {
			return
		}
		for _, p := range c.all {
			if p.entityID == "" || len(p.certs) == 0 || p.titles.title == "" || c.named(p.entityID) != p {
				t.Errorf("%+v", p)
			}
		}
		c.search("a b", 10)
	})
}
