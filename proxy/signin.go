package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// signInTime bounds what a method may take for one answer, beside the wait for one's turn.
const signInTime = 10 * time.Second

// start begins with the method that was chosen.
func (s *Server) start(x *exchange, r *http.Request, set *Set, name string) error {
	m, err := set.reached(x, name)
	if err != nil {
		return err
	}
	return s.begin(x, r, m, returnTo(r.URL.Query().Get("rd"), s.Prefix, x.host, x.app.ReturnHosts), false)
}

// begin starts an attempt; auto says that nobody clicked.
func (s *Server) begin(x *exchange, r *http.Request, m *Method, rd string, auto bool) error {
	return s.beginFor(x, r, m, rd, auto, "")
}

// beginFor is begin for a person who has given a name or an address already.
func (s *Server) beginFor(x *exchange, r *http.Request, m *Method, rd string, auto bool, hint string) error {
	if err := s.asksPerson(x, m); err != nil {
		return err
	}
	a := s.newAttempt(x, r, m, rd)
	a.Hint = hint
	a.Provider = r.URL.Query().Get("idp")
	s.recall(x, r, m, a)
	a.Fresh = r.URL.Query().Get("fresh") != "" || s.mustProve(x, r, m.Name) || s.shared(x)
	var err error
	if a.Shown, err = s.shown(x, r, m); err != nil {
		return s.notThisWay(m, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := m.begin(ctx, a)
	if err != nil {
		return s.notThisWay(m, err)
	}
	if _, isRedirect := reply.(authn.Redirect); isRedirect && auto {
		if s.circling(x, r) {
			return s.stopCircling(x, m, rd)
		}
		if m.recognises() {
			s.lost.away(x, r)
		}
	}
	return s.reply(x, r, m, a, reply)
}

// notThisWay adds to a method's error which one it was.
func (s *Server) notThisWay(m *Method, err error) error {
	result := "unavailable"
	if known := (*authn.Error)(nil); errors.As(err, &known) && known.Status == http.StatusBadRequest {
		result = "refused" // what the browser brought, a certificate, is no good
	}
	s.Metrics.SignInFailed(m.Name, result, err)
	return fmt.Errorf("beginning with method %q: %w", m.Name, err)
}

func (s *Server) newAttempt(x *exchange, r *http.Request, m *Method, rd string) *authn.Attempt {
	a := &authn.Attempt{ID: s.Attempts.NewID(r, x.secure), Method: m.Name, Host: x.host, Return: rd, Began: time.Now()}
	s.place(x, a)
	return a
}

// place gives an attempt what is never sealed with it.
func (s *Server) place(x *exchange, a *authn.Attempt) {
	a.Origin = x.origin()
	a.Callback = a.Origin + s.Prefix + "/callback/" + a.Method
	a.Client = x.client
	a.App, a.AppTitle = x.app.Name, x.app.Look.Title
}

// recall tells a method with many providers which of them this browser used before.
func (s *Server) recall(x *exchange, r *http.Request, m *Method, a *authn.Attempt) {
	if m.federated() {
		a.Recent = s.Attempts.Recent(r, x.secure, m.Name)
	}
}

// recentWith is a list with one at its front.
func recentWith(list []string, first string) []string {
	return append([]string{first}, slices.DeleteFunc(list, func(s string) bool { return s == first })...)
}

// formAnswer is a person's answer to a method's form.
func (s *Server) formAnswer(x *exchange, r *http.Request, set *Set, name string) error {
	m, err := set.reached(x, name)
	if err != nil {
		return err
	}
	if err := s.fromOurs(r); err != nil {
		return refuse(http.StatusForbidden, "form sent by a page of another site: %v", err)
	}
	if err := parseForm(r); err != nil {
		return err
	}
	a, err := s.Attempts.Find(r, x.secure, r.PostForm.Get("attempt"))
	if err != nil || a.Method != name || a.Host != x.host {
		return s.restart(x, r, m)
	}
	return s.resume(x, r, m, a)
}

// restart shows the form of an attempt anew that this browser no longer has. It
// keeps nothing of what was typed but says that it has to be typed again.
func (s *Server) restart(x *exchange, r *http.Request, m *Method) error {
	rd := returnTo(r.PostForm.Get("rd"), s.Prefix, x.host, x.app.ReturnHosts)
	if !m.asks() { // a code that was asked for behind a provider
		redirect(x, http.StatusSeeOther, s.startURL(m, rd))
		return nil
	}
	if r.Header.Get("Cookie") == "" {
		return authn.Invalid("Your browser does not keep cookies for this site, so you cannot be signed in. Allow cookies, then try again.", errors.New("form answer without any cookie"))
	}
	form, err := s.inlineForm(x, r, m, rd, "")
	if err != nil {
		return err
	}
	form.Form.Problem = "This page had been open for too long. Please type your details again."
	s.show(x, http.StatusUnprocessableEntity, *form)
	return nil
}

// callback is what came back from a provider. The attempt that it belongs to
// must be one of this browser, this host and this method.
func (s *Server) callback(x *exchange, r *http.Request, set *Set, name string) error {
	m, err := set.reached(x, name)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	state := r.Form["state"]
	if len(state) == 0 && r.Method == http.MethodPost && m.recognises() {
		return s.recognised(x, r, m, returnTo(r.PostForm.Get("rd"), s.Prefix, x.host, nil))
	}
	if len(state) != 1 {
		return noAttempt(fmt.Errorf("callback with %d states", len(state)))
	}
	a, err := s.Attempts.Find(r, x.secure, state[0])
	switch {
	case errors.Is(err, cookies.ErrStale) && a.Method == name && a.Host == x.host:
		redirect(x, http.StatusSeeOther, s.startURL(m, returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts)))
		return nil
	case err != nil && r.Header.Get("Cookie") == "":
		return cookieless(err)
	case err != nil:
		return noAttempt(err)
	case a.Method != name || a.Host != x.host:
		return noAttempt(fmt.Errorf("attempt of method %q on host %q", a.Method, a.Host))
	}
	return s.resume(x, r, m, a)
}

// noAttempt answers a callback that this browser did not ask for: a stranger's,
// or one whose page was opened twice.
func noAttempt(err error) error {
	return authn.Invalid("This sign-in was already finished, or was begun in another browser. Please sign in again.", fmt.Errorf("finding the attempt: %w", err))
}

// cookieless answers a callback without a single cookie. Where the provider posts
// its answer that is no proof that they are blocked: a session's own cookie does
// not come with another site's form.
func cookieless(err error) error {
	return authn.Invalid("Your browser keeps no cookies for this site, or this sign-in was begun in another browser. Allow cookies, then sign in again.", fmt.Errorf("finding the attempt, without any cookie: %w", err))
}

func parseForm(r *http.Request) error {
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "form of more than %d bytes", tooLarge.Limit)
	case err != nil:
		return refuse(http.StatusBadRequest, "form that cannot be read: %v", err)
	case r.Method == http.MethodPost && r.PostForm == nil:
		return refuse(http.StatusUnsupportedMediaType, "body that is no form")
	}
	return nil
}

