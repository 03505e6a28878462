package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"foregate/authn"
	"foregate/authn/authntest"
)

const (
	requestText  = `<samlp:LogoutRequest xmlns:samlp="` + nsProtocol + `" xmlns:saml="` + nsAssertion + `" ID="$ID" Version="2.0" IssueInstant="$NOW" Destination="` + ourBase + sloPath + `" NotOnOrAfter="$END"><saml:Issuer>` + idpEntity + `</saml:Issuer><saml:NameID>alice</saml:NameID><samlp:SessionIndex>s1</samlp:SessionIndex></samlp:LogoutRequest>`
	responseText = `<samlp:LogoutResponse xmlns:samlp="` + nsProtocol + `" xmlns:saml="` + nsAssertion + `" ID="$ID" Version="2.0" IssueInstant="$NOW" Destination="` + ourBase + sloPath + `" InResponseTo="_x"><saml:Issuer>` + idpEntity + `</saml:Issuer><samlp:Status><samlp:StatusCode Value="` + statusSuccess + `"/></samlp:Status></samlp:LogoutResponse>`
)

func logoutText(text string, now time.Time) string {
	return strings.NewReplacer("$ID", "_"+rand.Text(), "$NOW", stamp(now), "$END", stamp(now.Add(time.Minute))).Replace(text)
}

// byRedirect is a message in a signed query.
func byRedirect(p pair, parameter, text, relay string) string {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	must(err)
	_, err = w.Write([]byte(text))
	must(errors.Join(err, w.Close()))
	q := parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(small.Bytes()))
	if relay != "" {
		q += "&RelayState=" + url.QueryEscape(relay)
	}
	return signedOctets(p, q)
}

func signedOctets(p pair, q string) string {
	algorithm := dsig.RSASHA256SignatureMethod
	if _, elliptic := p.key.(*ecdsa.PrivateKey); elliptic {
		algorithm = dsig.ECDSASHA256SignatureMethod
	}
	q += "&SigAlg=" + url.QueryEscape(algorithm)
	sum := sha256.Sum256([]byte(q))
	sig, err := p.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	must(err)
	if _, elliptic := p.key.(*ecdsa.PrivateKey); elliptic {
		sig = numbers(sig)
	}
	return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig))
}

func getQuery(raw string) *http.Request {
	r := authntest.Get(url.Values{})
	r.URL = &url.URL{Path: "/sso/slo", RawQuery: raw}
	return r
}

func byPost(p pair, parameter, text string, after func(*etree.Element)) *http.Request {
	el := element(text)
	if p.key != nil {
		signWith(p, el, "")
	}
	if after != nil {
		after(el)
	}
	return authntest.Post(url.Values{parameter: {base64.StdEncoding.EncodeToString([]byte(xmlOf(el)))}, "RelayState": {"back"}})
}

var alicesSession = authn.Ended{Issuer: idpEntity, SID: sessionID("alice", "s1")}

func TestLogoutRequestEndsTheNamedSessionAndIsAnswered(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t), clk, nil)
	for name, r := range map[string]*http.Request{
		"redirect": getQuery(byRedirect(idpKeys(), "SAMLRequest", logoutText(requestText, clk.now()), "back & forth")),
		"post":     byPost(idpKeys(), "SAMLRequest", logoutText(requestText, clk.now()), nil),
	} {
		if !m.Sent(r) {
			t.Errorf("%s: not known as the provider's", name)
		}
		bye, err := m.Goodbye(t.Context(), r, ourBase)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(bye.Ended, []authn.Ended{alicesSession}) {
			t.Errorf("%s: ends %+v", name, bye.Ended)
		}
		u, err := url.Parse(bye.Reply.(authn.Redirect).URL)
		if err != nil {
			t.Fatal(err)
		}
		c, err := receiveQuery(u.RawQuery)
		if err != nil || c.query.verify([]signer{{spKeys().cert}}) != nil || !strings.HasPrefix(c.relay, "back") {
			t.Errorf("%s: answer %+v %v", name, c, err)
		}
		answer := element(string(c.text))
		if answer.Tag != "LogoutResponse" || attr(answer, "InResponseTo") == "" || status(answer) != nil {
			t.Errorf("%s: answer %s", name, c.text)
		}
	}
}

