package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"foregate/authn"
)

// tryDiscovery looks at the provider once, without the background.
func tryDiscovery(t *testing.T, c *Config) error {
	t.Helper()
	full := c.filled()
	roots, err := loadCA(full.CA)
	client := newClient(roots, full.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	d := &discoverer{cfg: &full, client: client, now: time.Now}
	md, err := d.discover(t.Context(), nil)
	if (md == nil) == (err == nil) {
		t.Fatalf("got metadata %v and error %v", md, err)
	}
	return err
}

func TestOI11UnsafeMetadataIsRefused(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, c := range map[string]struct {
		spoil func(map[string]any)
		want  string
	}{
		"issuer of another":       {func(md map[string]any) { md["issuer"] = "https://evil.test" }, "to the letter"},
		"issuer with a slash":     {func(md map[string]any) { md["issuer"] = md["issuer"].(string) + "/" }, "to the letter"},
		"issuer missing":          {func(md map[string]any) { delete(md, "issuer") }, "to the letter"},
		"issuer a number":         {func(md map[string]any) { md["issuer"] = 1 }, "not a provider's metadata"},
		"http endpoint":           {func(md map[string]any) { md["token_endpoint"] = "http://app.test/token" }, "not encrypted"},
		"endpoint elsewhere":      {func(md map[string]any) { md["token_endpoint"] = other.URL + "/token" }, "another host"},
		"keys elsewhere":          {func(md map[string]any) { md["jwks_uri"] = "https://evil.test/jwks" }, "another host"},
		"link-local address":      {func(md map[string]any) { md["userinfo_endpoint"] = "https://169.254.169.254/" }, "another host"},
		"unicode host":            {func(md map[string]any) { md["jwks_uri"] = "https://exаmple.test/jwks" }, "no address has"},
		"javascript":              {func(md map[string]any) { md["authorization_endpoint"] = "javascript:alert(1)" }, "not an absolute address"},
		"file":                    {func(md map[string]any) { md["jwks_uri"] = "file:///etc/passwd" }, "not an absolute address"},
		"ftp":                     {func(md map[string]any) { md["end_session_endpoint"] = "ftp://x/y" }, "not an https address"},
		"credentials in endpoint": {func(md map[string]any) { md["token_endpoint"] = "https://a:b@evil.test/" }, "user name"},
		"token endpoint missing":  {func(md map[string]any) { delete(md, "token_endpoint") }, "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.metadata = c.spoil
			err := tryDiscovery(t, p.config())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestOI11EndpointsOnListedHostsAreAccepted(t *testing.T) {
	p := newProvider(t)
	p.metadata = func(md map[string]any) { md["userinfo_endpoint"] = "https://graph.example.test/userinfo" }
	c := p.config()
	c.EndpointHosts = []string{"graph.example.test"}
	if err := tryDiscovery(t, c); err != nil {
		t.Error(err)
	}
}

func TestOI11EncryptedIssuerKeepsToEncryptedEndpoints(t *testing.T) {
	err := checkEndpoint("token_endpoint", "http://127.0.0.1:80/token", "https://127.0.0.1:80", nil, true)
	if err == nil {
		t.Error("an https issuer may name an http endpoint")
	}
}

func TestHD7RedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(thief.Close)
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/userinfo", "/jwks"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(path, status), func(t *testing.T) {
				p := newProvider(t)
				p.answer(path, func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, thief.URL+path, status)
				})
				if path == "/.well-known/openid-configuration" {
					if err := tryDiscovery(t, p.config()); err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
						t.Errorf("got %v", err)
					}
					return
				}
				c := p.config()
				c.UserInfo = infoAlways
				m := openMethod(t, c)
				if _, err := p.signIn(t, m, attempt()); err == nil {
					t.Error("signed in")
				}
			})
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestHT6AnswersWithoutEndAreCutOff(t *testing.T) {
	endless := func(kind string) (http.HandlerFunc, *atomic.Int64) {
		var sent atomic.Int64
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			chunk := []byte(strings.Repeat(" ", 64<<10))
			for sent.Load() < 1<<30 {
				n, err := w.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}, &sent
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/userinfo", "/jwks"} {
		t.Run(path, func(t *testing.T) {
			p := newProvider(t)
			handler, sent := endless("application/json")
			p.answer(path, handler)
			c := p.config()
			c.UserInfo = infoAlways
			if path == "/.well-known/openid-configuration" {
				if err := tryDiscovery(t, c); !errors.Is(err, errTooLarge) {
					t.Errorf("got %v", err)
				}
			} else {
				m := openMethod(t, c)
				if _, err := p.signIn(t, m, attempt()); err == nil {
					t.Error("signed in")
				}
			}
			// What the socket's buffers hold comes on top of what was read.
			if n := sent.Load(); n > 64<<20 {
				t.Errorf("%d MB were sent", n>>20)
			}
		})
	}
}

