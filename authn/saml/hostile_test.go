package saml

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"foregate/authn"
)

// refuse posts what a forge makes and fails if anybody comes in.
func refuse(t *testing.T, name string, f forge) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		s := newScene(t, config(t))
		f.now, f.request = s.forge.now, s.forge.request
		id, err := post(s.m, s.a, f.build())
		if err == nil {
			t.Fatalf("signed in as %q", id.Subject)
		}
		var e *authn.Error
		if !errors.As(err, &e) || e.Public == "" {
			t.Errorf("no words for the person: %v", err)
		}
		if s.m.Health() != nil {
			t.Error("the method is not well any more")
		}
		s.begin(t)
		if id, err := s.post(); err != nil || id.Subject != "alice" {
			t.Errorf("the next person cannot sign in: %v", err)
		}
	})
}

// accept is refuse's opposite: the tests of refusals are worth something only if
// the same answer without its fault is taken.
func accept(t *testing.T, name string, f forge) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		s := newScene(t, config(t))
		f.now, f.request = s.forge.now, s.forge.request
		if id, err := post(s.m, s.a, f.build()); err != nil || id.Subject != "alice" {
			t.Fatalf("%q %v", id.Subject, err)
		}
	})
}

func without(from, to string) func(string) string {
	return func(s string) string {
		i := strings.Index(s, from)
		j := strings.Index(s[i:], to)
		if i < 0 || j < 0 {
			panic("the answer does not contain " + from)
		}
		return s[:i] + s[i+j+len(to):]
	}
}

const (
	audienceXML     = `<saml:AudienceRestriction><saml:Audience>` + ourEntity + `</saml:Audience></saml:AudienceRestriction>`
	confirmationXML = `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`
)

// What crawls past other libraries although the provider's own key signed it.
func TestSM0(t *testing.T) {
	accept(t, "nothing wrong", forge{})
	refuse(t, "no AudienceRestriction", forge{text: without("<saml:AudienceRestriction>", "</saml:AudienceRestriction>")})
	refuse(t, "two AudienceRestrictions of which one is wrong", forge{text: replaced(audienceXML, audienceXML+strings.Replace(audienceXML, ourEntity, "https://evil.example", 1))})
	refuse(t, "no SubjectConfirmation", forge{text: without("<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>")})
	refuse(t, "sender-vouches", forge{text: replaced("cm:bearer", "cm:sender-vouches")})
	refuse(t, "RSA-SHA1", forge{algorithm: dsig.RSASHA1SignatureMethod})
	refuse(t, "no Conditions", forge{text: without("<saml:Conditions", "</saml:Conditions>")})
	refuse(t, "no Subject", forge{text: without("<saml:Subject>", "</saml:Subject>")})
	t.Run("the same answer twice", TestOnceOnly)
	t.Run("any InResponseTo with answers nobody asked for", func(t *testing.T) {
		c := config(t)
		c.InsecureIdPInitiated = true
		s := newScene(t, c)
		s.a.Values = nil
		if id, err := s.post(); err == nil {
			t.Errorf("signed in as %q by an answer to another request", id.Subject)
		}
	})
}

func TestSM3(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"element without prefix name": replaced("samlp:Status>", ":Status>"),
		"colons in an attribute":      replaced(`Version="2.0"`, `Version="2.0" x:y:z="1"`),
		"attribute without a name":    replaced(`Version="2.0"`, `Version="2.0" :="1"`),
		"undeclared prefix":           replaced("samlp:Status>", "nobody:Status>"),
		"prefix without a namespace":  replaced(`<saml:Conditions `, `<saml:Conditions xmlns:saml="" `),
		"attribute twice":             replaced(`<saml:Conditions `, `<saml:Conditions NotBefore="2020-01-01T00:00:00Z" `),
		"ID with a prefix":            replaced(`<saml:Conditions `, `<saml:Conditions saml:ID="x" `),
		"InResponseTo with a prefix":  replaced(`InResponseTo="`, `saml:InResponseTo="x" InResponseTo="`),
	} {
		refuse(t, name, forge{bytes: change})
		unreadable(t, name, change)
	}
}

