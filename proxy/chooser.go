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

// chooser shows the ways in, or goes straight to the only one.
func (s *Server) chooser(x *exchange, r *http.Request, set *Set) error {
	rd := returnTo(r.URL.Query().Get("rd"), s.Prefix, x.host, x.app.ReturnHosts)
	if answered, err := s.recogniseSent(x, r, set, rd); answered || err != nil {
		return err
	}
	decision, done, err := s.wanted(x, r, rd)
	if err != nil {
		return err
	}
	if done {
		redirect(x, http.StatusSeeOther, rd)
		return nil
	}
	page := pages.Chooser{Problem: whyAsked(r)}
	if answered, err := s.reenter(x, r, set, s.away(x, r), rd, &page); answered || err != nil {
		return err
	}
	w := s.ways(x, r, set, decision)
	if page.Resume == nil {
		if m := s.byItself(x, r, set, w.methods); m != nil {
			return s.begin(x, r, m, rd, true)
		}
	}
	switch {
	case w.address:
		page.Form = s.addressForm(rd, "", "")
	case len(w.methods) == 0:
		return nowhere(x.app)
	case len(w.methods) == 1 && !w.guessed && page.Resume == nil && straight(r, w.methods[0]):
		return s.begin(x, r, w.methods[0], rd, true)
	}
	page.Others = w.others
	return s.showChooser(x, r, w.methods, rd, "", page)
}

// nowhere answers people for whom there is no way in.
func nowhere(app *App) error {
	if len(app.Methods)+len(app.Guests) > 0 {
		return authn.Refused("You can sign in to this application only from certain places, and you are not at one of them. If you need it where you are, ask the people who look after it.",
			errors.New("no method of the app is for this address"))
	}
	return authn.Unavailable("No way to sign in has been set up for this application yet. Tell the people who look after it.", errors.New("app without methods"))
}

// straight reports whether the only method can begin without a page before it.
// Its own form is such a page, but has no place for the reason why it is shown.
func straight(r *http.Request, only *Method) bool {
	if only.asks() {
		return whyAsked(r) == ""
	}
	return unasked(r)
}

// unasked reports whether a person need not see the page: they did not ask to choose,
// and nothing happened that it must tell them.
func unasked(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("choose") == "" && q.Get("lost") == "" && q.Get("kept") == ""
}

// wanted says what the rules ask of a person who wants to go to rd, and whether
// the session that the browser has (another tab may have signed in) will do.
func (s *Server) wanted(x *exchange, r *http.Request, rd string) (Decision, bool, error) {
	req := Request{Method: http.MethodGet, Path: Path{"/", "/"}, Client: x.client}
	if u, err := url.Parse(rd); err == nil && u.Host == "" {
		if p, err := readPath(&http.Request{URL: u, RequestURI: rd}, x.app.RawPath); err == nil {
			req.Path = p
		}
	}
	sess, err := s.load(x, r)
	if err != nil && !s.inEmergency(x, err) {
		return Decision{}, false, err
	}
	if sess != nil {
		if d := x.app.Policy.Decide(&sess.Identity, req); d.Verdict == Allow {
			return d, true, nil
		}
	}
	return x.app.Policy.Decide(nil, req), false, nil
}

// load returns the session of a request for one of our own pages; nil if there is none.
func (s *Server) load(x *exchange, r *http.Request) (*cookies.Session, error) {
	sess, err := s.Sessions.Load(r.Context(), r, x.secure, x.app.Audience)
	if err == nil {
		err = s.inPlace(x, s.set.Load(), sess)
	}
	if errors.Is(err, cookies.ErrAmbiguous) {
		return nil, &authn.Error{
			Public: "Your browser sends two different sessions for this site, so it is not clear who you are. Close all windows of the browser and try again. If this page comes back, delete the cookies of this site.",
			Err:    err, Status: http.StatusConflict,
		}
	}
	if errors.Is(err, cookies.ErrNoSession) {
		return nil, nil
	}
	if err != nil {
		return nil, storeDown(err)
	}
	x.who = &sess.Identity
	return sess, nil
}

// showChooser shows the methods' buttons, and the form of the first that has one.
func (s *Server) showChooser(x *exchange, r *http.Request, methods []*Method, rd, hint string, page pages.Chooser) error {
	for _, m := range methods {
		if page.Form == nil && m.asks() {
			form, err := s.inlineForm(x, r, m, rd, hint)
			if err != nil {
				return err
			}
			page.Form = form
			continue
		}
		address := s.startURL(m, rd)
		if r.URL.Query().Get("fresh") != "" { // somebody else: see somebodyElse
			address += "&fresh=1"
		}
		page.Choices = append(page.Choices, pages.Choice{Title: m.Title, URL: address, Note: m.note()})
	}
	s.show(x, http.StatusOK, page)
	return nil
}

// whyAsked tells a person why they see this page again.
func whyAsked(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Get("kept") != "":
		return "You had been signed out before you pressed the button. What you entered is kept: sign in, and you can send it."
	case q.Get("device") != "":
		return "Your device could not sign you in by itself. Please sign in here."
	case q.Get("lost") != "":
		return "You had been signed out, so what you just sent was not saved. Sign in, then send it again."
	case q.Get("ended") == "idle":
		return "You were signed out because nothing happened for a while."
	case q.Get("ended") == "withdrawn":
		return "You were signed out because your organisation asked for it. Please sign in again."
	case q.Get("ended") == "over":
		return "You were signed out because you had been signed in for as long as is allowed."
	}
	return ""
}

func (s *Server) startURL(m *Method, rd string) string {
	return s.Prefix + "/start/" + m.Name + "?" + url.Values{"rd": {rd}}.Encode()
}

// inlineForm begins an attempt with a method whose form stands on the chooser.
func (s *Server) inlineForm(x *exchange, r *http.Request, m *Method, rd, hint string) (*pages.FormPage, error) {
	a := s.newAttempt(x, r, m, rd)
	a.Hint = hint
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := m.begin(ctx, a)
	if err != nil {
		return nil, err
	}
	form, ok := reply.(authn.Form)
	if !ok {
		return nil, fmt.Errorf("method %q said that it asks, and answered with %T", m.Name, reply)
	}
	if err := s.Attempts.Save(x, r, x.secure, a); err != nil {
		return nil, err
	}
	return s.formPage(m, a, form), nil
}
