package oidc

import (
	"context"
	"crypto/elliptic"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foregate/authn"
	"foregate/internal/optest"
)

// The tests below drive a real provider as a browser would.

const callback = "http://127.0.0.1:9/sso/callback/op"

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
		if strings.HasPrefix(r.URL.String(), "http://127.0.0.1:9/") {
			return http.ErrUseLastResponse // ours: nothing listens there
		}
		return nil
	}}
	t.Cleanup(c.CloseIdleConnections)
	return &browser{t, c}
}

// page is an answer with its body read.
type page struct {
	status int
	at     *url.URL
	next   string // Location
	body   string
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
	return page{resp.StatusCode, resp.Request.URL, resp.Header.Get("Location"), string(body)}
}

func (b *browser) get(address string) page { b.t.Helper(); return b.read(b.client.Get(address)) }

func (b *browser) post(address string, v url.Values) page {
	b.t.Helper()
	return b.read(b.client.PostForm(address, v))
}

func (b *browser) login(address, user, password string) page {
	b.t.Helper()
	form := b.get(address)
	if form.status != http.StatusOK {
		b.t.Fatalf("sign-in page: status %d: %s", form.status, form.body)
	}
	return b.post(form.at.String(), url.Values{"user": {user}, "password": {password}})
}

func realConfig(p *optest.Provider) *Config {
	return &Config{
		Issuer: p.Issuer, ClientID: optest.ClientBasic, ClientSecret: authn.NewSecret(optest.Secret),
		Scopes: []string{"openid", "email", "profile", "groups"}, LoginHint: true, ClockTolerance: time.Minute, Timeout: 5 * time.Second,
	}
}

func realAttempt() *authn.Attempt {
	a := attempt()
	a.Callback = callback
	return a
}