// unreadable fails if the document is let through to where its signature is
// looked at, which would refuse it too.
func unreadable(t *testing.T, name string, change func(string) string) {
	t.Helper()
	doc := forge{now: time.Now(), request: "_r"}.plain()
	if _, err := parse([]byte(doc), messageLimits); err != nil {
		t.Fatalf("the document itself: %v", err)
	}
	root, err := parse([]byte(change(doc)), messageLimits)
	if err == nil {
		err = checkResponse(root)
	}
	if err == nil {
		t.Errorf("%s: read", name)
	}
}

func TestSM4(t *testing.T) {
	front := func(s string) func(string) string { return func(whole string) string { return s + whole } }
	for name, change := range map[string]func(string) string{
		"DOCTYPE":                    front(`<!DOCTYPE samlp:Response>`),
		"DOCTYPE with an entity":     front(`<!DOCTYPE r [<!ENTITY e "root">]>`),
		"external entity":            front(`<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x">`),
		"DOCTYPE in the middle":      replaced("<saml:Conditions ", `<!DOCTYPE x><saml:Conditions `),
		"undeclared entity":          replaced("alice</saml:NameID>", "&root;alice</saml:NameID>"),
		"processing instruction":     replaced("alice</saml:NameID>", "<?x y?>alice</saml:NameID>"),
		"second XML declaration":     replaced("<saml:Conditions ", `<?xml version="1.0"?><saml:Conditions `),
		"other character set":        front(`<?xml version="1.0" encoding="UTF-7"?>`),
		"text after the root":        func(s string) string { return s + "x<a/>" },
		"second root":                func(s string) string { return s + s },
		"nothing":                    func(string) string { return " " },
		"not closed":                 func(s string) string { return s[:len(s)-5] },
		"NUL":                        replaced("alice</saml:NameID>", "alice\x00</saml:NameID>"),
		"character reference to NUL": replaced("alice</saml:NameID>", "alice&#0;</saml:NameID>"),
	} {
		refuse(t, name, forge{bytes: change})
		unreadable(t, name, change)
	}
	// A canonical form that is empty has a digest too (CVE-2025-66568).
	refuse(t, "digest of nothing", forge{after: func(root *etree.Element) {
		sum := sha256.Sum256(nil)
		for e := range elements(root) {
			if e.Tag == "DigestValue" {
				e.SetText(base64.StdEncoding.EncodeToString(sum[:]))
			}
		}
		evil(root)
	}})
	refuse(t, "namespace of the assertion declared anew", forge{signAssertion: true, bytes: func(s string) string {
		return strings.Replace(s, `<saml:Subject>`, `<saml:Subject xmlns:saml="urn:other">`, 1)
	}})
}

func TestSM5(t *testing.T) {
	signature := func(change func(sig *etree.Element)) func(root *etree.Element) {
		return func(root *etree.Element) {
			for _, e := range []*etree.Element{root, child0(root, "Assertion")} {
				for _, sig := range children(e, nsSignature, "Signature") {
					change(sig)
				}
			}
		}
	}
	for name, change := range map[string]func(sig *etree.Element){
		"two SignedInfo": func(sig *etree.Element) { sig.InsertChildAt(0, child0(sig, "SignedInfo").Copy()) },
		"comment in DigestValue": func(sig *etree.Element) {
			v := sig.FindElement("./SignedInfo/Reference/DigestValue")
			v.AddChild(etree.NewComment("AAAA"))
		},
		"element in DigestValue": func(sig *etree.Element) { sig.FindElement("./SignedInfo/Reference/DigestValue").CreateElement("x") },
		"two References": func(sig *etree.Element) {
			info := child0(sig, "SignedInfo")
			info.AddChild(child0(info, "Reference").Copy())
		},
		"two SignatureValues": func(sig *etree.Element) { sig.AddChild(child0(sig, "SignatureValue").Copy()) },
		"Object":              func(sig *etree.Element) { sig.CreateElement("ds:Object") },
	} {
		refuse(t, name, forge{after: signature(change)})
	}
	for name, change := range map[string]func(string) string{
		"NameID changed after signing":    replaced(">alice<", ">root<"),
		"attribute changed after signing": replaced(">staff<", ">root<"),
	} {
		refuse(t, name, forge{bytes: change})
	}
}

