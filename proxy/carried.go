package proxy

import (
	"errors"
	"fmt"
	"net/http"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// Methods whose provider is told about us by a document and sends its messages
// through the browser (SAML 2.0). What they share is an address on each host, so
// that a message has to be matched to its method first.

// maxCarried bounds a message that a browser carries, in a form: an answer with a
// thousand groups is larger than any form of ours.
const maxCarried = 512 << 10

// formLimit is how many bytes of a form are read at one of our own addresses.
func (s *Server) formLimit(verb string) int64 {
	if verb == "acs" || verb == "slo" {
		return max(s.MaxForm, maxCarried)
	}
	return s.MaxForm
}

// describe publishes what a method's provider needs to know of us: of the method
// that is named, or the app's first that has such a description.
func (s *Server) describe(x *exchange, set *Set, name string) error {
	for _, m := range x.app.all() {
		if name != "" && m != name {
			continue
		}
		_, auth, err := set.opened(x.app, m)
		if err != nil {
			return err
		}
		p, ok := auth.(authn.Publisher)
		if !ok {
			continue
		}
		doc, err := p.Publish(x.origin() + s.Prefix)
		if err != nil {
			return err
		}
		h := x.Header()
		pages.SecurityHeaders(h)
		h.Set("Content-Type", doc.Type)
		x.WriteHeader(http.StatusOK)
		_, err = x.Write(doc.Body)
		return err
	}
	return refuse(http.StatusNotFound, "no method here has metadata")
}

// landing takes an answer that a provider's page made the browser post. It belongs
// to an attempt of this browser, or to none where its method takes such answers.
func (s *Server) landing(x *exchange, r *http.Request, set *Set) error {
	if err := parseForm(r); err != nil {
		return err
	}
	a, err := s.Attempts.Find(r, x.secure, r.PostForm.Get("RelayState"))
	if a != nil && a.Host == x.host {
		m, auth, opening := set.opened(x.app, a.Method)
		if opening != nil {
			return opening
		}
		if _, ok := auth.(authn.Carried); !ok {
			return noAttempt(fmt.Errorf("attempt of method %q, whose answers do not come here", a.Method))
		}
		if errors.Is(err, cookies.ErrStale) {
			redirect(x, http.StatusSeeOther, s.startURL(m, returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts)))
			return nil
		}
		return s.resume(x, r, m, a)
	}
	if m, rest := set.unasked(x.app, r); m != nil {
		return s.resume(x, r, m, s.newAttempt(x, r, m, returnTo(rest, s.Prefix, x.host, nil)))
	}
	if err == nil {
		err = fmt.Errorf("attempt on host %q", a.Host)
	}
	if r.Header.Get("Cookie") == "" {
		return cookieless(err)
	}
	return noAttempt(err)
}

// unasked returns the app's method that takes r although nobody asked for it, and
// where it leads to.
func (set *Set) unasked(app *App, r *http.Request) (*Method, string) {
	for _, name := range app.all() {
		m, auth, err := set.opened(app, name)
		if err != nil {
			continue
		}
		if c, ok := auth.(authn.Carried); ok {
			if rest, ok := c.Unasked(r); ok {
				return m, rest
			}
		}
	}
	return nil, ""
}

// goodbye takes a provider's message about signing out: a request to end sessions
// here, or the answer to ours. The sessions end first, then the provider is told.
func (s *Server) goodbye(x *exchange, r *http.Request, set *Set) error {
	if err := parseForm(r); err != nil {
		return err
	}
	m, carrier := set.sender(x.app, r)
	if m == nil {
		return refuse(http.StatusBadRequest, "logout message of none of the app's providers")
	}
	bye, err := carrier.Goodbye(r.Context(), r, x.origin()+s.Prefix)
	if err != nil {
		return err
	}
	n := 0
	for _, ended := range bye.Ended {
		one, err := s.revoke(r.Context(), ended)
		if err != nil {
			return authn.Unavailable("You could not be signed out just now. Close all windows of your browser, or try again in a few seconds.",
				fmt.Errorf("ending sessions for a provider: %w", err))
		}
		n += one
	}
	if len(bye.Ended) > 0 {
		s.Log.Info("sessions ended by provider", "request_id", x.id, "app", x.app.Name, "method", m.Name, "sessions", n, "client", x.peer)
	}
	switch reply := bye.Reply.(type) {
	case authn.Redirect:
		redirect(x, http.StatusSeeOther, reply.URL)
	case authn.PostForm:
		s.show(x, http.StatusOK, pages.PostForm{URL: reply.URL, Fields: reply.Fields, To: m.Title})
	default:
		s.showSignedOut(x, bye.Note)
	}
	return nil
}

// sender returns the app's method whose provider r says that it comes from.
func (set *Set) sender(app *App, r *http.Request) (*Method, authn.Carried) {
	for _, name := range app.all() {
		m, auth, err := set.opened(app, name)
		if err != nil {
			continue
		}
		if c, ok := auth.(authn.Carried); ok && c.Sent(r) {
			return m, c
		}
	}
	return nil, nil
}
