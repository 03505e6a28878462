package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/cookies"
	"foregate/proxy/pages"
)

// A session that ended because nobody was active is over: its person sees the
// sign-in page. While what they got at sign-in is still current, they need not
// prove again who they are: to open or refresh the page once more is enough. When
// it has run out they must.
//
// A small cookie remembers that the page was shown for this very session. It is
// not sealed: without the session's own cookie it is worth nothing. Where the provider
// has withdrawn the sign-in, the session is gone, and the cookie remembers that its
// person must prove anew who they are.

// away is the person of a session that ended by idleness, if the browser has one
// and its method is one of this app's.
func (s *Server) away(x *exchange, r *http.Request) *cookies.Session {
	sess, err := s.Sessions.Away(r.Context(), r, x.secure, x.app.Audience)
	if err != nil {
		return nil // none, or the store does not answer: then they sign in
	}
	return sess
}

// reenter lets a person back in, or shows the page from which they can get back.
// It reports whether it answered.
func (s *Server) reenter(x *exchange, r *http.Request, set *Set, sess *cookies.Session, rd string, page *pages.Chooser) (bool, error) {
	if sess == nil || !s.mayReenter(x, r, set, sess) {
		return false, nil
	}
	c, err := r.Cookie(s.Attempts.AwayName(x.secure))
	if err != nil || c.Value != sess.Handle() {
		s.setAway(x, sess.Handle())
		page.Resume = &pages.Choice{
			Title: "Continue as " + nameOf(&sess.Identity),
			URL:   s.Prefix + "/sign-in?" + url.Values{"rd": {rd}, "ended": {"idle"}}.Encode(),
		}
		page.Else = s.Prefix + "/sign-out"
		return false, nil
	}
	switch err := s.stillCurrent(x, r, set, sess); {
	case errors.Is(err, errWithdrawn):
		x.ranOut = sess.Identity.Method
		s.setAway(x, ranOutMark+x.ranOut)
		return false, nil
	case err != nil:
		return false, nil
	}
	switch err := s.Sessions.Reenter(r.Context(), sess); {
	case errors.Is(err, cookies.ErrNoSession):
		return false, nil
	case err != nil:
		return true, storeDown(fmt.Errorf("re-entering: %w", err))
	}
	s.setAway(x, "")
	x.who = &sess.Identity
	s.Metrics.SignIn(sess.Identity.Method, "reentered")
	s.Log.Info("re-entered after being away", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method, "user", sess.Identity.User,
		"issuer", sess.Identity.Issuer, "subject", sess.Identity.Subject, "session", sess.Handle(), "client", x.peer)
	redirect(x, http.StatusSeeOther, s.onward(x, r, &sess.Identity, rd))
	return true, nil
}

// mayReenter reports whether coming back can succeed at all. Whether a provider
// still vouches for the person is asked when they do come back.
func (s *Server) mayReenter(x *exchange, r *http.Request, set *Set, sess *cookies.Session) bool {
	terms := x.app.terms(sess.Identity.Method)
	if !terms.Reentry || s.shared(x) || !x.app.offers(sess.Identity.Method) {
		return false
	}
	renewable := !sess.Identity.Renew.IsZero() && terms.Current == 0 && set.refresher(sess.Identity.Method) != nil
	return renewable || terms.current(&sess.Identity, time.Now())
}

// stillCurrent asks the provider where the sign-in has run out but can be renewed.
// errWithdrawn says that it will never be again.
func (s *Server) stillCurrent(x *exchange, r *http.Request, set *Set, sess *cookies.Session) error {
	terms := x.app.terms(sess.Identity.Method)
	if terms.current(&sess.Identity, time.Now()) {
		return nil
	}
	refresher := set.refresher(sess.Identity.Method)
	if refresher == nil || terms.Current > 0 {
		return errRanOut
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	return s.renew(ctx, x, sess, refresher)
}

var errRanOut = errors.New("the sign-in has run out")

// ranOutMark is before the name of the method in the cookie of a person whose sign-in
// the provider has withdrawn. No handle of a session has a dot.
const ranOutMark = "ran-out."

// setAway sets the cookie of a person who was away; an empty value takes it away.
func (s *Server) setAway(x *exchange, value string) {
	c := &http.Cookie{Name: s.Attempts.AwayName(x.secure), Value: value, Path: "/", HttpOnly: true, Secure: x.secure, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(x, c)
}

// proved ends what mustProve reports by the cookie.
func (s *Server) proved(x *exchange, r *http.Request) {
	if c, err := r.Cookie(s.Attempts.AwayName(x.secure)); err == nil && strings.HasPrefix(c.Value, ranOutMark) {
		s.setAway(x, "")
	}
}

// mustProve reports whether the person must authenticate anew, whatever the
// provider remembers of them: they were away until their sign-in ran out.
func (s *Server) mustProve(x *exchange, r *http.Request, method string) bool {
	if c, err := r.Cookie(s.Attempts.AwayName(x.secure)); x.ranOut == method || err == nil && c.Value == ranOutMark+method {
		return true
	}
	sess := s.away(x, r)
	return sess != nil && sess.Identity.Method == method && x.app.terms(method).ranOut(&sess.Identity, time.Now())
}
