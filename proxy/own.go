package proxy

import (
	"net/http"
	"strings"
	"time"

	"foregate/proxy/pages"
)

// own answers Foregate's own addresses; rest is what follows the prefix.
func (s *Server) own(x *exchange, r *http.Request, set *Set, rest string) error {
	if below(rest, scimPath) {
		return s.scim(x, r, set, rest)
	}
	if strings.IndexByte(r.URL.RawPath, '%') >= 0 {
		return refuse(http.StatusNotFound, "encoded address below the prefix")
	}
	s.preferChosen(x, r)
	verb, name, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	r.Body = http.MaxBytesReader(x, r.Body, s.formLimit(verb))
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	post := r.Method == http.MethodPost
	switch {
	case verb == "sign-in" && name == "" && read:
		return s.chooser(x, r, set)
	case verb == "discover" && name == "" && post:
		return s.discover(x, r, set)
	case verb == "discover" && name == "" && read: // the page of an answer, loaded anew
		redirect(x, http.StatusSeeOther, s.Prefix+"/sign-in")
		return nil
	case verb == "start" && name != "" && read:
		return s.start(x, r, set, name)
	case verb == "start" && name != "" && post:
		return s.formAnswer(x, r, set, name)
	case verb == "callback" && name != "" && (read || post):
		return s.callback(x, r, set, name)
	case verb == "try" && name != "" && (read || post):
		return s.tryOut(x, r, set, name)
	case verb == "sign-out" && name == "" && read:
		return s.askToSignOut(x, r, set)
	case verb == "sign-out" && name == "" && post:
		return s.signOut(x, r, set)
	case verb == "backchannel" && name != "" && post:
		return s.backChannel(x, r, set, name)
	case verb == "frontchannel" && name != "" && read:
		return s.frontChannel(x, r, set, name)
	case verb == "metadata" && read:
		return s.describe(x, set, name)
	case verb == "acs" && name == "" && post:
		return s.landing(x, r, set)
	case verb == "slo" && name == "" && (r.Method == http.MethodGet || post):
		return s.goodbye(x, r, set)
	case verb == "account" && (read || post):
		return s.account(x, r, set, name)
	case verb == "session" && name == "" && (read || post):
		return s.session(x, r)
	case verb == "kept" && name == "" && read:
		return s.offerKept(x, r)
	case verb == "kept" && name == "" && post:
		return s.discardKept(x, r)
	case verb == "language" && name == "" && read:
		return s.language(x, r)
	case verb == "warning.js" && name == "" && read:
		s.Pages.WriteWarning(x, s.reader(x, &x.app.Look))
		return nil
	case verb == "keys" && read:
		return s.keys(x, set, name)
	case verb == "":
		redirect(x, http.StatusFound, s.Prefix+"/sign-in")
		return nil
	}
	switch verb {
	case "sign-in", "discover", "start", "callback", "sign-out", "backchannel", "frontchannel", "metadata", "acs", "slo", "session", "account", "kept", "keys", "try", "language":
		return refuse(http.StatusMethodNotAllowed, "%s below the prefix", r.Method)
	}
	return refuse(http.StatusNotFound, "no such address below the prefix")
}

// session tells a script who is signed in and for how long. GET never counts as
// activity, POST does.
func (s *Server) session(x *exchange, r *http.Request) error {
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "session asked for by another site: %v", err)
	}
	sess, err := s.load(x, r)
	if err != nil {
		return err
	}
	if sess == nil {
		pages.JSON(x, http.StatusUnauthorized, map[string]string{
			"error": "sign_in_required", "sign_in": x.origin() + s.Prefix + "/sign-in", "code": x.id,
		})
		return nil
	}
	if r.Method == http.MethodPost {
		s.Sessions.Touch(sess)
	}
	now := time.Now()
	pages.JSON(x, http.StatusOK, s.finish(x, map[string]any{
		"user": sess.Identity.User, "name": sess.Identity.Name, "email": sess.Identity.Email,
		"method": sess.Identity.Method, "groups": sess.Identity.Groups,
		"seconds_left":          int(s.Sessions.Left(sess).Seconds()), // if nobody does anything
		"lifetime_seconds_left": int(sess.Ends().Sub(now).Seconds()),
	}))
	return nil
}

// keys publishes what others verify with: the keys of the signed assertion, or
// those that a method proves itself to its provider with.
func (s *Server) keys(x *exchange, set *Set, method string) error {
	var jwks []byte
	switch {
	case method != "":
		jwks = set.publicKeys(method)
	case s.Keys != nil:
		jwks = s.Keys()
	}
	if jwks == nil {
		return refuse(http.StatusNotFound, "no keys are published here")
	}
	h := x.Header()
	pages.SecurityHeaders(h)
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age=300")
	x.WriteHeader(http.StatusOK)
	_, err := x.Write(jwks)
	return err
}

// fromOurs refuses what a page of another site makes a browser send. Our own
// forms say "Origin: null", because our pages send no referrer; where a browser
// says nothing more (plain http), that is let through: a form answer needs the
// attempt's ID and cookie besides, and a session cookie is SameSite=Lax.
func (s *Server) fromOurs(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	return s.crossOrigin.Check(r)
}
