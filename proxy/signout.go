package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// askToSignOut signs out at once when the person clicked a link on this very
// site; an image or a link elsewhere gets a page that asks, and so does a link that
// wants a choice (choose=1). Without a session it says that the person is signed
// out: providers send browsers back here.
func (s *Server) askToSignOut(x *exchange, r *http.Request, set *Set) error {
	sess, err := s.load(x, r)
	if errors.Is(err, cookies.ErrAmbiguous) {
		s.show(x, http.StatusOK, pages.SignOut{Action: s.Prefix + "/sign-out"})
		return nil
	}
	if err != nil {
		return err
	}
	if sess == nil {
		note := ""
		if r.URL.Query().Get("shown") != "" {
			note = showAgain
		}
		s.showSignedOut(x, note)
		return nil
	}
	h := r.Header
	if r.URL.Query().Get("choose") == "" && h.Get("Sec-Fetch-Site") == "same-origin" && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-User") == "?1" && h.Get("Sec-Fetch-Dest") == "document" {
		return s.endSession(x, r, set, false)
	}
	s.show(x, http.StatusOK, pages.SignOut{Action: s.Prefix + "/sign-out", User: nameOf(&sess.Identity), Everywhere: !sess.Identity.Placed, Else: true})
	return nil
}

func nameOf(id *authn.Identity) string {
	if id.Name != "" {
		return id.Name
	}
	return id.User
}

func (s *Server) signOut(x *exchange, r *http.Request, set *Set) error {
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "sign-out sent by a page of another site: %v", err)
	}
	if r.PostFormValue(pages.FieldElse) == "1" {
		return s.somebodyElse(x, r)
	}
	return s.endSession(x, r, set, r.PostFormValue(pages.FieldEverywhere) == "1")
}

// somebodyElse ends the session here, also one that was away, and has the next person
// say who they are: a provider that still knows the one before asks anew.
func (s *Server) somebodyElse(x *exchange, r *http.Request) error {
	sess, err := s.Sessions.End(r.Context(), x, r, x.secure)
	if err != nil && !errors.Is(err, cookies.ErrNoSession) {
		return notSignedOut(err)
	}
	s.leaveNothing(x)
	if sess != nil {
		x.who = &sess.Identity
		s.Log.Info("signed out for somebody else", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method,
			"user", sess.Identity.User, "session", sess.Handle(), "client", x.peer)
	}
	redirect(x, http.StatusSeeOther, s.Prefix+"/sign-in?choose=1&fresh=1&rd=%2F")
	return nil
}

func notSignedOut(err error) error {
	return &authn.Error{
		Public: "You could not be signed out just now. Close all windows of your browser, or try again in a few seconds.",
		Err:    err, Status: http.StatusServiceUnavailable, RetryAfter: storeRetry,
	}
}

// endSession ends the session here first; only then the person's others, if that
// is wanted, and only then may the provider be asked to end its own. What comes
// later can fail.
func (s *Server) endSession(x *exchange, r *http.Request, set *Set, everywhere bool) error {
	sess, err := s.Sessions.End(r.Context(), x, r, x.secure)
	switch {
	case errors.Is(err, cookies.ErrNoSession):
		redirect(x, http.StatusSeeOther, s.Prefix+"/sign-out")
		return nil
	case err != nil:
		return notSignedOut(err)
	}
	s.leaveNothing(x)
	x.who = &sess.Identity
	s.Log.Info("signed out", "request_id", x.id, "app", x.app.Name, "method", sess.Identity.Method,
		"user", sess.Identity.User, "session", sess.Handle(), "client", x.peer)
	if everywhere && !sess.Identity.Placed { // all who are at a place are one person to us
		if err := s.endOthers(x, r, &sess.Identity); err != nil {
			return err
		}
	}
	switch reply := s.providerSignOut(x, r, set, sess).(type) {
	case authn.Redirect:
		redirect(x, http.StatusSeeOther, reply.URL)
	case authn.PostForm:
		s.show(x, http.StatusOK, pages.PostForm{URL: reply.URL, Fields: reply.Fields})
	default:
		address := s.Prefix + "/sign-out"
		if m := set.methods[sess.Identity.Method]; m != nil && m.certified() {
			address += "?shown=1"
		}
		redirect(x, http.StatusSeeOther, address)
	}
	return nil
}

// endOthers ends all other sessions of a person.
func (s *Server) endOthers(x *exchange, r *http.Request, id *authn.Identity) error {
	n, err := s.revoke(r.Context(), authn.Ended{Issuer: id.Issuer, Subject: id.Subject})
	if err != nil {
		return authn.Unavailable("You are signed out here, but your other devices could not be signed out just now. Sign in and try again, or sign out on each of them.",
			fmt.Errorf("signing out everywhere: %w", err))
	}
	s.Log.Info("signed out everywhere", "request_id", x.id, "app", x.app.Name, "method", id.Method, "user", id.User, "sessions", n, "client", x.peer)
	return nil
}

// providerSignOut returns what the session's method does to end the provider's
// session too, or nil.
func (s *Server) providerSignOut(x *exchange, r *http.Request, set *Set, sess *cookies.Session) authn.Reply {
	m := set.methods[sess.Identity.Method]
	if m == nil {
		return nil
	}
	auth, err := m.open()
	if err != nil {
		return nil
	}
	out, ok := auth.(authn.SignOuter)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := out.SignOut(ctx, sess.Identity, x.origin()+s.Prefix+"/sign-out")
	if err != nil {
		s.Log.Info("signed out here only", "request_id", x.id, "method", m.Name, "reason", err.Error())
		return nil
	}
	return reply
}

func (s *Server) showSignedOut(x *exchange, note string) {
	s.show(x, http.StatusOK, pages.SignedOut{
		SignIn: s.Prefix + "/sign-in?" + url.Values{"rd": {"/"}, "choose": {"1"}}.Encode(), Note: note,
	})
}
