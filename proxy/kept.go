package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"foregate/authn"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// A form that meets an ended session is kept, so that no work is lost: sealed, of
// one MiB at most, for half an hour, for the same person in the same browser. Once
// they are signed in a page offers to send it. They press a button there, which
// posts a word in the form's place to its own address; the gate puts the form
// itself in. So it is judged as every other request, and is never sent twice or
// without its person knowing.

const (
	maxKept  = 1 << 20
	keptWord = "foregate-kept=send" // what stands in for a kept form
)

// keep keeps the form of r if it can be; false: the person has to type it again.
func (s *Server) keep(x *exchange, r *http.Request) bool {
	if !s.KeepPosts || r.Method != http.MethodPost || !isPage(r) || !ownForm(x, r) || r.ContentLength > maxKept {
		return false
	}
	sess, err := s.Sessions.Ended(r.Context(), r, x.secure, x.app.Audience)
	if err != nil {
		return false // nobody's: a stranger's form stores nothing
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxKept+1))
	if err != nil || len(body) > maxKept {
		return false
	}
	err = s.Sessions.Keep(r.Context(), x, x.secure, sess, cookies.Kept{
		Host: x.host, Target: r.URL.RequestURI(), Type: r.Header.Get("Content-Type"),
		Origin: r.Header.Get("Origin"), Referer: r.Header.Get("Referer"), Body: body,
	})
	if err != nil {
		s.Log.Warn("form not kept", "request_id", x.id, "app", x.app.Name, "err", err)
		return false
	}
	s.Log.Info("form kept", "request_id", x.id, "app", x.app.Name, "session", sess.Handle(), "bytes", len(body), "client", x.peer)
	return true
}

// ownForm reports whether a page of this very origin sent a form. Where a browser
// does not say so, it is not kept.
func ownForm(x *exchange, r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data" && kind != "text/plain" {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	return r.Header.Get("Origin") == x.origin() || r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// onward is where a person goes who has just signed in: on to rd, unless a form of
// theirs is kept.
func (s *Server) onward(x *exchange, r *http.Request, id *authn.Identity, rd string) string {
	if !s.Sessions.Holds(r, x.secure) {
		return rd
	}
	k, err := s.Sessions.Kept(r.Context(), r, x.secure, id)
	if err != nil || k.Host != x.host {
		s.Sessions.Drop(x, x.secure) // somebody else's, or used
		return rd
	}
	return s.Prefix + "/kept"
}

// offerKept shows the page with the button that sends a kept form.
func (s *Server) offerKept(x *exchange, r *http.Request) error {
	sess, err := s.load(x, r)
	if err != nil {
		return err
	}
	if sess == nil {
		redirect(x, http.StatusFound, s.Prefix+"/sign-in")
		return nil
	}
	k, err := s.Sessions.Kept(r.Context(), r, x.secure, &sess.Identity)
	switch {
	case errors.Is(err, cookies.ErrNotKept), err == nil && k.Host != x.host:
		redirect(x, http.StatusSeeOther, "/")
		return nil
	case err != nil:
		return storeDown(err)
	}
	word, value, _ := strings.Cut(keptWord, "=")
	s.show(x, http.StatusOK, pages.KeptForm{
		Action: k.Target, Field: word, Value: value, Discard: s.Prefix + "/kept",
	})
	return nil
}

// discardKept forgets a kept form and leads back to the page that it was sent from.
func (s *Server) discardKept(x *exchange, r *http.Request) error {
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "sent by a page of another site: %v", err)
	}
	sess, err := s.load(x, r)
	if err != nil {
		return err
	}
	to := "/"
	if sess != nil {
		k, err := s.Sessions.Take(r.Context(), r, x.secure, &sess.Identity)
		if err != nil && !errors.Is(err, cookies.ErrNotKept) {
			return storeDown(err)
		}
		if err == nil {
			if u, err := url.Parse(k.Referer); err == nil && u.Host == x.host {
				to = returnTo(u.RequestURI(), s.Prefix, x.host, nil)
			}
		}
	}
	s.Sessions.Drop(x, x.secure)
	redirect(x, http.StatusSeeOther, to)
	return nil
}

// resend puts a kept form in the place of the word for it. A request without that
// word is left alone; one whose form is gone must not reach the application.
func (s *Server) resend(x *exchange, r *http.Request, id *authn.Identity) error {
	if r.ContentLength != int64(len(keptWord)) || r.Method != http.MethodPost || !s.Sessions.Holds(r, x.secure) {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(len(keptWord))))
	if err != nil {
		return refuse(http.StatusBadRequest, "reading a form: %v", err)
	}
	if string(body) != keptWord {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	}
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "sent by a page of another site: %v", err)
	}
	k, err := s.Sessions.Kept(r.Context(), r, x.secure, id)
	if err == nil && (k.Host != x.host || k.Target != r.URL.RequestURI()) {
		err = cookies.ErrNotKept
	}
	if err == nil {
		k, err = s.Sessions.Take(r.Context(), r, x.secure, id)
	}
	switch {
	case errors.Is(err, cookies.ErrNotKept):
		return &authn.Error{Public: "What was kept has been sent already, or was kept for too long. Look whether it arrived before you enter it again.",
			Err: fmt.Errorf("sending a kept form: %w", err), Status: http.StatusGone}
	case err != nil:
		return storeDown(err)
	}
	s.Log.Info("kept form sent", "request_id", x.id, "app", x.app.Name, "user", id.User, "bytes", len(k.Body), "client", x.peer)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(k.Body)), int64(len(k.Body))
	restore(r.Header, k)
	return nil
}

// restore gives the request the headers that belong to the form: our own page
// sends neither its origin nor a referrer, and applications look at both.
func restore(h http.Header, k *cookies.Kept) {
	h.Set("Content-Type", k.Type)
	for name, value := range map[string]string{"Origin": k.Origin, "Referer": k.Referer} {
		h.Del(name)
		if value != "" {
			h.Set(name, value)
		}
	}
}