// An identity that is cut short at a comment is another person's.
func TestSM6(t *testing.T) {
	const long = "root@corp.test<!--x-->.evil.test"
	for name, f := range map[string]forge{
		"comment in NameID before signing": {text: replaced(">alice<", ">"+long+"<")},
		"comment in NameID after signing":  {text: replaced(">alice<", ">root@corp.test.evil.test<"), bytes: replaced("root@corp.test.evil.test", long)},
		"comment in an attribute":          {bytes: replaced("alice@hospital.example", "alice@hospital.example<!---->")},
		"comment in Issuer":                {bytes: replaced(idpEntity, idpEntity+"<!--x-->")},
		"comment in Audience":              {bytes: replaced(">"+ourEntity+"<", ">"+ourEntity+"<!--x--><")},
	} {
		refuse(t, name, f)
	}
	for name, text := range map[string]string{
		"CDATA": "<![CDATA[root@corp.test]]>.evil.test", "character references": "root&#64;corp.test.evil.test",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, config(t))
			s.forge.text = replaced(">alice<", ">"+text+"<")
			if id, err := s.post(); err == nil && id.Subject != "root@corp.test.evil.test" {
				t.Errorf("signed in as %q", id.Subject)
			}
		})
	}
	refuse(t, "element in NameID", forge{text: replaced(">alice<", ">root<saml:x/>alice<")})
	refuse(t, "blanks around NameID", forge{text: replaced(">alice<", "> alice<")})
	refuse(t, "empty NameID", forge{text: replaced(">alice<", "><")})
}

