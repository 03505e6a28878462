package saml

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foregate/authn"
	"foregate/authn/authntest"
)

func TestContract(t *testing.T) {
	authntest.Run(t, func(t *testing.T) authntest.Subject {
		clk := newClock()
		m := openFor(t, config(t), clk, nil)
		return authntest.Subject{
			Authenticator: m,
			SignIn: func(ctx context.Context, a *authn.Attempt) (authn.Reply, error) {
				a.Began = clk.now()
				reply, err := m.Begin(ctx, a)
				if err != nil {
					return nil, err
				}
				f := forge{now: clk.now(), request: attr(requestOf(t, reply), "ID")}
				form := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(f.build()))}, "RelayState": {a.ID}}
				return m.Resume(ctx, a, authntest.Post(form))
			},
		}
	})
}

func TestPersonOfAnAnswer(t *testing.T) {
	s := newScene(t, config(t))
	got, err := s.post()
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Identity{
		Method: "method", Issuer: idpEntity, Subject: "alice", User: "alice", Email: "alice@hospital.example",
		Groups: []string{"admins", "staff"}, Claims: map[string]any{"department": "Cardiology"},
		ACR:           "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		Authenticated: s.clk.now().UTC(), SID: sessionID("alice", "s1"),
		Private: map[string]string{privateName: "alice", privateFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", privateIndex: "s1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEitherSignatureIsEnough(t *testing.T) {
	for name, f := range map[string]forge{
		"assertion": {signAssertion: true}, "response": {signResponse: true}, "both": {},
	} {
		s := newScene(t, config(t))
		f.now, f.request = s.forge.now, s.forge.request
		if id, err := post(s.m, s.a, f.build()); err != nil || id.Subject != "alice" {
			t.Errorf("%s: %v %v", name, id, err)
		}
	}
}

func TestSignedAsksForMore(t *testing.T) {
	for signed, accepted := range map[string]map[string]bool{
		signedAssertion: {"assertion": true, "both": true},
		signedResponse:  {"response": true, "both": true},
		signedBoth:      {"both": true},
	} {
		for name, f := range map[string]forge{"assertion": {signAssertion: true}, "response": {signResponse: true}, "both": {}} {
			c := config(t)
			c.Signed = signed
			s := newScene(t, c)
			f.now, f.request = s.forge.now, s.forge.request
			if _, err := post(s.m, s.a, f.build()); (err == nil) != accepted[name] {
				t.Errorf("signed: %s takes an answer with %s signed: %v", signed, name, err)
			}
		}
	}
}

func TestRequest(t *testing.T) {
	c := config(t)
	c.AuthnContext = []string{"urn:strong"}
	c.NameIDFormat = "persistent"
	clk := newClock()
	m := openFor(t, c, clk, nil)
	a := authntest.NewAttempt("method", "app.example")
	a.Fresh = true
	reply, err := m.Begin(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(reply.(authn.Redirect).URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("RelayState"); got != a.ID || len(got) > 80 {
		t.Errorf("RelayState is %q", got)
	}
	got, err := receiveQuery(u.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.query.verify([]signer{{spKeys().cert}}); err != nil {
		t.Error(err)
	}
	if err := got.query.verify([]signer{{otherKeys().cert}}); err == nil {
		t.Error("anybody could have signed the request")
	}
	el := element(string(got.text))
	for name, want := range map[string]string{
		"AssertionConsumerServiceURL": ourACS, "Destination": c.SSOURL, "ForceAuthn": "true", "ProtocolBinding": uriPost, "Version": "2.0", "IssueInstant": stamp(clk.now()),
	} {
		if v := attr(el, name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	for path, want := range map[string]string{
		"./Issuer": ourEntity, "./RequestedAuthnContext/AuthnContextClassRef": "urn:strong",
	} {
		if v := el.FindElement(path); v == nil || v.Text() != want {
			t.Errorf("%s is %v, want %q", path, v, want)
		}
	}
	if f := el.FindElement("./NameIDPolicy").SelectAttrValue("Format", ""); f != nameIDFormats["persistent"] {
		t.Errorf("NameIDPolicy asks for %q", f)
	}
}

func TestRequestByPost(t *testing.T) {
	c := config(t)
	c.Binding = bindingPost
	m := openFor(t, c, newClock(), nil)
	a := authntest.NewAttempt("method", "app.example")
	reply, err := m.Begin(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	form := reply.(authn.PostForm)
	if form.URL != c.SSOURL || form.Fields["RelayState"] != a.ID {
		t.Errorf("posts to %q with RelayState %q", form.URL, form.Fields["RelayState"])
	}
	if _, err := verified(requestOf(t, reply), []signer{{spKeys().cert}}); err != nil {
		t.Error(err)
	}
}

func TestProvisionalIsNotReadyButDescribesItself(t *testing.T) {
	m := openFor(t, &Config{Keys: []KeyPair{ownPair(t, spKeys())}}, newClock(), nil)
	_, err := m.Begin(context.Background(), authntest.NewAttempt("method", "app.example"))
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || !strings.Contains(e.Public, "not set up") {
		t.Errorf("begin: %v", err)
	}
	if m.Health() == nil {
		t.Error("a method without a provider says that it is well")
	}
	if doc, err := m.Publish(ourBase); err != nil || !strings.Contains(string(doc.Body), ourACS) {
		t.Errorf("%s %v", doc.Body, err)
	}
	a := authntest.NewAttempt("method", "app.example")
	if _, err := post(m, a, (forge{now: time.Now()}).build()); err == nil {
		t.Error("signed in without a provider")
	}
}

func TestOnceOnly(t *testing.T) {
	once := authntest.NewOnce()
	clk := newClock()
	m := openFor(t, config(t), clk, once)
	a, request := begin(t, m, clk)
	doc := (forge{now: clk.now(), request: request}).build()
	if _, err := post(m, a, doc); err != nil {
		t.Fatal(err)
	}
	if _, err := post(m, a, doc); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("the same browser: %v", err)
	}
	restarted := openFor(t, config(t), clk, once)
	if _, err := post(restarted, a, doc); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("another instance: %v", err)
	}
	again := (forge{now: clk.now(), request: request}).build()
	if _, err := post(m, a, again); !errors.Is(err, authn.ErrSpent) {
		t.Errorf("a second assertion for one attempt: %v", err)
	}
}

func TestStoreThatDoesNotAnswerLetsNobodyIn(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t), clk, authntest.Down{})
	a, request := begin(t, m, clk)
	_, err := post(m, a, (forge{now: clk.now(), request: request}).build())
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestHostsHaveTheirOwnNames(t *testing.T) {
	clk := newClock()
	m := openFor(t, config(t), clk, nil)
	a, request := begin(t, m, clk)
	a.Callback = "https://other.example/sso/callback/method"
	if _, err := post(m, a, (forge{now: clk.now(), request: request}).build()); err == nil {
		t.Error("an answer for one host was taken on another")
	}
}