func TestLogoutRequestByEllipticKey(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t, ecKeys()), clk, nil)
	for _, r := range []*http.Request{
		getQuery(byRedirect(ecKeys(), "SAMLRequest", logoutText(requestText, clk.now()), "")),
		byPost(ecKeys(), "SAMLRequest", logoutText(requestText, clk.now()), nil),
	} {
		if _, err := m.Goodbye(t.Context(), r, ourBase); err != nil {
			t.Error(err)
		}
	}
}

func TestLogoutRequestForAllSessions(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t), clk, nil)
	text := without("<samlp:SessionIndex>", "</samlp:SessionIndex>")(logoutText(requestText, clk.now()))
	bye, err := m.Goodbye(t.Context(), getQuery(byRedirect(idpKeys(), "SAMLRequest", text, "")), ourBase)
	if err != nil || !slices.Contains(bye.Ended, authn.Ended{Issuer: idpEntity, Subject: "alice"}) {
		t.Errorf("%+v %v", bye, err)
	}
}

func TestSM14(t *testing.T) {
	now := newClock().now()
	text := func(change func(string) string) string {
		s := logoutText(requestText, now)
		if change != nil {
			s = change(s)
		}
		return s
	}
	good := func(change func(string) string) *http.Request {
		return getQuery(byRedirect(idpKeys(), "SAMLRequest", text(change), "back"))
	}
	query := func(change func(string) string) *http.Request {
		return getQuery(change(byRedirect(idpKeys(), "SAMLRequest", text(nil), "back")))
	}
	withSignature := func() string {
		el := element(text(nil))
		signWith(idpKeys(), el, "")
		return xmlOf(el)
	}
	for name, r := range map[string]*http.Request{
		"unsigned, by redirect":                query(func(q string) string { return q[:strings.Index(q, "&SigAlg")] }),
		"unsigned, by post":                    byPost(pair{}, "SAMLRequest", text(nil), nil),
		"another key, by redirect":             getQuery(byRedirect(otherKeys(), "SAMLRequest", text(nil), "")),
		"another key, by post":                 byPost(otherKeys(), "SAMLRequest", text(nil), nil),
		"signature alone":                      query(func(q string) string { return q[:strings.Index(q, "&Signature")] + "&Signature=" }),
		"SHA-1":                                query(func(q string) string { return strings.Replace(q, "rsa-sha256", "rsa-sha1", 1) }),
		"RelayState changed":                   query(func(q string) string { return strings.Replace(q, "RelayState=back", "RelayState=evil", 1) }),
		"RelayState taken away":                query(func(q string) string { return strings.Replace(q, "&RelayState=back", "", 1) }),
		"RelayState added":                     getQuery(byRedirect(idpKeys(), "SAMLRequest", text(nil), "") + "&RelayState=evil"),
		"escapes changed":                      query(func(q string) string { return strings.Replace(q, "%2F", "%2f", 1) + "&x=%2F" }),
		"both messages":                        query(func(q string) string { return q + "&SAMLResponse=" + q[len("SAMLRequest="):strings.Index(q, "&")] }),
		"message twice":                        query(func(q string) string { return q + "&SAMLRequest=" + q[len("SAMLRequest="):strings.Index(q, "&")] }),
		"message twice, the other first":       query(func(q string) string { return "SAMLRequest=AAAA&" + q }),
		"name in another spelling":             query(func(q string) string { return "SAMLReques%74=AAAA&" + q }),
		"semicolon":                            query(func(q string) string { return q + "&x=1;SAMLRequest=AAAA" }),
		"signature twice":                      query(func(q string) string { return q + "&Signature=AAAA" }),
		"other encoding":                       query(func(q string) string { return q + "&SAMLEncoding=x" }),
		"embedded signature by redirect":       getQuery(byRedirect(idpKeys(), "SAMLRequest", withSignature(), "")),
		"embedded signature alone by redirect": getQuery(strings.SplitN(byRedirect(idpKeys(), "SAMLRequest", withSignature(), ""), "&SigAlg", 2)[0]),
		"post with a query": func() *http.Request {
			r := byPost(idpKeys(), "SAMLRequest", text(nil), nil)
			r.URL = &url.URL{RawQuery: "SAMLRequest=x"}
			return r
		}(),
		"by HEAD":                 func() *http.Request { r := good(nil); r.Method = http.MethodHead; return r }(),
		"ended":                   good(replaced(`NotOnOrAfter="`+stamp(now.Add(time.Minute)), `NotOnOrAfter="`+stamp(now.Add(-6*time.Minute)))),
		"issued 10 min ago":       good(replaced(`IssueInstant="`+stamp(now), `IssueInstant="`+stamp(now.Add(-10*time.Minute)))),
		"issued never":            good(replaced(` IssueInstant="`+stamp(now)+`"`, "")),
		"Destination other":       good(replaced(ourBase+sloPath, "https://other.example/sso/slo")),
		"Destination absent":      good(replaced(` Destination="`+ourBase+sloPath+`"`, "")),
		"Issuer other":            good(replaced(idpEntity, "https://evil.example")),
		"Issuer absent":           good(replaced("<saml:Issuer>"+idpEntity+"</saml:Issuer>", "")),
		"Version 1.1":             good(replaced(`"2.0"`, `"1.1"`)),
		"no ID":                   good(func(s string) string { return without(` ID="`, `"`)(s) }),
		"nobody named":            good(replaced("<saml:NameID>alice</saml:NameID>", "")),
		"two people named":        good(replaced("<saml:NameID>", "<saml:NameID>bob</saml:NameID><saml:NameID>")),
		"comment in the name":     good(replaced(">alice<", ">alice<!--x-->.evil<")),
		"DOCTYPE":                 good(func(s string) string { return "<!DOCTYPE x>" + s }),
		"another kind of message": good(replaced("LogoutRequest", "AuthnRequest")),
		"not deflated":            getQuery(signedOctets(idpKeys(), "SAMLRequest="+url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(text(nil)))))),
		"wrapped": byPost(idpKeys(), "SAMLRequest", text(nil), func(el *etree.Element) {
			clone := el.Copy()
			removeSignature(clone)
			evil(el)
			el.CreateAttr("ID", "_evil")
			child0(el, "Signature").CreateElement("ds:Object").AddChild(clone)
		}),
		"name changed after signing": byPost(idpKeys(), "SAMLRequest", text(nil), evil),
	} {
		m := openFor(t, config(t), &clock{t: now}, nil)
		bye, err := m.Goodbye(t.Context(), r, ourBase)
		var e *authn.Error
		if err == nil || !errors.As(err, &e) || len(bye.Ended) > 0 || bye.Reply != nil {
			t.Errorf("%s: %+v %v", name, bye, err)
		}
	}
	m := openFor(t, config(t), &clock{t: now}, nil)
	r := good(nil)
	if _, err := m.Goodbye(t.Context(), r, ourBase); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Goodbye(t.Context(), r, ourBase); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("the same request again: %v", err)
	}
	bye, err := m.Goodbye(t.Context(), good(replaced(">alice<", ">bob<")), ourBase)
	if err != nil || slices.Contains(bye.Ended, alicesSession) {
		t.Errorf("bob's name with the index of alice's session ends %+v %v", bye.Ended, err)
	}
}

