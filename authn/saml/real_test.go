package saml

import (
	"context"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/authn/authntest"
	"foregate/internal/ssptest"
)

// The tests below drive a real provider as a browser would.

// browser is somebody's browser that does not come back to us by itself.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "app.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	t.Cleanup(c.CloseIdleConnections)
	return &browser{t, c}
}

type page struct {
	at, body, next string
	status         int
}

func (b *browser) read(resp *http.Response, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{resp.Request.URL.String(), string(body), resp.Header.Get("Location"), resp.StatusCode}
}

var (
	formInputs  = regexp.MustCompile(`(?s)<input[^>]*>`)
	inputNames  = regexp.MustCompile(`name="([^"]*)"`)
	inputValues = regexp.MustCompile(`value="([^"]*)"`)
)

func (p page) fields() url.Values {
	v := url.Values{}
	for _, in := range formInputs.FindAllString(p.body, -1) {
		n, x := inputNames.FindStringSubmatch(in), inputValues.FindStringSubmatch(in)
		if n != nil && x != nil {
			v.Set(html.UnescapeString(n[1]), html.UnescapeString(x[1]))
		}
	}
	return v
}

// follow sends a reply of ours to the provider.
func (b *browser) follow(reply authn.Reply) page {
	b.t.Helper()
	switch r := reply.(type) {
	case authn.Redirect:
		return b.read(b.client.Get(r.URL))
	case authn.PostForm:
		v := url.Values{}
		for name, value := range r.Fields {
			v.Set(name, value)
		}
		return b.read(b.client.PostForm(r.URL, v))
	}
	b.t.Fatalf("reply is %T", reply)
	return page{}
}

// signIn answers the provider's form and returns what it posts to us.
func (b *browser) signIn(reply authn.Reply, user, password string) url.Values {
	b.t.Helper()
	p := b.follow(reply)
	v := p.fields()
	if !v.Has("SAMLResponse") {
		v.Set("username", user)
		v.Set("password", password)
		p = b.read(b.client.PostForm(p.at, v))
		v = p.fields()
	}
	if !v.Has("SAMLResponse") {
		b.t.Fatalf("the provider did not answer: %d %s", p.status, p.body)
	}
	v.Del("submit")
	return url.Values{"SAMLResponse": v["SAMLResponse"], "RelayState": v["RelayState"]}
}

func realConfig(t *testing.T, p *ssptest.Provider) *Config {
	return &Config{Metadata: Metadata{URL: p.MetadataURL}, Keys: []KeyPair{ownPair(t, spKeys())}}
}

func realClock() *clock { return &clock{t: time.Now()} }

