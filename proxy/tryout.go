package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy/pages"
)

// A try-out is an attempt by which nobody signs in: an administrator goes the way that
// people go, and at its end is shown what the provider sent, what was verified, and what
// would have become of it. It is begun with a ticket, which the operator's side gives
// out, and keepTry in the sealed attempt marks it from then on.

// TryLife is how long a ticket may be used.
const TryLife = 10 * time.Minute

// keepTry is the key in Attempt.Values of who tries.
const keepTry = "try"

// ErrNoTry is returned by Ticket for what cannot be tried.
var ErrNoTry = errors.New("there is no such method at such an app")

// Ticket lets actor try a method at an app once, of several names the first that offers it
// if app is empty. It returns a host of the app and the address there.
func (s *Server) Ticket(ctx context.Context, method, app, actor string) (host, address string, err error) {
	at, err := s.set.Load().tryable(method, app)
	if err != nil {
		return "", "", err
	}
	data, err := json.Marshal(ticket{Method: method, App: at.Name, Actor: authn.CutControl(actor, 200)})
	if err != nil {
		return "", "", fmt.Errorf("write a ticket: %w", err)
	}
	held, err := s.Sessions.Hold(ctx, data, TryLife)
	if err != nil {
		return "", "", storeDown(err)
	}
	return at.Hosts[0], s.Prefix + "/try/" + method + "?" + url.Values{"ticket": {held}}.Encode(), nil
}

// Tryable reports whether a method can be tried at some app.
func (set *Set) Tryable(method string) bool {
	_, err := set.tryable(method, "")
	return err == nil
}

