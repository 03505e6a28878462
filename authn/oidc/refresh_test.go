package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"foregate/authn"
)

// renewing is a provider that gives refresh tokens, and a method that uses them.
func renewing(t *testing.T, change func(*Config)) (*provider, *Method) {
	t.Helper()
	p := newProvider(t)
	p.refresh = func(map[string]any) {}
	c := p.config()
	c.Refresh = true
	if change != nil {
		change(c)
	}
	return p, openMethod(t, c)
}

func mustRefresh(t *testing.T, m *Method, id authn.Identity) authn.Identity {
	t.Helper()
	renewed, err := m.Refresh(t.Context(), id)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	return renewed
}

func TestRefreshTakesWhatTheProviderSaysNow(t *testing.T) {
	p, m := renewing(t, nil)
	before := p.mustIn(t, m)
	if left := time.Until(before.Renew); left < 40*time.Second || left > 55*time.Second {
		t.Errorf("a token of 60 s is renewed in %v", left)
	}
	p.claims = func(c map[string]any) { c["groups"] = []string{"staff"}; c["name"] = "Alice Baker" }
	after := mustRefresh(t, m, before)
	if !slices.Equal(after.Groups, []string{"staff"}) || after.Name != "Alice Baker" || after.User != "alice" {
		t.Errorf("got %+v", after)
	}
	if after.Issuer != before.Issuer || after.Subject != before.Subject || !after.Authenticated.Equal(before.Authenticated) {
		t.Error("another person, or authenticated anew")
	}
	if !after.Renew.After(before.Renew) || after.Private[privateRefresh] != "refresh+" || after.Private[privateToken] == before.Private[privateToken] {
		t.Errorf("the tokens are the old ones: %q", after.Private)
	}
	if again := mustRefresh(t, m, after); again.Private[privateRefresh] != "refresh++" {
		t.Errorf("the token was not rotated: %q", again.Private[privateRefresh])
	}
}

func TestRefreshProvesTheClientAsTheExchangeDoes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"basic": func(c *Config) { c.ClientAuth = authBasic },
		"post":  func(c *Config) { c.ClientAuth = authPost },
		"key": func(c *Config) {
			c.ClientAuth, c.ClientSecret, c.PrivateKey = authPrivateKey, authn.Secret{}, authn.NewSecret(pkcs8(t, ecKey(t)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, m := renewing(t, change)
			mustRefresh(t, m, p.mustIn(t, m))
			form := p.form("/token")
			user, password, basic := (&http.Request{Header: p.headersOf("/token")}).BasicAuth()
			switch name {
			case "basic":
				if !basic || user != "foregate" || password != "s3cret" || form.Has("client_secret") {
					t.Errorf("sent %q %q %v", user, password, form)
				}
			case "post":
				if basic || form.Get("client_secret") != "s3cret" || form.Get("client_id") != "foregate" {
					t.Errorf("sent %v", form)
				}
			case "key":
				if basic || form.Get("client_assertion") == "" || form.Get("client_assertion_type") != assertionType {
					t.Errorf("sent %v", form)
				}
			}
		})
	}
}

func TestOI8WithdrawnAuthorisationEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		ended  bool
	}{
		"invalid_grant":        {400, `{"error":"invalid_grant","error_description":"gone"}`, true},
		"interaction_required": {400, `{"error":"interaction_required"}`, true},
		"login_required":       {400, `{"error":"login_required"}`, true},
		"consent_required":     {400, `{"error":"consent_required"}`, true},
		"invalid_client":       {401, `{"error":"invalid_client"}`, false},
		"unauthorized_client":  {400, `{"error":"unauthorized_client"}`, false},
		"grant and 500":        {500, `{"error":"invalid_grant"}`, false},
		"server error":         {503, `down`, false},
		"no token":             {200, `{}`, false},
		"another type":         {200, `{"access_token":"a","token_type":"mac"}`, false},
		"html":                 {200, `<html>maintenance</html>`, false},
		"html with 400":        {400, `<html>invalid_grant</html>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, m := renewing(t, nil)
			id := p.mustIn(t, m)
			p.answer("/token", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := m.Refresh(t.Context(), id)
			if err == nil || errors.Is(err, authn.ErrEnded) != c.ended {
				t.Errorf("got %v, want ended %v", err, c.ended)
			}
		})
	}
}

func TestFM5ProviderThatIsGoneEndsNothing(t *testing.T) {
	p, m := renewing(t, nil)
	id := p.mustIn(t, m)
	p.answer("/token", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := m.Refresh(ctx, id); err == nil || errors.Is(err, authn.ErrEnded) {
		t.Errorf("a provider that hangs: %v", err)
	}
	p.CloseClientConnections()
	p.Close()
	if _, err := m.Refresh(t.Context(), id); err == nil || errors.Is(err, authn.ErrEnded) {
		t.Errorf("a provider that is gone: %v", err)
	}
}

func TestRefreshRefusesWhoWouldNotBeLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		config func(*Config)
		claims func(map[string]any)
	}{
		"another person":  {nil, func(c map[string]any) { c["sub"] = "mallory" }},
		"lost claim":      {func(c *Config) { c.RequireClaims = map[string]string{"level": "P9"} }, func(c map[string]any) { c["level"] = "P5" }},
		"unverified":      {func(c *Config) { c.RequireVerifiedEmail = true }, func(c map[string]any) { c["email_verified"] = false }},
		"too many groups": {nil, func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }},
	} {
		t.Run(name, func(t *testing.T) {
			p, m := renewing(t, c.config)
			p.claims = func(claims map[string]any) { claims["level"] = "P9" }
			id := p.mustIn(t, m)
			p.claims = c.claims
			if _, err := m.Refresh(t.Context(), id); !errors.Is(err, authn.ErrEnded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The new refresh token must outlive what else goes wrong: the old one is spent.
func TestRefreshKeepsTheNewTokenWhateverElseFails(t *testing.T) {
	for name, spoil := range map[string]func(*provider){
		"userinfo is down": func(p *provider) {
			p.answer("/userinfo", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		},
		"keys cannot be had": func(p *provider) {
			p.rotate(ecKey(t), "key-2")
			p.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		},
		"foreign nonce": func(p *provider) { p.claims = func(c map[string]any) { c["nonce"] = "another's" } },
		"old token":     func(p *provider) { p.claims = func(c map[string]any) { c["iat"] = time.Now().Add(-time.Hour).Unix() } },
	} {
		t.Run(name, func(t *testing.T) {
			p, m := renewing(t, func(c *Config) { c.UserInfo = infoAlways })
			id := p.mustIn(t, m)
			spoil(p)
			p.userinfo = map[string]any{"groups": []string{"root"}}
			kept := mustRefresh(t, m, id)
			if !slices.Equal(kept.Groups, id.Groups) || !kept.Until.Equal(id.Until) || kept.Private[privateRefresh] != "refresh+" {
				t.Errorf("got %+v", kept)
			}
			if left := time.Until(kept.Renew); left > leastRenewal {
				t.Errorf("asked again in %v", left)
			}
		})
	}
}

func TestRefreshWithoutIDTokenAsksUserInfo(t *testing.T) {
	without := func(answer map[string]any) { delete(answer, "id_token") }
	p, m := renewing(t, nil)
	p.refresh = without
	id := p.mustIn(t, m)
	p.userinfo = map[string]any{"groups": []string{"night"}, "preferred_username": "alice"}
	after := mustRefresh(t, m, id)
	if !slices.Equal(after.Groups, []string{"night"}) || after.User != "alice" || after.Email != "alice@hospital.test" {
		t.Errorf("got %+v", after)
	}
	p.userinfo = map[string]any{"sub": "mallory"}
	if kept := mustRefresh(t, m, after); !slices.Equal(kept.Groups, after.Groups) {
		t.Errorf("another's userinfo was believed: %q", kept.Groups)
	}

	p, m = renewing(t, func(c *Config) { c.UserInfo = infoNever })
	p.refresh = without
	id = p.mustIn(t, m)
	if after = mustRefresh(t, m, id); !slices.Equal(after.Groups, id.Groups) || after.Private[privateRefresh] != "refresh+" {
		t.Errorf("nothing said: %+v", after)
	}
}

func TestTokensAreKeptOnlyWhereTheyAreNeeded(t *testing.T) {
	p, m := renewing(t, func(c *Config) { c.Refresh = false })
	id := p.mustIn(t, m)
	if id.Private[privateRefresh] != "" || !id.Renew.IsZero() || id.Claims["access_token"] != nil {
		t.Errorf("kept %+v", id)
	}
	p, m = renewing(t, nil)
	m.claims = append(m.claims, "access_token", "id_token")
	p.claims = func(c map[string]any) { c["access_token"], c["id_token"] = "planted", "planted" }
	id = p.mustIn(t, m)
	if id.Claims["access_token"] != "access" || id.Claims["id_token"] != id.Private[privateToken] {
		t.Errorf("got %v", id.Claims)
	}
	before := id.Claims
	if after := mustRefresh(t, m, id); after.Claims["access_token"] != "accessrefresh+" || before["access_token"] != "access" {
		t.Errorf("got %v, and the old is %v", after.Claims, before)
	}
}

func TestRenewalComesNeitherTooSoonNorNever(t *testing.T) {
	for life, want := range map[any]time.Duration{
		1: leastRenewal, 3600: time.Hour - renewalMargin, 1e9: mostRenewal - renewalMargin, "600": 10*time.Minute - renewalMargin,
	} {
		p, m := renewing(t, nil)
		p.refresh = func(answer map[string]any) { answer["expires_in"] = life }
		left := time.Until(mustRefresh(t, m, p.mustIn(t, m)).Renew)
		if left > want || left < want-5*time.Second {
			t.Errorf("a token of %v s is renewed in %v, want %v", life, left, want)
		}
	}
}
