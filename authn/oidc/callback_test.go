package oidc

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"foregate/authn"
)

func post(values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/sso/callback/entra", strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_ = r.ParseForm()
	return r
}

func raw(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/sso/callback/entra", nil)
	r.URL.RawQuery = query
	_ = r.ParseForm()
	return r
}

func TestOI1StateMustBeThatOfTheAttempt(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, state := range map[string]func(id string) string{
		"missing": func(string) string { return "" },
		"altered": func(id string) string { return id + "x" },
		"short":   func(id string) string { return id[:len(id)-1] },
		"100 kB":  func(string) string { return strings.Repeat("s", 100<<10) },
		"JSON":    func(string) string { return `{"state":1}` },
		"other":   func(string) string { return attempt().ID },
	} {
		a := attempt()
		p.begin(t, m, a)
		_, err := resume(t, m, a, get(url.Values{"code": {"good"}, "state": {state(a.ID)}}))
		if err == nil {
			t.Fatalf("state %s: signed in", name)
		}
		refused(t, err, http.StatusBadRequest)
	}
	if n := p.count("/token"); n != 0 {
		t.Errorf("token endpoint was asked %d times", n)
	}
}

func TestOI1AnswerWorksOnce(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	a := attempt()
	if _, err := p.signIn(t, m, a); err != nil {
		t.Fatal(err)
	}
	_, err := resume(t, m, a, get(url.Values{"code": {"good"}, "state": {a.ID}}))
	refused(t, err, http.StatusBadRequest)
	if !errors.Is(err, authn.ErrSpent) {
		t.Errorf("got %v, want ErrSpent", err)
	}
	if n := p.count("/token"); n != 1 {
		t.Errorf("token endpoint was asked %d times", n)
	}
}

func TestOI1OldOrForeignAttemptIsRefused(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, change := range map[string]func(*authn.Attempt){
		"two hours old":  func(a *authn.Attempt) { a.Began = a.Began.Add(-2 * time.Hour) },
		"without values": func(a *authn.Attempt) { a.Values = nil },
		"empty nonce":    func(a *authn.Attempt) { a.Keep(keptNonce, "") },
		"empty verifier": func(a *authn.Attempt) { a.Keep(keptVerifier, "") },
	} {
		a := attempt()
		p.begin(t, m, a)
		change(a)
		_, err := resume(t, m, a, get(url.Values{"code": {"good"}, "state": {a.ID}}))
		if err == nil {
			t.Fatalf("%s: signed in", name)
		}
		refused(t, err, http.StatusBadRequest)
	}
}

func TestSignInIsRefusedWhenItsMarkCannotBeStored(t *testing.T) {
	p := newProvider(t)
	e := env()
	e.Once = &marks{err: errors.New("store is down")}
	m, err := open(p.config(), e, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	_, err = p.signIn(t, m, attempt())
	refused(t, err, http.StatusServiceUnavailable)
}

func TestOI2PKCEIsAlwaysSentAndBelongsToOneAttempt(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	one, other := attempt(), attempt()
	first := p.begin(t, m, one)
	second := p.begin(t, m, other)
	for _, q := range []url.Values{first, second} {
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
			t.Errorf("sent challenge %q by %q", q.Get("code_challenge"), q.Get("code_challenge_method"))
		}
	}
	if first.Get("code_challenge") == second.Get("code_challenge") || first.Get("nonce") == second.Get("nonce") {
		t.Error("two attempts share a challenge or a nonce")
	}
	if n := len(one.Values[keptVerifier]); n < 43 {
		t.Errorf("verifier has %d characters", n)
	}
	// The provider holds the second tab's challenge now.
	_, err := resume(t, m, one, get(url.Values{"code": {"good"}, "state": {one.ID}}))
	refused(t, err, http.StatusBadRequest)
}

func TestOI3AnswersOfAnotherIssuerAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		announced bool
		iss       []string
		ok        bool
	}{
		"right":                       {true, []string{"own"}, true},
		"right though not announced":  {false, []string{"own"}, true},
		"absent and not announced":    {false, nil, true},
		"absent though announced":     {true, nil, false},
		"another":                     {false, []string{"https://evil.test"}, false},
		"empty":                       {false, []string{""}, false},
		"empty though announced":      {true, []string{""}, false},
		"twice":                       {true, []string{"own", "own"}, false},
		"with a slash at its end":     {true, []string{"own/"}, false},
		"another and the right twice": {false, []string{"own", "https://evil.test"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.metadata = func(md map[string]any) { md["authorization_response_iss_parameter_supported"] = c.announced }
			m := openMethod(t, p.config())
			a := attempt()
			p.begin(t, m, a)
			q := url.Values{"code": {"good"}, "state": {a.ID}}
			for _, iss := range c.iss {
				q.Add("iss", strings.Replace(iss, "own", p.issuer(), 1))
			}
			_, err := resume(t, m, a, get(q))
			if (err == nil) != c.ok {
				t.Fatalf("got error %v", err)
			}
			if !c.ok {
				refused(t, err, http.StatusBadRequest)
				if p.count("/token") != 0 {
					t.Error("the code was sent to the token endpoint")
				}
			}
		})
	}
}