func TestSM13Inflate(t *testing.T) {
	m := openFor(t, config(t), newClock(), nil)
	bomb := byRedirect(idpKeys(), "SAMLRequest", strings.Repeat("x", 50<<20), "")
	start := spent(t)
	if _, err := m.Goodbye(t.Context(), getQuery(bomb), ourBase); err == nil {
		t.Error("taken")
	}
	if took := spent(t) - start; took > 2*time.Second {
		t.Errorf("took %v of a processor", took)
	}
}

func TestAnswerToOurLogoutRequest(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t), clk, nil)
	good := logoutText(responseText, clk.now())
	for name, c := range map[string]struct {
		r       *http.Request
		perhaps bool
	}{
		"redirect":    {getQuery(byRedirect(idpKeys(), "SAMLResponse", good, "")), false},
		"post":        {byPost(idpKeys(), "SAMLResponse", good, nil), false},
		"unsigned":    {byPost(pair{}, "SAMLResponse", good, nil), true},
		"not success": {getQuery(byRedirect(idpKeys(), "SAMLResponse", strings.Replace(good, "status:Success", "status:Responder", 1), "")), true},
		"a sign-in":   {getQuery(byRedirect(idpKeys(), "SAMLResponse", strings.ReplaceAll(good, "LogoutResponse", "Response"), "")), true},
	} {
		bye, err := m.Goodbye(t.Context(), c.r, ourBase)
		if err != nil || len(bye.Ended) > 0 || bye.Reply != nil || (bye.Note != "") != c.perhaps {
			t.Errorf("%s: %+v %v", name, bye, err)
		}
	}
}

