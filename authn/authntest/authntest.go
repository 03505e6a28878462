// Package authntest is the contract that every sign-in method must pass.
//
// A method's test says how to open one and calls Run. Each check opens a fresh
// Subject, walks it as a browser, a stranger or a failing network would, and
// says what broke. The package also has what such tests need: attempts and
// requests as the server makes them, and counters and marks kept in memory, or
// by a store that does not answer.
package authntest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"foregate/authn"
)

// Subject is one opened method.
type Subject struct {
	Authenticator authn.Authenticator

	// Attempt makes a fresh attempt with an ID of its own. Nil means NewAttempt.
	Attempt func() *authn.Attempt

	// Recognizes says that the request itself is the proof (an address, a
	// certificate), so that Begin and Resume may sign in without asking.
	Recognizes bool

	// Constant lists keys of Attempt.Values that may be the same in two
	// attempts: a step, an issuer. Every other kept value must differ.
	Constant []string

	// SignIn walks an attempt from Begin to SignedIn as a person who may come in
	// would. It is called twice, for the same person. Nil leaves that check out.
	SignIn func(ctx context.Context, a *authn.Attempt) (authn.Reply, error)
}

// Run checks that the methods which open makes keep the contract of
// authn.Authenticator. It opens a new one for each check.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range contract() {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			if c.needsSignIn && s.SignIn == nil {
				t.Skip("this subject has no walk that signs in")
			}
			if err := c.run(s); err != nil {
				t.Error(err)
			}
		})
	}
}

func (s Subject) attempt() *authn.Attempt {
	if s.Attempt != nil {
		return s.Attempt()
	}
	return NewAttempt("method", "app.example")
}

// NewAttempt is an attempt as the server makes it, of a browser at 192.0.2.10.
func NewAttempt(method, host string) *authn.Attempt {
	return &authn.Attempt{
		ID:       rand.Text(),
		Method:   method,
		Host:     host,
		Return:   "/",
		Began:    time.Now(),
		Origin:   "https://" + host,
		Callback: "https://" + host + "/sso/callback/" + method,
		Client:   netip.MustParseAddr("192.0.2.10"),
		App:      "careplan",
		AppTitle: "Careplan",
	}
}

// NewEnv is an Env whose counters and marks are kept in memory and whose log
// goes nowhere.
func NewEnv(method string) authn.Env {
	return authn.Env{
		Name:  method,
		Title: "Sign in with " + method,
		Once:  NewOnce(),
		Tries: NewTries(time.Now),
		Log:   slog.New(slog.DiscardHandler),
		Keys:  [][]byte{[]byte(rand.Text() + rand.Text())[:32]},
	}
}

// Post is a form post as Resume receives it: parsed, the body spent.
func Post(values url.Values) *http.Request {
	r := request(http.MethodPost, "")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Form, r.PostForm = values, values
	return r
}

// Get is a callback with a query as Resume receives it.
func Get(values url.Values) *http.Request {
	r := request(http.MethodGet, values.Encode())
	r.Form, r.PostForm = values, url.Values{}
	return r
}

func request(method, query string) *http.Request {
	return &http.Request{
		Method: method,
		URL:    &url.URL{Path: "/sso/callback/method", RawQuery: query},
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:     http.Header{},
		Body:       http.NoBody,
		Host:       "app.example",
		RemoteAddr: "192.0.2.10:40000",
	}
}