func TestOI14MalformedAnswersAreRefused(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for name, request := range map[string]func(id string) *http.Request{
		"code twice":         func(id string) *http.Request { return raw("code=good&code=good&state=" + id) },
		"state twice":        func(id string) *http.Request { return raw("code=good&state=" + id + "&state=" + id) },
		"anything twice":     func(id string) *http.Request { return raw("code=good&state=" + id + "&x=1&x=2") },
		"error and code":     func(id string) *http.Request { return raw("code=good&error=access_denied&state=" + id) },
		"empty error, code":  func(id string) *http.Request { return raw("code=good&error=&state=" + id) },
		"empty error":        func(id string) *http.Request { return raw("error=&state=" + id) },
		"neither":            func(id string) *http.Request { return raw("state=" + id) },
		"nothing":            func(string) *http.Request { return raw("") },
		"broken escapes":     func(id string) *http.Request { return raw("code=good&state=" + id + "&x=%zz") },
		"semicolons":         func(id string) *http.Request { return raw("code=good;state=" + id) },
		"long code":          func(id string) *http.Request { return raw("code=" + strings.Repeat("c", 9000) + "&state=" + id) },
		"by POST, not GET":   func(id string) *http.Request { return post(url.Values{"code": {"good"}, "state": {id}}) },
		"by HEAD":            func(id string) *http.Request { r := raw("code=good&state=" + id); r.Method = "HEAD"; return r },
		"only in a fragment": func(id string) *http.Request { r := raw(""); r.URL.Fragment = "code=good&state=" + id; return r },
	} {
		a := attempt()
		p.begin(t, m, a)
		_, err := resume(t, m, a, request(a.ID))
		if err == nil {
			t.Fatalf("%s: signed in", name)
		}
		refused(t, err, http.StatusBadRequest)
	}
	if n := p.count("/token"); n != 0 {
		t.Errorf("token endpoint was asked %d times", n)
	}
}

func TestOI14FormPostComesInTheFormOnly(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.ResponseMode = modeFormPost
	m := openMethod(t, c)
	a := attempt()
	if q := p.begin(t, m, a); q.Get("response_mode") != modeFormPost {
		t.Errorf("sent response_mode %q", q.Get("response_mode"))
	}
	good := url.Values{"code": {"good"}, "state": {a.ID}}
	mixed := post(good)
	mixed.URL.RawQuery = "code=evil"
	for name, r := range map[string]*http.Request{"by GET": get(good), "form and query": mixed} {
		_, err := resume(t, m, a, r)
		if err == nil {
			t.Fatalf("%s: signed in", name)
		}
		refused(t, err, http.StatusBadRequest)
	}
	if _, err := resume(t, m, a, post(good)); err != nil {
		t.Fatal(err)
	}
}

func TestProvidersRefusalIsPutInPlainWords(t *testing.T) {
	p := newProvider(t)
	m := openMethod(t, p.config())
	for code, status := range map[string]int{
		"access_denied":           http.StatusForbidden,
		"login_required":          http.StatusForbidden,
		"temporarily_unavailable": http.StatusServiceUnavailable,
		"server_error":            http.StatusServiceUnavailable,
		"unauthorized_client":     http.StatusBadGateway,
		"<script>":                http.StatusBadGateway,
	} {
		a := attempt()
		p.begin(t, m, a)
		_, err := resume(t, m, a, get(url.Values{"error": {code}, "error_description": {"<b>line\nbreak</b>"}, "state": {a.ID}}))
		refused(t, err, status)
		var e *authn.Error
		errors.As(err, &e)
		if strings.ContainsAny(e.Public, "<>\n") || strings.Contains(e.Public, "line") {
			t.Errorf("%s: the person is told %q", code, e.Public)
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "linebreak") {
			t.Errorf("%s: the log is told %q", code, err)
		}
	}
}

func TestOI15RequestIsShapedByTheConfigurationAlone(t *testing.T) {
	p := newProvider(t)
	c := p.config()
	c.Scopes = []string{"openid", "groups"}
	c.ExtraParameters = map[string]string{"domain": "hospital.test"}
	m := openMethod(t, c)
	a := attempt()
	a.Hint = "alice@hospital.test&scope=evil&prompt=none&redirect_uri=https://evil.test"
	q := p.begin(t, m, a)
	want := map[string]string{
		"response_type": "code", "client_id": "foregate", "scope": "openid groups", "state": a.ID,
		"redirect_uri": "https://app.test/sso/callback/entra", "domain": "hospital.test", "prompt": "",
		"acr_values": "", "login_hint": a.Hint,
	}
	for name, value := range want {
		if got := q[name]; len(got) > 1 || q.Get(name) != value {
			t.Errorf("sent %s %q, want %q", name, got, value)
		}
	}
	a.Hint = strings.Repeat("x", 5000)
	if q := p.begin(t, m, a); q.Has("login_hint") {
		t.Error("sent a hint of 5000 bytes")
	}
}

func FuzzCallback(f *testing.F) {
	p := newProvider(f)
	c := p.config()
	query := openMethod(f, c)
	c.ResponseMode = modeFormPost
	form := openMethod(f, c)
	f.Add("code=good&state=x", false)
	f.Add("error=access_denied&error_description=%00", true)
	f.Add("iss=&state=&code=", false)
	f.Add("code=%zz;state", true)
	f.Fuzz(func(t *testing.T, values string, posted bool) {
		a := attempt()
		a.Keep(keptNonce, "n")
		a.Keep(keptVerifier, "v")
		a.Keep(keptRedirect, a.Callback)
		// The state may be right; the code is never one that the provider gave.
		values = strings.ReplaceAll(values, "state=x", "state="+a.ID)
		m, r := query, raw(values)
		if posted {
			m, r = form, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(values))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_ = r.ParseForm()
		}
		reply, err := m.Resume(t.Context(), a, r)
		if err == nil || reply != nil {
			t.Fatalf("got reply %T, error %v", reply, err)
		}
	})
}