func realAttempt(t *testing.T, m *Method) (*authn.Attempt, authn.Reply) {
	t.Helper()
	a := authntest.NewAttempt("method", "app.example")
	a.Began = time.Now()
	reply, err := m.Begin(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a, reply
}

func sp(encrypt bool) ssptest.SP {
	return ssptest.SP{EntityID: ourEntity, Base: ourBase, Cert: spKeys().cert.Raw, Encrypt: encrypt, WantSigned: true}
}

func TestRealSignInAndBothWaysOut(t *testing.T) {
	p := ssptest.Start(t, sp(false))
	for _, binding := range []string{bindingRedirect, bindingPost} {
		c := realConfig(t, p)
		c.Binding = binding
		clk := realClock()
		m := openFor(t, c, clk, nil)
		b := newBrowser(t)
		a, reply := realAttempt(t, m)
		form := b.signIn(reply, ssptest.Alice, ssptest.AlicePassword)
		clk.add(time.Since(clk.now()))
		got, err := m.Resume(t.Context(), a, authntest.Post(form))
		if err != nil {
			t.Fatalf("%s: %v", binding, err)
		}
		id := got.(authn.SignedIn).Identity
		if id.Issuer != p.EntityID || id.Subject != "alice" || id.User != "alice" || id.Email != "alice@example.test" || id.Name != "Alice Archer" || !slices.Equal(id.Groups, []string{"admins", "staff"}) {
			t.Errorf("%s: %+v", binding, id)
		}

		// Out from here: the provider answers, signed.
		out, err := m.SignOut(t.Context(), id, ourBase+"/sign-out")
		if err != nil {
			t.Fatal(err)
		}
		answer := b.follow(out)
		r := backFrom(t, answer)
		clk.add(time.Since(clk.now()))
		bye, err := m.Goodbye(t.Context(), r, ourBase)
		if err != nil || bye.Note != "" || len(bye.Ended) != 0 {
			t.Errorf("%s: answer to our logout request: %+v %v", binding, bye, err)
		}

		// Out from there: the provider asks, and takes our answer.
		a, reply = realAttempt(t, m)
		form = b.signIn(reply, ssptest.Bob, ssptest.BobPassword)
		clk.add(time.Since(clk.now()))
		if got, err = m.Resume(t.Context(), a, authntest.Post(form)); err != nil {
			t.Fatal(err)
		}
		id = got.(authn.SignedIn).Identity
		asked := b.read(b.client.Get(p.SLOURL + "?ReturnTo=" + url.QueryEscape(p.URL+"/saml2/idp/metadata.php")))
		r = backFrom(t, asked)
		clk.add(time.Since(clk.now()))
		if !m.Sent(r) {
			t.Errorf("%s: the provider's logout request is not known as its", binding)
		}
		bye, err = m.Goodbye(t.Context(), r, ourBase)
		if err != nil || !slices.Contains(bye.Ended, authn.Ended{Issuer: p.EntityID, SID: id.SID}) {
			t.Fatalf("%s: the provider's logout request: %+v %v", binding, bye, err)
		}
		if done := b.follow(bye.Reply); done.status != http.StatusOK || !strings.Contains(done.body, "EntityDescriptor") {
			t.Errorf("%s: the provider did not like our answer: %d %s %s", binding, done.status, done.at, done.body)
		}
	}
}

// backFrom is the request that the provider sends a browser to us with.
func backFrom(t *testing.T, p page) *http.Request {
	t.Helper()
	if strings.HasPrefix(p.next, ourBase+sloPath) {
		u, err := url.Parse(p.next)
		if err != nil {
			t.Fatal(err)
		}
		r := authntest.Get(u.Query())
		r.URL = u
		return r
	}
	v := p.fields()
	if !v.Has("SAMLRequest") && !v.Has("SAMLResponse") {
		t.Fatalf("the provider does not send anybody back: %d %s %s", p.status, p.at, p.body)
	}
	v.Del("submit")
	return authntest.Post(v)
}

func TestRealEncryption(t *testing.T) {
	p := ssptest.Start(t, sp(true))
	for _, cbc := range []bool{false, true} {
		c := realConfig(t, p)
		c.InsecureCBC = cbc
		clk := realClock()
		m := openFor(t, c, clk, nil)
		a, reply := realAttempt(t, m)
		form := newBrowser(t).signIn(reply, ssptest.Alice, ssptest.AlicePassword)
		if text, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse")); err != nil || !strings.Contains(string(text), "EncryptedAssertion") {
			t.Fatalf("not encrypted: %v", err)
		}
		clk.add(time.Since(clk.now()))
		if _, err := m.Resume(t.Context(), a, authntest.Post(form)); (err == nil) != cbc {
			t.Errorf("insecure_cbc %v: %v", cbc, err)
		}
	}
}

func TestRealProviderRefusesWhatWeDidNotSign(t *testing.T) {
	p := ssptest.Start(t, sp(false))
	c := &Config{SSOURL: p.SSOURL, Certificate: file(t, "idp.pem", string(p.Certificate)), IdPEntityID: p.EntityID}
	m := openFor(t, c, realClock(), nil)
	_, reply := realAttempt(t, m)
	if got := newBrowser(t).follow(reply); strings.Contains(got.body, `type="password"`) {
		t.Error("an unsigned request got a form to sign in with: the provider checks nothing")
	}
	c.Keys = []KeyPair{ownPair(t, spKeys())}
	m = openFor(t, c, realClock(), nil)
	_, reply = realAttempt(t, m)
	if got := newBrowser(t).follow(reply); !strings.Contains(got.body, `type="password"`) {
		t.Errorf("a signed request got no form: %s", got.body)
	}
}
