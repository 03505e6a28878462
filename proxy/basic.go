package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/upstream"
)

// maxBasic is the longest Authorization header that is looked into: a name and a
// password of the lengths that methods take, in base64.
const maxBasic = 4 << 10

// Basic lets programs that are no browsers use an app with a user name and password in
// each request (RFC 7617). A method proves them, with its lockout and its bounds; what
// it said counts for a short while (proved.go). There is no session, and no cookie.
type Basic struct {
	Method string
	proved *proved
}

// NewBasic is for one app.
func NewBasic(method string, cache Cache) (*Basic, error) {
	p, err := newProved(cache)
	return &Basic{Method: method, proved: p}, err
}

// vouched is somebody whose password was proved, and what the application is told.
type vouched struct {
	who         authn.Identity
	credentials *upstream.Credentials
	login       atomic.Int64 // when the credentials got their login, see programLogin: nanoseconds of Unix time
}

var errBasicRefused = errors.New("user name and password of HTTP Basic were refused")

// program reports whether a request is from no browser: nothing says that it is a page,
// a script or a socket of one. Browsers would send what a person typed into their own
// grey box along with every request, also one that another site's page makes.
func program(r *http.Request) bool {
	h := r.Header
	return !isPage(r) && !isUpgrade(r) && h.Get("Sec-Fetch-Mode") == "" && h.Get("Sec-Fetch-Site") == "" &&
		h.Get("Origin") == "" && h.Get("X-Requested-With") == ""
}

// basic answers a program's request for an app, unless it brings no user name and password.
func (s *Server) basic(x *exchange, r *http.Request, set *Set, path Path) (answered bool, err error) {
	fields := r.Header["Authorization"]
	if !program(r) || len(fields) == 0 || !isBasic(fields[0]) {
		return false, nil
	}
	if !x.secure && !x.client.IsLoopback() {
		return true, authn.Refused("Send user name and password over https only. Change them now: others may have read them on the way.", errors.New("HTTP Basic over plain http"))
	}
	user, password, ok := r.BasicAuth()
	if !ok || len(fields) > 1 || len(fields[0]) > maxBasic {
		return true, refuse(http.StatusBadRequest, "Authorization header that cannot be read, or more than one")
	}
	who, err := s.vouch(x, r, set, user, password)
	if errors.Is(err, errBasicRefused) {
		s.challenge(x)
		return true, &authn.Error{Public: "User name and password were refused. Check both; after many wrong ones wait a quarter of an hour.", Err: err, Status: http.StatusUnauthorized}
	}
	if err != nil {
		return true, err
	}
	x.who = &who.who
	if d := x.app.Policy.Decide(x.who, Request{Method: r.Method, Path: path, Client: x.client}); d.Verdict != Allow {
		return true, s.refusePerson(x, d)
	}
	if err := x.app.Maintenance.refuse(x.client, x.who); err != nil {
		return true, err
	}
	if x.app.Upstream.AsksLogin(r.URL) {
		if err := s.lendLogin(x, r, who); err != nil {
			return true, err
		}
	}
	stripBasic(r)
	x.trip = upstream.Trip{Client: x.peer, Scheme: x.scheme(), Host: r.Host, RequestID: x.id, CloseAfter: x.closing, Who: who.credentials}
	x.app.Upstream.Forward(x, r, &x.trip)
	return true, nil
}

// lendLogin gives a program the person's own name and password for the application, which
// it holds for a second.
func (s *Server) lendLogin(x *exchange, r *http.Request, who *vouched) error {
	now := time.Now()
	if since := now.Sub(time.Unix(0, who.login.Load())); since >= 0 && since < programLogin {
		return nil
	}
	if err := s.giveLogin(r.Context(), x, &who.who, who.credentials); err != nil {
		return err
	}
	who.login.Store(now.UnixNano())
	return nil
}

func isBasic(field string) bool { return len(field) >= 6 && strings.EqualFold(field[:6], "Basic ") }

// stripBasic keeps the password of a directory from the application.
func stripBasic(r *http.Request) {
	if slices.ContainsFunc(r.Header["Authorization"], isBasic) {
		r.Header.Del("Authorization")
	}
}

// challenge asks a program for user name and password.
func (s *Server) challenge(x *exchange) {
	x.Header().Set("WWW-Authenticate", `Basic realm="`+x.app.Name+`", charset="UTF-8"`)
}

// vouch is who a user name and password are, as was proved a moment ago or is now.
func (s *Server) vouch(x *exchange, r *http.Request, set *Set, user, password string) (*vouched, error) {
	p := x.app.Basic.proved
	return p.get(r.Context(), user, password, func(ctx context.Context) (*vouched, error) {
		ctx, cancel := context.WithTimeout(ctx, signInTime)
		defer cancel()
		m, err := set.reached(x, x.app.Basic.Method)
		if err != nil {
			return nil, err
		}
		return s.prove(ctx, x, r, m, user, password)
	})
}

// prove asks the method, in the way of its form.
func (s *Server) prove(ctx context.Context, x *exchange, r *http.Request, m *Method, user, password string) (*vouched, error) {
	a := s.newAttempt(x, r, m, "/")
	form := url.Values{"username": {user}, "password": {password}}
	reply, err := m.resume(ctx, a, &http.Request{Method: http.MethodPost, Form: form, PostForm: form})
	if err != nil {
		s.Metrics.SignInFailed(m.Name, "failed", err)
		return nil, fmt.Errorf("HTTP Basic by method %q: %w", m.Name, err)
	}
	in, ok := reply.(authn.SignedIn)
	if !ok || m.emergency() != nil { // a wrong password, or a second factor that no program has
		s.Metrics.SignIn(m.Name, "refused")
		return nil, errBasicRefused
	}
	id := in.Identity
	if id.Anonymous() || id.User == "" {
		return nil, fmt.Errorf("method %q vouched for nobody", m.Name)
	}
	id.Method, id.Organisation, id.Kind = m.Name, "", ""
	admission, err := s.admit(x, r.WithContext(ctx), m, id)
	if err != nil {
		return nil, s.turnedAway(x, m, a, &id, err)
	}
	admitted, ok := admission.(accounts.Admitted)
	if !ok {
		return nil, authn.Refused("Sign in once with a browser first, so that you can prove that the account is yours.", errors.New("HTTP Basic by somebody who has not proved the account yet"))
	}
	id = admitted.Identity
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return nil, s.turnedAway(x, m, a, &id, err)
	}
	s.Metrics.SignIn(m.Name, "ok")
	s.countVisit(m, id)
	s.Log.Info("proved by HTTP Basic", "request_id", x.id, "app", x.app.Name, "method", m.Name, "user", id.User, "issuer", id.Issuer, "subject", id.Subject, "client", x.peer)
	return &vouched{who: id, credentials: x.app.Upstream.Credentials(&id)}, nil
}