func TestOI11StartDoesNotWaitForTheProvider(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	p.Close()
	start := time.Now()
	m := openMethod(t, c)
	if took := time.Since(start); took > time.Second {
		t.Errorf("open took %s", took)
	}
	start = time.Now()
	_, err := m.Begin(t.Context(), attempt())
	refused(t, err, http.StatusServiceUnavailable)
	if took := time.Since(start); took > beginWait+time.Second {
		t.Errorf("begin took %s", took)
	}
	refused(t, m.Health(), http.StatusServiceUnavailable)
}

func TestProviderThatComesUpIsFound(t *testing.T) {
	p := newProvider(t)
	var up atomic.Bool
	p.answer("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		if !up.Swap(true) {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		p.serveMetadata(w)
	})
	m := openMethod(t, p.config())
	p.mustIn(t, m)
	if err := m.Health(); err != nil {
		t.Errorf("health is %v after a sign-in", err)
	}
	if n := p.count("/.well-known/openid-configuration"); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestManyPeopleAtTheDoorMakeOneRequest(t *testing.T) {
	p := newProvider(t)
	gate := make(chan struct{})
	p.answer("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		<-gate
		p.serveMetadata(w)
	})
	m := openMethod(t, p.config())
	errs := make(chan error)
	for range 50 {
		go func() {
			_, err := m.Begin(t.Context(), attempt())
			errs <- err
		}()
	}
	close(gate)
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := p.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestProviderWithoutDiscovery(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.AuthorizationEndpoint, c.TokenEndpoint, c.JWKSURI = p.URL+"/authorize", p.URL+"/token", p.URL+"/jwks"
	m := openMethod(t, c)
	p.mustIn(t, m)
	if n := p.count("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("discovery was asked %d times", n)
	}
}

func TestClientProvesItselfAsConfigured(t *testing.T) {
	p := newProvider(t)
	p.mustIn(t, openMethod(t, p.config()))
	if user, _, ok := basic(p.headersOf("/token")); !ok || user != "foregate" || p.form("/token").Has("client_secret") {
		t.Error("basic: no Authorization header, or a secret in the form")
	}
	c := p.config()
	c.ClientAuth = authPost
	p.mustIn(t, openMethod(t, c))
	if _, _, ok := basic(p.headersOf("/token")); ok || p.form("/token").Get("client_secret") != "s3cret" {
		t.Error("post: an Authorization header, or no secret in the form")
	}
}

func basic(h http.Header) (string, string, bool) {
	return (&http.Request{Header: h}).BasicAuth()
}

func TestTokenEndpointFailuresAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   int
	}{
		"bad secret":  {401, `{"error":"invalid_client","error_description":"who?"}`, http.StatusBadGateway},
		"late code":   {400, `{"error":"invalid_grant"}`, http.StatusBadRequest},
		"outage":      {503, `<html>secret-body</html>`, http.StatusServiceUnavailable},
		"too many":    {429, `{}`, http.StatusServiceUnavailable},
		"not JSON":    {200, `secret-body`, http.StatusServiceUnavailable},
		"other type":  {200, `{"access_token":"secret-body","token_type":"DPoP","id_token":"secret-body"}`, http.StatusBadRequest},
		"no ID token": {200, `{"access_token":"secret-body","token_type":"Bearer"}`, http.StatusBadRequest},
		"error as ok": {200, `{"error":"invalid_grant"}`, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.answer("/token", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			m := openMethod(t, p.config())
			_, err := p.signIn(t, m, attempt())
			refused(t, err, c.want)
			if strings.Contains(err.Error(), "secret-body") {
				t.Errorf("the log is told the body: %v", err)
			}
		})
	}
}

func TestCodeIsNotSpentWhileKeysCannotBeHad(t *testing.T) {
	p := newProvider(t)
	p.answer("/jwks", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	m := openMethod(t, p.config())
	_, err := p.signIn(t, m, attempt())
	refused(t, err, http.StatusServiceUnavailable)
	if p.count("/token") != 0 {
		t.Error("the code was redeemed though the answer could not be verified")
	}
	var e *authn.Error
	if errors.As(m.Health(), &e); e == nil || e.Public == "" {
		t.Error("health has no words")
	}
}
