package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// recognise signs a person in by what their request carries, on any address of the
// app, and leads them to the same address without it. It reports whether it
// answered: what was recognised is never forwarded.
func (s *Server) recognise(x *exchange, r *http.Request, set *Set) (bool, error) {
	m, rest := set.recogniser(x.app, r)
	if m == nil {
		return false, nil
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return true, refuse(http.StatusBadRequest, "%s with a sign-in in its address", r.Method)
	case r.Method == http.MethodHead || prefetched(r):
		// A look ahead is nobody's visit: what may be used once must be there when
		// the person comes.
		pages.SecurityHeaders(x.Header())
		x.WriteHeader(http.StatusNoContent)
		return true, nil
	case !isPage(r):
		redirect(x, http.StatusSeeOther, returnTo(rest, s.Prefix, x.host, nil))
		return true, nil
	}
	return true, s.recognised(x, r, m, returnTo(rest, s.Prefix, x.host, nil))
}

// prefetched reports whether a browser loads a page before anybody asked for it.
func prefetched(r *http.Request) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := r.Header.Get(name); strings.Contains(v, "prefetch") || strings.Contains(v, "preview") {
			return true
		}
	}
	return false
}

// recognised resumes a method with a request that brought all that it needs.
func (s *Server) recognised(x *exchange, r *http.Request, m *Method, rest string) error {
	if err := parseForm(r); err != nil {
		return err
	}
	a := s.newAttempt(x, r, m, rest)
	if asked := s.Attempts.Pending(r, x.secure, m.Name, x.host); asked != nil && rest == "/" {
		a.ID, a.Return = asked.ID, asked.Return // its page passed nothing on
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := m.resume(ctx, a, r)
	var used *authn.AlreadyUsed
	if errors.As(err, &used) && s.isPerson(x, r, m, used) {
		redirect(x, http.StatusSeeOther, returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts))
		return nil
	}
	if err != nil {
		s.Metrics.SignIn(m.Name, "failed")
		return fmt.Errorf("signing in with method %q: %w", m.Name, err)
	}
	return s.reply(x, r, m, a, reply)
}

// isPerson reports whether the browser's session is the very person's: a reload and
// the back button bring the same token again.
func (s *Server) isPerson(x *exchange, r *http.Request, m *Method, who *authn.AlreadyUsed) bool {
	sess, err := s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	return err == nil && sess.Identity.Method == m.Name && sess.Identity.Issuer == who.Issuer && sess.Identity.Subject == who.Subject
}

// recogniser returns the app's method that recognises r, and r's address without
// what it recognised; nil if there is none.
func (set *Set) recogniser(app *App, r *http.Request) (*Method, string) {
	for _, names := range [...][]string{app.Methods, app.Guests} {
		for _, name := range names {
			m := set.methods[name]
			if m == nil {
				continue
			}
			auth, err := m.open()
			if err != nil {
				continue
			}
			rec, ok := auth.(authn.Recognizer)
			if !ok {
				continue
			}
			if rest, found := rec.Recognize(r); found {
				return m, rest
			}
		}
	}
	return nil, ""
}

// errMoved says that a session's person is not any more where their method's people
// are. The session is left alone: they may come back.
var errMoved = fmt.Errorf("%w: not at the method's place", cookies.ErrNoSession)

// inPlace returns errMoved for a session that does not hold where its request comes
// from. No session is in place.
func (s *Server) inPlace(x *exchange, set *Set, sess *cookies.Session) error {
	if sess == nil || !sess.Identity.Placed && !sess.Lone() {
		return nil
	}
	if m := set.methods[sess.Identity.Method]; sess.Lone() && (m == nil || m.emergency() == nil) {
		return errMoved // sealed by whoever knows the session secret, for a way in that takes none
	}
	if p := set.placed(sess.Identity.Method); p == nil || !p.Here(x.client) {
		return errMoved
	}
	return nil
}

// placed returns the method if it signs people in by where they are, or nil.
func (set *Set) placed(method string) authn.Placed {
	m := set.methods[method]
	if m == nil {
		return nil
	}
	auth, err := m.open()
	if err != nil {
		return nil
	}
	p, _ := auth.(authn.Placed)
	return p
}

// byItself returns the method by which a person is signed in without being asked
// which way: the first that is offered if they are at its place, or the one whose
// page sent this browser before. nil if they are to choose.
func (s *Server) byItself(x *exchange, r *http.Request, set *Set, offered []*Method) *Method {
	if len(offered) == 0 || !unasked(r) {
		return nil
	}
	if p := set.placed(offered[0].Name); p != nil && offered[0].emergency() == nil {
		return offered[0]
	}
	last := s.Attempts.Remembered(r, x.secure)
	for _, m := range offered {
		if m.Name == last && m.recognises() {
			return m
		}
	}
	return nil
}

func (m *Method) recognises() bool {
	auth, err := m.open()
	if err != nil {
		return false
	}
	_, ok := auth.(authn.Recognizer)
	return ok
}
