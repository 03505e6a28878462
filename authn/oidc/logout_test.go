package oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"foregate/authn"
)

// logoutClaims are those of a logout token that is right.
func (p *provider) logoutClaims() map[string]any {
	return map[string]any{
		"iss": p.issuer(), "aud": "foregate", "jti": "j-" + time.Now().Format(time.RFC3339Nano), "sub": "alice", "sid": "s-1",
		"iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
}

// logoutToken signs claims with a header of that type, or without one.
func (p *provider) logoutToken(typ string, claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	var header map[jose.HeaderKey]any
	if typ != "" {
		header = map[jose.HeaderKey]any{jose.HeaderType: typ}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return sign(p.signer, header, body)
}

func logoutRequest(tokens ...string) *http.Request {
	body := url.Values{"logout_token": tokens}.Encode()
	r := httptest.NewRequest(http.MethodPost, "/sso/backchannel/entra", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_ = r.ParseForm()
	return r
}

func TestOI12LogoutNamesWhoseSessionsEnd(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, test := range map[string]struct {
		typ    string
		change func(map[string]any)
		want   authn.Ended
	}{
		"by session and person": {"logout+jwt", nil, authn.Ended{Issuer: p.issuer(), Subject: "alice", SID: "s-1"}},
		"by session":            {"logout+jwt", func(c map[string]any) { delete(c, "sub") }, authn.Ended{Issuer: p.issuer(), SID: "s-1"}},
		"by person":             {"logout+jwt", func(c map[string]any) { delete(c, "sid") }, authn.Ended{Issuer: p.issuer(), Subject: "alice"}},
		"long media type":       {"application/logout+jwt", nil, authn.Ended{Issuer: p.issuer(), Subject: "alice", SID: "s-1"}},
		"older provider":        {"JWT", func(c map[string]any) { delete(c, "exp") }, authn.Ended{Issuer: p.issuer(), Subject: "alice", SID: "s-1"}},
		"no type":               {"", nil, authn.Ended{Issuer: p.issuer(), Subject: "alice", SID: "s-1"}},
		"several audiences":     {"", func(c map[string]any) { c["aud"] = []string{"other", "foregate"} }, authn.Ended{Issuer: p.issuer(), Subject: "alice", SID: "s-1"}},
	} {
		claims := p.logoutClaims()
		if test.change != nil {
			test.change(claims)
		}
		got, err := m.Logout(t.Context(), logoutRequest(p.logoutToken(test.typ, claims)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOI12WrongLogoutTokensEndNothing(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	for name, change := range map[string]func(map[string]any){
		"nonce":                 set("nonce", "n"),
		"empty nonce":           set("nonce", ""),
		"no events":             drop("events"),
		"another event":         set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}),
		"event in another case": set("events", map[string]any{strings.ToUpper(logoutEvent): map[string]any{}}),
		"event as text":         set("events", logoutEvent),
		"events in a list":      set("events", []any{logoutEvent}),
		"event without object":  set("events", map[string]any{logoutEvent: true}),
		"no iat":                drop("iat"),
		"iat as text":           set("iat", "1"),
		"old":                   set("iat", time.Now().Add(-maxLogoutAge-2*time.Minute).Unix()),
		"from the future":       set("iat", time.Now().Add(2*time.Minute).Unix()),
		"expired":               set("exp", time.Now().Add(-2*time.Minute).Unix()),
		"exp as text":           set("exp", "later"),
		"not valid yet":         set("nbf", time.Now().Add(time.Hour).Unix()),
		"no jti":                drop("jti"),
		"empty jti":             set("jti", ""),
		"jti as number":         set("jti", 1),
		"nobody":                func(c map[string]any) { delete(c, "sub"); delete(c, "sid") },
		"empty names":           func(c map[string]any) { c["sub"] = ""; c["sid"] = "" },
		"empty sid beside sub":  set("sid", ""),
		"sid as number":         set("sid", 7),
		"sub as list":           set("sub", []string{"alice"}),
		"long sid":              set("sid", strings.Repeat("s", maxSID+1)),
		"another audience":      set("aud", "other"),
		"no audience":           drop("aud"),
		"audience as object":    set("aud", map[string]any{"foregate": true}),
		"another issuer":        set("iss", "https://other.example"),
		"no issuer":             drop("iss"),
	} {
		claims := p.logoutClaims()
		change(claims)
		wrongLogout(t, m, name, logoutRequest(p.logoutToken("logout+jwt", claims)))
	}
	for _, typ := range []string{"at+jwt", "secevent+jwt", "logout", "JOSE"} {
		wrongLogout(t, m, "type "+typ, logoutRequest(p.logoutToken(typ, p.logoutClaims())))
	}
	wrongLogout(t, m, "an ID token", logoutRequest(p.token("nonce")))
}

func wrongLogout(t *testing.T, m *Method, name string, r *http.Request) {
	t.Helper()
	ended, err := m.Logout(t.Context(), r)
	var e *authn.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest || ended != (authn.Ended{}) {
		t.Errorf("%s: got %+v, %v, want status 400", name, ended, err)
	}
}

func TestOI12ForgedLogoutTokensEndNothing(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	good := p.logoutToken("logout+jwt", p.logoutClaims())
	parts := strings.Split(good, ".")
	p.mu.Lock()
	public := p.published[0]
	p.mu.Unlock()
	published, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(p.logoutClaims())
	if err != nil {
		t.Fatal(err)
	}
	own := sign(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: ecKey(t), KeyID: "key-1"}}, nil, body)
	symmetric := sign(jose.SigningKey{Algorithm: jose.HS256, Key: published}, nil, body)
	for name, token := range map[string]string{
		"alg none":             segment(map[string]any{"alg": "none"}) + "." + parts[1] + ".",
		"HMAC with public key": symmetric,
		"another key":          own,
		"no signature":         parts[0] + "." + parts[1] + ".",
		"changed":              parts[0] + "." + segment(map[string]any{"sub": "bob"}) + "." + parts[2],
		"critical header":      reheader(good, map[string]any{"alg": "ES256", "kid": "key-1", "crit": []string{"x"}, "x": 1}),
		"not a token":          "logout, please",
		"empty":                "",
		"huge":                 strings.Repeat("a", maxIDToken) + "." + parts[1] + "." + parts[2],
	} {
		wrongLogout(t, m, name, logoutRequest(token))
	}
	if n := p.count("/jwks"); n > 1+fetchesInside {
		t.Errorf("forged tokens made %d requests for keys", n)
	}
	if _, err := m.Logout(t.Context(), logoutRequest(good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestOI12LogoutRequestHasOneTokenInItsBody(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	good := p.logoutToken("logout+jwt", p.logoutClaims())
	get := httptest.NewRequest(http.MethodGet, "/sso/backchannel/entra?logout_token="+good, nil)
	_ = get.ParseForm()
	inQuery := httptest.NewRequest(http.MethodPost, "/sso/backchannel/entra?logout_token="+good, nil)
	_ = inQuery.ParseForm()
	both := logoutRequest(good)
	both.URL.RawQuery = "logout_token=" + good
	for name, r := range map[string]*http.Request{
		"twice": logoutRequest(good, good), "twice, one wrong": logoutRequest("x", good), "none": logoutRequest(),
		"by GET": get, "in the query": inQuery, "in both": both,
	} {
		wrongLogout(t, m, name, r)
	}
	if _, err := m.Logout(t.Context(), logoutRequest(good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestOI12LogoutTokenCountsOnce(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	good := p.logoutToken("logout+jwt", p.logoutClaims())
	if _, err := m.Logout(t.Context(), logoutRequest(good)); err != nil {
		t.Fatal(err)
	}
	wrongLogout(t, m, "again", logoutRequest(good))
}

func TestOI12ProviderIsAskedToTryAgain(t *testing.T) {
	p := newProvider(t)
	e := env()
	once := &marks{err: errors.New("store down")}
	e.Once = once
	m, err := open(p.config(), e, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	p.mustIn(t, openMethod(t, p.config())) // the provider is fine
	good := p.logoutToken("logout+jwt", p.logoutClaims())
	_, err = m.Logout(t.Context(), logoutRequest(good))
	refused(t, err, http.StatusServiceUnavailable)
	once.mu.Lock()
	once.err = nil
	once.mu.Unlock()
	if _, err := m.Logout(t.Context(), logoutRequest(good)); err != nil {
		t.Errorf("then: %v", err)
	}

	p.rotate(ecKey(t), "key-2")
	p.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	_, err = m.Logout(t.Context(), logoutRequest(p.logoutToken("logout+jwt", p.logoutClaims())))
	refused(t, err, http.StatusServiceUnavailable)
}

func TestSignInKeepsTheProvidersSessionID(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, test := range map[string]struct {
		sid  any
		want string
	}{
		"text": {"s-1", "s-1"}, "none": {nil, ""}, "number": {7, ""}, "too long": {strings.Repeat("s", maxSID+1), ""},
		"control characters": {"s\n1", ""},
	} {
		p.claims = func(c map[string]any) { c["sid"] = test.sid }
		if got := p.mustIn(t, m).SID; got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestEntraLogoutGoesByTenantAndSession(t *testing.T) {
	const tenant = "0f8fad5b-d9cb-469f-a165-70867728950e"
	p := newProvider(t)
	p.path = "/" + tenant + "/v2.0"
	c := p.config()
	c.Preset, c.Algorithms = presetEntra, []string{"ES256"}
	m := openMethod(t, c)
	got, err := m.Logout(t.Context(), logoutRequest(p.logoutToken("logout+jwt", p.logoutClaims())))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(authn.Ended{Issuer: p.issuer(), SID: "s-1"}, got); diff != "" {
		t.Error(diff)
	}
	claims := p.logoutClaims()
	delete(claims, "sid") // sub alone names nobody there
	wrongLogout(t, m, "by sub alone", logoutRequest(p.logoutToken("logout+jwt", claims)))
}

func TestFrameOriginIsTheIssuers(t *testing.T) {
	p := newProvider(t)
	p.path = "/realms/hospital"
	if got := openMethod(t, p.config()).FrameOrigin(); got != p.URL {
		t.Errorf("got %q, want %q", got, p.URL)
	}
}

func FuzzLogout(f *testing.F) {
	p := newProvider(f)
	m := openMethod(f, p.config())
	f.Add(p.logoutToken("logout+jwt", p.logoutClaims())[:80])
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if ended, err := m.Logout(t.Context(), logoutRequest(token)); err == nil {
			t.Errorf("%q ended %+v", token, ended)
		}
	})
}