func TestSM7(t *testing.T) {
	refuse(t, "nothing signed", forge{unsigned: true})
	other := forge{}
	other.signers.assertion, other.signers.response = otherKeys(), otherKeys()
	refuse(t, "another key, with its certificate in KeyInfo", other)
	half := forge{}
	half.signers.assertion = otherKeys()
	refuse(t, "assertion by another key in a good response", half)
	half = forge{}
	half.signers.response = otherKeys()
	refuse(t, "good assertion in a response by another key", half)
	algorithm := func(path, uri string) func(root *etree.Element) {
		return func(root *etree.Element) {
			for e := range elements(root) {
				if e.Tag == path {
					e.CreateAttr("Algorithm", uri)
				}
			}
		}
	}
	for name, f := range map[string]forge{
		"SHA1 digest":          {after: algorithm("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1")},
		"MD5 digest":           {after: algorithm("DigestMethod", "http://www.w3.org/2001/04/xmldsig-more#md5")},
		"RSA-MD5":              {after: algorithm("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5")},
		"DSA":                  {after: algorithm("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#dsa-sha1")},
		"no method":            {after: algorithm("SignatureMethod", "")},
		"inclusive canonical":  {after: algorithm("CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")},
		"XPath transform":      {after: algorithm("Transform", "http://www.w3.org/TR/1999/REC-xpath-19991116")},
		"XSLT transform":       {after: algorithm("Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116")},
		"base64 transform":     {after: algorithm("Transform", "http://www.w3.org/2000/09/xmldsig#base64")},
		"SHA1 and no SHA-2":    {algorithm: dsig.RSASHA1SignatureMethod},
		"empty SignatureValue": {after: each0("SignatureValue", func(e *etree.Element) { e.SetText("") })},
		"HMAC with the certificate for its key": {after: each0("Signature", func(e *etree.Element) {
			e.FindElement("./SignedInfo/SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
			mac := hmac.New(sha256.New, idpKeys().cert.Raw)
			mac.Write([]byte(xmlOf(child0(e, "SignedInfo"))))
			child0(e, "SignatureValue").SetText(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		})},
		"Reference to nothing":    {after: each0("Reference", func(e *etree.Element) { e.CreateAttr("URI", "") })},
		"Reference without URI":   {after: each0("Reference", func(e *etree.Element) { e.RemoveAttr("URI") })},
		"Reference to another":    {after: each0("Reference", func(e *etree.Element) { e.CreateAttr("URI", "#x") })},
		"Reference by XPointer":   {after: each0("Reference", func(e *etree.Element) { e.CreateAttr("URI", "#xpointer(/)") })},
		"Reference one character": {after: each0("Reference", func(e *etree.Element) { e.CreateAttr("URI", "#") })},
		"signature not at its own": {signAssertion: true, after: func(root *etree.Element) {
			a := child0(root, "Assertion")
			sig := child0(a, "Signature")
			a.RemoveChild(sig)
			child0(a, "Subject").AddChild(sig)
		}},
		"signature of the assertion at the response": {signAssertion: true, after: func(root *etree.Element) {
			a := child0(root, "Assertion")
			sig := child0(a, "Signature")
			a.RemoveChild(sig)
			root.AddChild(sig)
		}},
		"duplicate IDs": {signAssertion: true, after: func(root *etree.Element) { root.CreateAttr("ID", attr(child0(root, "Assertion"), "ID")) }},
		"duplicate IDs in other spelling": {signAssertion: true, after: func(root *etree.Element) {
			child0(root, "Status").CreateAttr("Id", attr(child0(root, "Assertion"), "ID"))
		}},
	} {
		refuse(t, name, f)
	}
	// What a message says of its key is not even looked at, so nothing is fetched.
	accept(t, "KeyInfo that wants something fetched", forge{signAssertion: true, after: each0("KeyInfo", func(e *etree.Element) {
		for _, c := range e.ChildElements() {
			e.RemoveChild(c)
		}
		e.CreateElement("ds:RetrievalMethod").CreateAttr("URI", "http://127.0.0.1:1/key")
	})})
	accept(t, "no KeyInfo", forge{signAssertion: true, after: each0("Signature", func(e *etree.Element) { e.RemoveChild(child0(e, "KeyInfo")) })})
	accept(t, "RSA-SHA512", forge{algorithm: dsig.RSASHA512SignatureMethod})
}

func each0(tag string, change func(*etree.Element)) func(root *etree.Element) {
	return func(root *etree.Element) {
		var found []*etree.Element
		for e := range elements(root) {
			if e.Tag == tag {
				found = append(found, e)
			}
		}
		if len(found) == 0 {
			panic("no element " + tag)
		}
		for _, e := range found {
			change(e)
		}
	}
}

func TestSM7Certificates(t *testing.T) {
	clk := newClock()
	try := func(c *Config, by pair) error {
		m := openFor(t, c, clk, nil)
		a, request := begin(t, m, clk)
		f := forge{now: clk.now(), request: request}
		f.signers.assertion, f.signers.response = by, by
		_, err := post(m, a, f.build())
		return err
	}
	both := []pair{idpKeys(), otherKeys()}
	for _, by := range both {
		if err := try(config(t, both...), by); err != nil {
			t.Errorf("one of two certificates: %v", err)
		}
	}
	if err := try(config(t, ecKeys()), ecKeys()); err != nil {
		t.Errorf("elliptic key: %v", err)
	}
	c := config(t, both...)
	clk.add(2000 * time.Hour)
	m := openFor(t, c, clk, nil)
	if m.provider(t.Context(), ""); m.Health() == nil {
		t.Error("all certificates have ended, and the method says that it is well")
	}
	c.InsecureExpired = true
	if err := try(c, idpKeys()); err != nil {
		t.Errorf("ended certificate that is accepted: %v", err)
	}
	weak := newPair(rsaKey(1024), time.Now())
	if err := config(t, weak).Validate(); err == nil || !strings.Contains(err.Error(), "1024") {
		t.Errorf("weak certificate: %v", err)
	}
}

func TestSM9IDsAreAnyText(t *testing.T) {
	for _, id := range []string{`'";--`, "*\r\nDEL x", strings.Repeat("x", 900), "\u202e"} {
		s := newScene(t, config(t))
		s.forge.id = strings.NewReplacer(`"`, "&quot;", "\r", "&#13;", "\n", "&#10;").Replace(id)
		doc := s.forge.build()
		_, first := post(s.m, s.a, doc)
		_, second := post(s.m, s.a, doc)
		if second == nil || first == nil && !errors.Is(second, authn.ErrSpent) {
			t.Errorf("%q: %v, then %v", short(id), first, second)
		}
	}
	refuse(t, "ID of 10 kB", forge{id: strings.Repeat("x", 10<<10)})
}

func TestSM13(t *testing.T) {
	deep := strings.Repeat("<a>", 10000) + strings.Repeat("</a>", 10000)
	var attributes, spaces strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&attributes, ` a%d="x"`, i)
		fmt.Fprintf(&spaces, ` xmlns:a%d="x"`, i)
	}
	laughs := `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>`
	for name, doc := range map[string]string{
		"10 000 elements deep": deep, "many attributes": "<a" + attributes.String() + "/>", "many namespaces": "<a" + spaces.String() + "/>",
		"laughing entities": laughs + "<a>&b;</a>", "many elements": "<a>" + strings.Repeat("<b/>", 60000) + "</a>",
		"large": "<a>" + strings.Repeat("x", 10<<20) + "</a>", "one long name": "<" + strings.Repeat("a", 200<<10) + "/>",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, config(t))
			start := spent(t)
			if _, err := post(s.m, s.a, doc); err == nil {
				t.Error("taken")
			} else if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if took := spent(t) - start; took > 2*time.Second {
				t.Errorf("took %v of a processor", took)
			}
		})
	}
}

