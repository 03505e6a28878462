package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	rest = returnTo(rest, s.Prefix, x.host, nil)
	x.again = s.Prefix + "/sign-in?" + url.Values{"choose": {"1"}, "rd": {rest}}.Encode()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return true, refuse(http.StatusBadRequest, "%s with a sign-in in its address", r.Method)
	case r.Method == http.MethodHead || looksAhead(r):
		// A look ahead is nobody's visit: what may be used once must be there when
		// the person comes.
		pages.SecurityHeaders(x.Header())
		x.WriteHeader(http.StatusNoContent)
		return true, nil
	case !isPage(r):
		redirect(x, http.StatusSeeOther, rest)
		return true, nil
	}
	return true, s.recognised(x, r, m, rest)
}

// looksAhead reports whether a page is loaded before anybody asked for it: by the
// browser itself, or by a mail or chat program that shows what a link leads to.
func looksAhead(r *http.Request) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := r.Header.Get(name); strings.Contains(v, "prefetch") || strings.Contains(v, "preview") {
			return true
		}
	}
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		return false // a browser, whatever its name
	}
	agent := strings.ToLower(r.UserAgent())
	return slices.ContainsFunc([]string{"bot", "preview", "externalhit", "whatsapp", "crawler", "spider"}, func(word string) bool {
		return strings.Contains(agent, word)
	})
}

// recognised resumes a method with a request that brought all that it needs.
func (s *Server) recognised(x *exchange, r *http.Request, m *Method, rest string) error {
	if r.Method == http.MethodPost {
		if err := parseForm(r); err != nil {
			return err
		}
	} else {
		_ = r.ParseForm() // the rest of the query is the application's, and may be odd
	}
	a := s.newAttempt(x, r, m, rest)
	switch asked := s.Attempts.Pending(r, x.secure, m.Name, x.host); {
	case asked == nil:
	case tries(asked):
		return s.resume(x, r, m, asked)
	case rest == "/":
		a.ID, a.Return = asked.ID, asked.Return // its page passed nothing on
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := m.resume(ctx, a, r)
	var used *authn.AlreadyUsed
	if errors.As(err, &used) && s.isPerson(x, r, m, used) {
		s.countToken(m, "reload")
		redirect(x, http.StatusSeeOther, returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts))
		return nil
	}
	s.countToken(m, resultOf(err))
	if err != nil {
		s.Metrics.SignInFailed(m.Name, "failed", err)
		return fmt.Errorf("signing in with method %q: %w", m.Name, err)
	}
	if in, ok := reply.(authn.SignedIn); ok && s.lost.again(x, r, in.Identity) {
		return s.stopCircling(x, m, rest)
	}
	return s.reply(x, r, m, a, reply)
}

// countToken counts what became of a token, where the method has a format.
func (s *Server) countToken(m *Method, result string) {
	auth, err := m.open()
	if err != nil {
		return
	}
	if f, ok := auth.(interface{ Format() string }); ok {
		s.Metrics.Token(m.Name, f.Format(), result)
		s.Metrics.Unstable(m.Name, m.Unstable())
	}
}

// resultOf is an error in one word: the method's own, where it has one.
func resultOf(err error) string {
	var known interface {
		error
		Result() string
	}
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &known):
		return known.Result()
	}
	return "unavailable"
}

// isPerson reports whether the browser's session is the very person's: a reload and
// the back button bring the same token again.
func (s *Server) isPerson(x *exchange, r *http.Request, m *Method, who *authn.AlreadyUsed) bool {
	sess, err := s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	return err == nil && sess.Identity.Method == m.Name && sess.Identity.Issuer == who.Issuer && sess.Identity.Subject == who.Subject
}

// recogniser returns the app's method that recognises r, and r's address without
// what it recognised; nil if there is none. What was meant for nobody here, as a
// partner's token with another partner's name, is the first one's to refuse: the
// application must not see it.
func (set *Set) recogniser(app *App, r *http.Request) (*Method, string) {
	all := [...][]string{app.Methods, app.Guests}
	for _, names := range all {
		for _, name := range names {
			if rec, ok := set.ready(name).(authn.Recognizer); ok {
				if rest, found := rec.Recognize(r); found {
					return set.methods[name], rest
				}
			}
		}
	}
	for _, names := range all {
		for _, name := range names {
			if rec, ok := set.ready(name).(strayRecognizer); ok {
				if rest, found := rec.Stray(r); found {
					return set.methods[name], rest
				}
			}
		}
	}
	return nil, ""
}

// strayRecognizer also finds what is of its kind and names somebody else.
type strayRecognizer interface {
	Stray(r *http.Request) (rest string, found bool)
}

// ready returns a method that is ready for use, or nil.
func (set *Set) ready(name string) authn.Authenticator {
	m := set.methods[name]
	if m == nil {
		return nil
	}
	auth, err := m.open()
	if err != nil {
		return nil
	}
	return auth
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
	p, _ := set.ready(method).(authn.Placed)
	return p
}

// near returns the method if it asks only browsers that are near, or nil.
func (set *Set) near(method string) authn.Near {
	n, _ := set.ready(method).(authn.Near)
	return n
}

// byItself returns the method by which a person is signed in without being asked
// which way: the first that is offered if they are at its place or near, or the one whose
// page sent this browser before. nil if they are to choose.
func (s *Server) byItself(x *exchange, r *http.Request, set *Set, offered []*Method) *Method {
	if len(offered) == 0 || !unasked(r) {
		return nil
	}
	if p := set.placed(offered[0].Name); p != nil && offered[0].emergency() == nil {
		return offered[0]
	}
	if set.near(offered[0].Name) != nil && whyAsked(r) == "" {
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