func TestSignOut(t *testing.T) {
	s := newScene(t, config(t))
	id, err := s.post()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := s.m.SignOut(t.Context(), id, ourBase+"/sign-out")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(reply.(authn.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := receiveQuery(u.RawQuery)
	if err != nil || c.query.verify([]signer{{spKeys().cert}}) != nil {
		t.Fatalf("%v", err)
	}
	el := element(string(c.text))
	if name := child0(el, "NameID"); el.Tag != "LogoutRequest" || name.Text() != "alice" || attr(name, "Format") == "" || child0(el, "SessionIndex").Text() != "s1" {
		t.Errorf("%s", c.text)
	}
	for name, c := range map[string]*Config{
		"no keys": func() *Config { c := config(t); c.Keys = nil; return c }(), "no address": func() *Config { c := config(t); c.SLOURL = ""; return c }(), "provisional": {},
	} {
		m := openFor(t, c, s.clk, nil)
		if m.watch != nil {
			if _, err := m.provider(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.SignOut(t.Context(), id, ourBase+"/sign-out"); !errors.Is(err, ErrNoSignOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIdPInitiated(t *testing.T) {
	unasked := func(s string) string {
		i := strings.Index(s, ` InResponseTo="`)
		j := strings.IndexByte(s[i+len(` InResponseTo="`):], '"') + i + len(` InResponseTo="`) + 1
		return strings.ReplaceAll(s, s[i:j], "")
	}
	form := func(doc, relay string) *http.Request {
		v := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(doc))}}
		if relay != "" {
			v.Set("RelayState", relay)
		}
		return authntest.Post(v)
	}
	clk := newClock()
	doc := (forge{now: clk.now(), text: unasked}).build()
	off := openFor(t, config(t), clk, nil)
	if _, err := off.provider(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := off.Unasked(form(doc, "")); ok {
		t.Error("SM10: taken although it is off")
	}
	if _, err := off.Resume(t.Context(), authntest.NewAttempt("method", "app.example"), form(doc, "")); err == nil {
		t.Error("SM10: signed in although it is off")
	}
	c := config(t)
	c.InsecureIdPInitiated, c.StartPages = true, []string{"/reports"}
	on := openFor(t, c, clk, nil)
	if _, err := on.provider(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for relay, want := range map[string]string{
		"": "/", "/reports": "/reports", "/admin": "/", "https://evil.example/": "/", "//evil.example": "/",
		"javascript:alert(1)": "/", strings.Repeat("x", 4096): "/", "/reports/../admin": "/",
	} {
		if got, ok := on.Unasked(form(doc, relay)); !ok || got != want {
			t.Errorf("SM11: RelayState %q leads to %q", short(relay), got)
		}
	}
	r := form(doc, "/reports")
	if _, err := on.Resume(t.Context(), authntest.NewAttempt("method", "app.example"), r); err != nil {
		t.Errorf("on: %v", err)
	}
	if _, err := on.Resume(t.Context(), authntest.NewAttempt("method", "app.example"), r); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("SM10: twice: %v", err)
	}
	if _, ok := on.Unasked(form(strings.ReplaceAll(doc, idpEntity, "https://evil.example"), "")); ok {
		t.Error("another provider's answer is taken")
	}
	asked := (forge{now: clk.now(), request: "_other"}).build()
	if _, err := on.Resume(t.Context(), authntest.NewAttempt("method", "app.example"), form(asked, "")); err == nil {
		t.Error("SM10: an answer to somebody's request signs in without one")
	}
	// An answer that nobody asked for does not do for an attempt that did ask.
	a, _ := begin(t, on, clk)
	if _, err := post(on, a, (forge{now: clk.now(), text: unasked}).build()); err == nil {
		t.Error("an answer without InResponseTo was taken for an attempt")
	}
}