// spent is how long this process has kept a processor busy: machines that run
// tests are busy with others too.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resigned signs SignedInfo anew by another method than its digest.
func resigned(uri string, hash crypto.Hash) func(root *etree.Element) {
	return each0("Signature", func(sig *etree.Element) {
		info := child0(sig, "SignedInfo")
		child0(info, "SignatureMethod").CreateAttr("Algorithm", uri)
		ctx, err := etreeutils.NSBuildParentContext(info)
		must(err)
		alone, err := etreeutils.NSDetatch(ctx, info)
		must(err)
		canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(alone)
		must(err)
		h := hash.New()
		h.Write(canonical)
		raw, err := idpKeys().key.Sign(rand.Reader, h.Sum(nil), hash)
		must(err)
		child0(sig, "SignatureValue").SetText(base64.StdEncoding.EncodeToString(raw))
	})
}

// redigested writes another digest of the assertion, and signs that.
func redigested(uri string, digest crypto.Hash) func(root *etree.Element) {
	return func(root *etree.Element) {
		a := child0(root, "Assertion")
		bare := must1(detached(a))
		removeSignature(bare)
		canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(bare)
		must(err)
		h := digest.New()
		h.Write(canonical)
		ref := child0(a, "Signature").FindElement("./SignedInfo/Reference")
		child0(ref, "DigestMethod").CreateAttr("Algorithm", uri)
		child0(ref, "DigestValue").SetText(base64.StdEncoding.EncodeToString(h.Sum(nil)))
		resigned(dsig.RSASHA256SignatureMethod, crypto.SHA256)(root)
	}
}

func TestSM7SHA1InOnePlaceAlone(t *testing.T) {
	accept(t, "SHA-512 of a SHA-256 digest", forge{signAssertion: true, after: resigned(dsig.RSASHA512SignatureMethod, crypto.SHA512)})
	accept(t, "SHA-256 of a SHA-512 digest", forge{signAssertion: true, after: redigested("http://www.w3.org/2001/04/xmlenc#sha512", crypto.SHA512)})
	refuse(t, "SHA-256 of a SHA-1 digest", forge{signAssertion: true, after: redigested("http://www.w3.org/2000/09/xmldsig#sha1", crypto.SHA1)})
	refuse(t, "SHA-1 of a SHA-256 digest", forge{signAssertion: true, after: resigned(dsig.RSASHA1SignatureMethod, crypto.SHA1)})
}