// tryable finds the app at which a method is to be tried.
func (set *Set) tryable(method, app string) (*App, error) {
	m := set.methods[method]
	if m == nil {
		return nil, fmt.Errorf("%w: no method is named %q", ErrNoTry, method)
	}
	if m.emergency() != nil {
		return nil, fmt.Errorf("%w: %q is for emergencies, and each use of it is one", ErrNoTry, method)
	}
	var found *App
	for _, a := range set.Apps() {
		if a.offers(method) && len(a.Hosts) > 0 && (app == "" || a.Name == app) && (found == nil || a.Name < found.Name) {
			found = a
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: no app named %q has %q among its methods", ErrNoTry, app, method)
	}
	return found, nil
}

// tryOut shows what a ticket is for, and begins when its button is pressed: what only
// looks at a link begins nothing.
func (s *Server) tryOut(x *exchange, r *http.Request, set *Set, name string) error {
	if r.Method == http.MethodPost {
		if err := s.fromOurs(r); err != nil {
			return refuse(http.StatusForbidden, "form sent by a page of another site: %v", err)
		}
	}
	if err := parseForm(r); err != nil {
		return err
	}
	values := r.URL.Query()
	if r.Method == http.MethodPost {
		values = r.PostForm
	}
	held := values.Get("ticket")
	t, err := s.ticket(r.Context(), held, false)
	if err != nil {
		return err
	}
	m, err := set.method(x.app, name)
	switch {
	case err != nil:
		return err
	case t.Method != name || t.App != x.app.Name || m.emergency() != nil:
		return refuse(http.StatusNotFound, "a ticket for method %q at app %q", t.Method, t.App)
	case r.Method != http.MethodPost:
		s.Pages.Write(x, http.StatusOK, pages.Reader{}, x.look(), pages.TryStart{Title: m.Title, Action: s.Prefix + "/try/" + name, Ticket: held})
		return nil
	}
	if _, err := s.ticket(r.Context(), held, true); err != nil {
		return err
	}
	return s.beginTry(x, r, m, t)
}

func (s *Server) beginTry(x *exchange, r *http.Request, m *Method, t ticket) error {
	a := s.newAttempt(x, r, m, "/")
	a.Keep(keepTry, t.Actor)
	a.Trial = new(authn.Trial)
	var err error
	if a.Shown, err = s.shown(x, r, m); err != nil {
		return s.tried(r.Context(), x, m, a, outcome{err: err})
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	reply, err := m.begin(ctx, a)
	a.Keep(keepTry, t.Actor) // whatever the method made of its values
	if err != nil {
		return s.tried(r.Context(), x, m, a, outcome{err: err})
	}
	return s.reply(x, r, m, a, reply)
}

// tries reports whether nobody signs in by this attempt.
func tries(a *authn.Attempt) bool { return a.Values[keepTry] != "" }

// outcome is what came of a try-out.
type outcome struct {
	err error
	id  authn.Identity
}

// triedIn finds out what would become of an identity, and shows it.
func (s *Server) triedIn(x *exchange, r *http.Request, m *Method, a *authn.Attempt, id authn.Identity) error {
	s.Attempts.Drop(x, r, x.secure, a.ID)
	if id.Anonymous() || id.User == "" {
		return s.tried(r.Context(), x, m, a, outcome{err: errors.New("the method vouched for nobody")})
	}
	id.Method, id.Organisation, id.Kind = m.Name, "", ""
	return s.tried(r.Context(), x, m, a, outcome{id: id})
}

// tried shows what came of a try-out.
func (s *Server) tried(ctx context.Context, x *exchange, m *Method, a *authn.Attempt, o outcome) error {
	p := pages.TryOut{Title: m.Title, App: x.app.Look.Title, Code: x.id}
	if t := a.Trial; t != nil {
		p.Checked, p.Sent, p.Made = t.Checked, t.Sent, t.Made
	}
	if o.err == nil {
		o.err = s.preview(ctx, x, m, o.id, &p)
	}
	var known *authn.Error
	switch {
	case errors.As(o.err, &known):
		p.Told, p.Why = known.Public, o.err.Error()
	case o.err != nil:
		p.Why = o.err.Error()
	}
	p.Missing = missing(&p)
	result := "ok"
	if o.err != nil {
		result = "failed"
	}
	s.noteTry(ctx, x, m, a, &o, result)
	s.Pages.Write(x, http.StatusOK, pages.Reader{}, x.look(), p) // in English, as the configuration is
	return nil
}

// preview asks all who would be asked, and keeps nothing.
func (s *Server) preview(ctx context.Context, x *exchange, m *Method, id authn.Identity, p *pages.TryOut) error {
	for _, row := range [...]pages.Fact{
		{Label: "User name", Value: id.User}, {Label: "Known for good as", Value: id.Subject}, {Label: "By", Value: id.Issuer},
		{Label: "E-mail address", Value: address(&id)}, {Label: "Name", Value: id.Name}, {Label: "Groups", Value: strings.Join(id.Groups, ", ")},
	} {
		if row.Value != "" {
			p.Person = append(p.Person, row)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	x.trying = true
	admission, err := s.admitIn(ctx, x, m, id)
	if err != nil {
		return err
	}
	switch done := admission.(type) {
	case accounts.Verify:
		p.Account = "At the first sign-in, a code would be sent to " + done.Masked + ", the address on the account. What follows counts after that."
	case accounts.Admitted:
		id = done.Identity
		p.Account = accountWords(&done)
	}
	if id.Roles, err = x.app.Roles.Of(&id); err != nil {
		return err
	}
	p.Roles = id.Roles
	p.LetIn = id.User
	for i := range x.app.Policy.rules {
		rule := &x.app.Policy.rules[i]
		d := rule.judge(&id, Request{Method: http.MethodGet, Client: x.client}, x.app.Policy)
		p.Rules = append(p.Rules, pages.TryRule{Text: rule.String(), Verdict: d.Verdict.String(), Reason: d.Reason})
	}
	d := x.app.Policy.signedIn(&id)
	p.Rules = append(p.Rules, pages.TryRule{Text: "every path that no rule is about", Verdict: d.Verdict.String(), Reason: d.Reason})
	if x.app.Upstream != nil {
		for _, h := range x.app.Upstream.Preview(&id) {
			p.Headers = append(p.Headers, pages.TryHeader{Name: h.Name, Value: h.Value, Claim: h.Claim, None: h.None})
		}
	}
	return nil
}

func address(id *authn.Identity) string {
	if id.Email != "" && !id.Checked {
		return id.Email + " (nobody has verified it)"
	}
	return id.Email
}

func accountWords(in *accounts.Admitted) string {
	switch {
	case in.Account.ID == "":
		return "No account is needed."
	case in.Created:
		return "An account would be made."
	case in.Linked:
		return "The account " + in.Identity.User + " fits, and would be linked."
	}
	return "The account " + in.Identity.User + " is linked already."
}

// missing lists what was looked for in vain.
func missing(p *pages.TryOut) []string {
	var all []string
	for _, m := range p.Made {
		if m.Value == "" {
			all = append(all, fmt.Sprintf("%s: the provider sent none of %s", m.Part, strings.Join(m.From, ", ")))
		}
	}
	for _, h := range p.Headers {
		if h.None {
			all = append(all, fmt.Sprintf("header %s: nothing is known of %s, so it is not sent", h.Name, h.Claim))
		}
	}
	return all
}

// noteTry writes down who tried, in the log and in the audit trail.
func (s *Server) noteTry(ctx context.Context, x *exchange, m *Method, a *authn.Attempt, o *outcome, result string) {
	reason := ""
	if o.err != nil {
		reason = authn.CutControl(o.err.Error(), 512)
	}
	actor := a.Values[keepTry]
	s.Log.Info("sign-in tried out", "request_id", x.id, "app", x.app.Name, "method", m.Name, "by", actor, "user", o.id.User, "result", result, "reason", reason, "client", x.peer)
	if s.Accounts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signInTime)
	defer cancel()
	e := accounts.Event{Actor: actor, Action: "try", Method: m.Name, App: x.app.Name, Client: x.client, Result: result, RequestID: x.id}
	if reason != "" {
		e.Detail = map[string]any{"why": reason}
	}
	err := s.Accounts.Audit.Append(ctx, e)
	if err != nil {
		s.Log.Warn("try-out not in the audit trail", "request_id", x.id, "err", err)
	}
}