func address(t *testing.T, m *Method, a *authn.Attempt) string {
	t.Helper()
	reply, err := m.Begin(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return reply.(authn.Redirect).URL
}

// arrive hands the provider's answer to the method as the server would.
func arrive(t *testing.T, m *Method, a *authn.Attempt, location string) authn.Identity {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, callback) {
		t.Fatalf("sent back to %q", location)
	}
	r := httptest.NewRequest(http.MethodGet, u.String(), nil)
	_ = r.ParseForm()
	id, err := resume(t, m, a, r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var (
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	action = regexp.MustCompile(`action="([^"]+)"`)
)

// fields returns a form's address and hidden fields.
func (b *browser) fields(body string) (string, url.Values) {
	b.t.Helper()
	to := action.FindStringSubmatch(body)
	if to == nil {
		b.t.Fatalf("no form in %s", body)
	}
	v := url.Values{}
	for _, f := range hidden.FindAllStringSubmatch(body, -1) {
		v.Set(f[1], html.UnescapeString(f[2]))
	}
	return html.UnescapeString(to[1]), v
}

func TestRealProviderSignsInAndOut(t *testing.T) {
	const bye = "http://127.0.0.1:9/bye"
	p := optest.Start(t, optest.Options{RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{bye}})
	c := realConfig(p)
	c.UserInfo = infoAlways
	m := openMethod(t, c)
	b := newBrowser(t)

	a := realAttempt()
	first := address(t, m, a)
	if wrong := b.login(first, optest.Alice, "wrong"); wrong.status != http.StatusUnauthorized || wrong.next != "" {
		t.Fatalf("wrong password: status %d to %q", wrong.status, wrong.next)
	}
	id := arrive(t, m, a, b.login(first, optest.Alice, optest.AlicePassword).next)
	if id.Subject != "alice" || id.Email != "alice@example.test" || !id.Checked || id.Name != "Alice Archer" ||
		!slices.Equal(id.Groups, []string{"admins", "staff"}) || id.Issuer != p.Issuer {
		t.Errorf("got %+v", id)
	}

	// Signed in there already, the person passes without a word.
	a = realAttempt()
	arrive(t, m, a, b.get(address(t, m, a)).next)

	// Unless a fresh proof is wanted.
	a = realAttempt()
	a.Fresh = true
	id = arrive(t, m, a, b.login(address(t, m, a), optest.Alice, optest.AlicePassword).next)

	// A key rotation is noticed at the first token that needs it.
	p.Rotate(t)
	a = realAttempt()
	id = arrive(t, m, a, b.get(address(t, m, a)).next)

	reply, err := m.SignOut(t.Context(), id, bye)
	if err != nil {
		t.Fatal(err)
	}
	to, form := b.fields(b.get(reply.(authn.Redirect).URL).body)
	form.Set("logout", "yes")
	if out := b.post(to, form); !strings.HasPrefix(out.next, bye) {
		t.Errorf("signed out, then sent to %q with status %d", out.next, out.status)
	}
	a = realAttempt()
	if again := b.get(address(t, m, a)); again.status != http.StatusOK || !strings.Contains(again.body, `type="password"`) {
		t.Errorf("signed out, yet not asked for the password: status %d", again.status)
	}
}

func TestRealProviderAnswersByFormPost(t *testing.T) {
	p := optest.Start(t, optest.Options{Title: "Second Hospital", RedirectURIs: []string{callback}})
	c := realConfig(p)
	c.ClientID, c.ClientAuth, c.ResponseMode = optest.ClientPost, authPost, modeFormPost
	m := openMethod(t, c)
	b := newBrowser(t)
	a := realAttempt()
	start := address(t, m, a)
	if form := b.get(start); !strings.Contains(form.body, "<h1>Second Hospital</h1>") {
		t.Errorf("the sign-in page has no title: %s", form.body)
	}
	to, form := b.fields(b.login(start, optest.Bob, optest.BobPassword).body)
	if to != callback {
		t.Fatalf("form goes to %q", to)
	}
	id, err := resume(t, m, a, post(form))
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "bob" || id.Checked || id.User != "bob" || !slices.Equal(id.Groups, []string{"guests"}) {
		t.Errorf("got %+v", id)
	}
}

func TestRealProviderTakesAPrivateKey(t *testing.T) {
	for name, key := range map[string]string{"RSA": pkcs8(t, rsaKey()), "EC": pkcs8(t, curveKey(t, elliptic.P256()))} {
		t.Run(name, func(t *testing.T) {
			var m *Method
			keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/jwk-set+json")
				_, _ = w.Write(m.JWKS())
			}))
			t.Cleanup(keys.Close)
			p := optest.Start(t, optest.Options{RedirectURIs: []string{callback}, JWKSURI: keys.URL})
			c := realConfig(p)
			c.ClientID, c.ClientAuth, c.ClientSecret, c.PrivateKey = optest.ClientKey, authPrivateKey, authn.Secret{}, authn.NewSecret(key)
			m = openMethod(t, c)
			a := realAttempt()
			id := arrive(t, m, a, newBrowser(t).login(address(t, m, a), optest.Alice, optest.AlicePassword).next)
			if id.Subject != "alice" {
				t.Errorf("got %+v", id)
			}
		})
	}
}

func TestOI9RealProviderRotatesRefreshTokens(t *testing.T) {
	p := optest.Start(t, optest.Options{RedirectURIs: []string{callback}, AccessTokenTTL: 40})
	c := realConfig(p)
	c.Refresh = true
	m := openMethod(t, c)
	b := newBrowser(t)
	a := realAttempt()
	id := arrive(t, m, a, b.login(address(t, m, a), optest.Alice, optest.AlicePassword).next)
	if left := time.Until(id.Renew); left < 20*time.Second || left > 31*time.Second {
		t.Errorf("a token of 40 s is renewed in %v", left)
	}

	p.Say(t, optest.Alice, map[string]any{"groups": []string{"night"}})
	after := mustRefresh(t, m, id)
	if !slices.Equal(after.Groups, []string{"night"}) || after.Private[privateRefresh] == id.Private[privateRefresh] {
		t.Errorf("renewed into %+v", after)
	}
	again := mustRefresh(t, m, after)

	p.Freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := m.Refresh(ctx, again); err == nil || errors.Is(err, authn.ErrEnded) {
		t.Errorf("a provider that hangs: %v", err)
	}
	p.Thaw(t)

	a = realAttempt()
	other := arrive(t, m, a, b.get(address(t, m, a)).next)
	p.Revoke(t, optest.Alice)
	if _, err := m.Refresh(t.Context(), other); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("after the grant was revoked: %v", err)
	}
	// A token that was used before is a copy: the provider ends them all.
	if _, err := m.Refresh(t.Context(), id); !errors.Is(err, authn.ErrEnded) {
		t.Errorf("a spent token: %v", err)
	}
}