func (s *Server) resume(x *exchange, r *http.Request, m *Method, a *authn.Attempt) error {
	s.place(x, a)
	s.recall(x, r, m, a)
	actor := a.Values[keepTry]
	if tries(a) {
		a.Trial = new(authn.Trial)
	}
	var err error
	if a.Shown, err = s.shown(x, r, m); err != nil {
		return s.notThisWay(m, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime+m.patience())
	defer cancel()
	if a.Values[keepProof] != "" {
		return s.proof(ctx, x, r, m, a)
	}
	reply, err := m.resume(ctx, a, r)
	if actor != "" {
		a.Keep(keepTry, actor) // whatever the method made of its values
	}
	if err != nil && tries(a) {
		s.Attempts.Drop(x, r, x.secure, a.ID)
		return s.tried(r.Context(), x, m, a, outcome{err: err})
	}
	if err != nil {
		s.Metrics.SignInFailed(m.Name, "failed", err)
		s.emergencyRefused(x, m)
		return fmt.Errorf("signing in with method %q: %w", m.Name, err)
	}
	return s.reply(x, r, m, a, reply)
}

// reply turns what a method answered into what the browser gets.
func (s *Server) reply(x *exchange, r *http.Request, m *Method, a *authn.Attempt, reply authn.Reply) error {
	if in, ok := reply.(authn.SignedIn); ok {
		if tries(a) {
			return s.triedIn(x, r, m, a, in.Identity)
		}
		if e := m.emergency(); e != nil {
			return s.breakGlass(x, r, m, e, a, in)
		}
		return s.signedIn(x, r, m, a, in.Identity)
	}
	if err := s.Attempts.Save(x, r, x.secure, a); err != nil {
		return fmt.Errorf("keeping the attempt: %w", err)
	}
	switch reply := reply.(type) {
	case authn.Redirect:
		redirect(x, http.StatusSeeOther, reply.URL)
	case authn.PostForm:
		s.show(x, http.StatusOK, pages.PostForm{URL: reply.URL, Fields: reply.Fields, To: m.Title})
	case authn.Challenge:
		x.Header().Set("WWW-Authenticate", reply.Scheme)
		s.show(x, http.StatusUnauthorized, pages.Handshake{Others: s.byHandURL(a.Return)})
	case authn.Elsewhere:
		if tries(a) {
			s.Attempts.Drop(x, r, x.secure, a.ID)
			return s.tried(r.Context(), x, m, a, outcome{err: errors.New("the method is not for this device: people are led to the other ways to sign in")})
		}
		s.Metrics.SignIn(m.Name, "refused")
		redirect(x, http.StatusSeeOther, s.byHandURL(a.Return))
	case authn.Form:
		status := http.StatusOK
		if reply.Problem != "" {
			s.Metrics.SignIn(m.Name, "refused")
			s.emergencyRefused(x, m)
			status = http.StatusUnprocessableEntity
		}
		page := s.formPage(m, a, reply)
		if len(x.app.Methods)+len(x.app.Guests) > 1 && !tries(a) {
			page.Others = s.chooseURL(a.Return, "1")
		}
		s.show(x, status, *page)
	default:
		return fmt.Errorf("method %q answered with %T", m.Name, reply)
	}
	return nil
}

func (s *Server) formPage(m *Method, a *authn.Attempt, form authn.Form) *pages.FormPage {
	return &pages.FormPage{Title: m.Title, Action: s.Prefix + "/start/" + m.Name, Attempt: a.ID, Return: a.Return, Form: form}
}

// signedIn makes a session of an identity that a method vouches for.
func (s *Server) signedIn(x *exchange, r *http.Request, m *Method, a *authn.Attempt, id authn.Identity) error {
	if id.Anonymous() || id.User == "" {
		return fmt.Errorf("method %q vouched for nobody", m.Name)
	}
	id.Method, id.Organisation, id.Kind = m.Name, "", ""
	admission, err := s.admit(x, r, m, id)
	if err != nil {
		return s.turnedAway(x, m, a, &id, err)
	}
	if v, ok := admission.(accounts.Verify); ok {
		return s.askForProof(x, r, m, a, pending{Verify: v, Identity: id})
	}
	return s.letIn(x, r, m, a, admission.(accounts.Admitted).Identity)
}

// letIn makes a session of an identity that may come in.
func (s *Server) letIn(x *exchange, r *http.Request, m *Method, a *authn.Attempt, id authn.Identity) error {
	var err error
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return s.turnedAway(x, m, a, &id, err)
	}
	id.Placed = s.set.Load().placed(m.Name) != nil
	limits := x.app.terms(m.Name).Limits
	if x.app.SharedIdle > 0 && s.shared(x) {
		limits.Idle = min(limits.Idle, x.app.SharedIdle)
	}
	sess, err := s.Sessions.Start(r.Context(), x, r, x.secure, cookies.Opening{
		Audience: x.app.Audience, Limits: limits, App: x.app.Name, Client: x.peer, Fleeting: s.shared(x),
	}, id)
	if err != nil {
		return storeDown(fmt.Errorf("starting a session: %w", err))
	}
	s.Attempts.Drop(x, r, x.secure, a.ID)
	s.proved(x, r)
	x.who = &sess.Identity
	switch {
	case s.shared(x): // whose way in it was is nobody else's business
	case m.federated():
		s.Attempts.Remember(x, x.secure, m.Name, recentWith(s.Attempts.Recent(r, x.secure, m.Name), id.Issuer)...)
	case m.recognises() || s.set.Load().owner(m.Name) != nil:
		s.Attempts.Remember(x, x.secure, m.Name)
	}
	s.Metrics.SignIn(m.Name, "ok")
	s.countVisit(m, id)
	s.Log.Info("signed in", "request_id", x.id, "app", x.app.Name, "method", m.Name, "user", id.User,
		"issuer", id.Issuer, "subject", id.Subject, "session", sess.Handle(), "client", x.peer)
	rd := returnTo(a.Return, s.Prefix, x.host, x.app.ReturnHosts)
	redirect(x, http.StatusSeeOther, s.onward(x, r, &id, rd))
	return nil
}

// countVisit counts a sign-in for the reports of a subscription.
func (s *Server) countVisit(m *Method, id authn.Identity) {
	if s.Visits == nil || !m.Visits && !id.Placed && !m.recognises() {
		return
	}
	s.Visits.Count(accounts.Visit{Organisation: id.Organisation, Method: m.Name, User: id.User})
}
