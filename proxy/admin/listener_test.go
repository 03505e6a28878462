package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"foregate/authn/accounts"
)

func (w *world) listener(near bool) *Listener {
	return NewListener(ListenerParts{
		Metrics: NewMetrics("test"), API: w.api, Guard: w.guard, Near: near,
		Ready: func(context.Context) error { return errors.New("the store is down") },
	})
}

// ask sends a request to the listener with headers of "Name: value".
func ask(l *Listener, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	l.ServeHTTP(rec, r)
	return rec
}

const asJSON = "Content-Type: application/json"

func TestListenerAsksWhoItIs(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	far := w.listener(false)
	bearer, cookie := "Authorization: Bearer "+nightly, "Cookie: "+PassCookie+"="+w.pass(SignIn{Token: nightly})
	for name, test := range map[string]struct {
		l       *Listener
		target  string
		headers []string
		status  int
	}{
		"nobody":                          {far, "/api/v1/accounts", nil, 401},
		"a token":                         {far, "/api/v1/accounts", []string{bearer}, 200},
		"the console's cookie":            {far, "/api/v1/accounts", []string{cookie}, 200},
		"a wrong token beside a cookie":   {far, "/api/v1/accounts", []string{cookie, "Authorization: Bearer x"}, 401},
		"nobody on loopback":              {w.listener(true), "/api/v1/accounts", nil, 401},
		"figures on loopback":             {w.listener(true), "/metrics", nil, 200},
		"figures from elsewhere":          {far, "/metrics", nil, 401},
		"figures with a token":            {far, "/metrics", []string{bearer}, 200},
		"figures of all for one's desk":   {far, "/metrics", []string{"Authorization: Bearer " + deskOne}, 401},
		"health":                          {far, "/healthz", nil, 200},
		"readiness":                       {far, "/readyz", nil, 503},
		"the description":                 {far, "/api/v1/openapi.json", nil, 200},
		"a role that is not enough":       {far, "/api/v1/config", []string{"Authorization: Bearer " + deskOne}, 403},
		"what is not there":               {far, "/api/v1/secrets", []string{bearer}, 404},
		"a folder":                        {far, "/api/v1/", []string{bearer}, 404},
		"a path of two meanings":          {far, "/api/v1/accounts/../config", []string{"Authorization: Bearer " + deskOne}, 307},
		"an encoded path of two meanings": {far, "/api/v1/accounts/..%2fconfig", []string{"Authorization: Bearer " + deskOne}, 404},
	} {
		rec := ask(test.l, "GET", test.target, "", test.headers...)
		if rec.Code != test.status {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if h := rec.Header(); h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
	if body := ask(far, "GET", "/readyz", "").Body.String(); strings.Contains(body, "is down") {
		t.Errorf("a stranger is told %q", body)
	}
}

// TestCF4OtherSitesChangeNothing: a page that an administrator's browser has open asks
// for changes in every way that needs no leave of ours.
func TestCF4OtherSitesChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(Rules{Allowed: rules.Allowed, Tokens: rules.Tokens})
	w.withPassword(w.alice)
	l := w.listener(true)
	cookie := "Cookie: " + PassCookie + "=" + w.pass(SignIn{User: "alice", Password: password})
	disable := AccountPath(w.bob.ID, "/disable")
	for name, headers := range map[string][]string{
		"another site":             {cookie, asJSON, "Sec-Fetch-Site: cross-site"},
		"a site beside it":         {cookie, asJSON, "Sec-Fetch-Site: same-site"},
		"another origin":           {cookie, asJSON, "Origin: https://evil.example"},
		"no origin":                {cookie, asJSON, "Origin: null"},
		"a form":                   {cookie, "Content-Type: application/x-www-form-urlencoded"},
		"a form with files":        {cookie, "Content-Type: multipart/form-data; boundary=x"},
		"text":                     {cookie, "Content-Type: text/plain"},
		"text that is like JSON":   {cookie, "Content-Type: text/plain; application/json"},
		"nothing":                  {cookie},
		"a bearer, from elsewhere": {"Authorization: Bearer " + deskOne, asJSON, "Sec-Fetch-Site: cross-site"},
	} {
		rec := ask(l, "POST", disable, "{}", headers...)
		if rec.Code != http.StatusForbidden && rec.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "TRACE"} {
		if rec := ask(l, method, disable, "{}", cookie, asJSON); rec.Code < 400 {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
	if rec := ask(l, "DELETE", AccountPath(w.bob.ID, ""), "", cookie, "Sec-Fetch-Site: cross-site"); rec.Code != http.StatusForbidden {
		t.Errorf("DELETE from another site: %d", rec.Code)
	}
	if rec := ask(l, "OPTIONS", disable, "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"); rec.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin is let in: %v", rec.Header())
	}
	if bob, err := w.accounts.Get(t.Context(), w.bob.ID); err != nil || bob.Status != accounts.Active {
		t.Fatalf("bob was disabled: %+v, %v", bob, err)
	}
	if rec := ask(l, "POST", disable, "{}", cookie, asJSON, "Sec-Fetch-Site: same-origin"); rec.Code != 200 {
		t.Errorf("the console itself: %d %s", rec.Code, rec.Body)
	}
}

func TestSignInByTheListener(t *testing.T) {
	w := newWorld(t)
	w.guard.Use(rules)
	w.withPassword(w.alice)
	l := w.listener(true)
	for body, status := range map[string]int{
		`{"user":"alice","password":"` + password + `"}`:  200,
		`{"token":"` + nightly + `"}`:                     200,
		`{"user":"alice","password":"wrong"}`:             401,
		`{"user":"nobody","password":"` + password + `"}`: 401,
		`{"token":"wrong"}`:                               401,
		`{}`:                                              401,
		`{"user":"alice","passwort":"x"}`:                 400,
		`{"user":"alice","password":"x"} {"more":true}`:   400,
	} {
		rec := ask(l, "POST", "/api/v1/sign-in", body, asJSON)
		if rec.Code != status {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
		if strings.Contains(rec.Body.String(), password) || strings.Contains(rec.Body.String(), nightly) {
			t.Errorf("the answer has the secret: %s", rec.Body)
		}
	}
	var in PassInfo
	w.got(Who{}, "POST", "/sign-in", `{"token":"`+nightly+`"}`, &in)
	with := "Authorization: Bearer " + in.Pass
	if rec := ask(l, "GET", "/api/v1/who", "", with); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"role":"viewer"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := ask(l, "POST", "/api/v1/sign-out", "{}", with, asJSON); rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := ask(l, "GET", "/api/v1/who", "", with); rec.Code != 401 {
		t.Errorf("after the sign-out: %d %s", rec.Code, rec.Body)
	}
}
