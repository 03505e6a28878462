package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/cookies"
	"foregate/proxy/pages"
)

// The person's own page, at /account below the prefix: who they are here, where they
// are signed in, and what they can change themselves. Everybody who is signed in has
// one; a password and an authenticator app are there for whom an account has them, and
// where one of the app's methods makes use of them.

// Below /account.
const (
	accountSessions = "sessions"
	accountPassword = "password"
	accountApp      = "app"
	accountLogin    = "application"
)

const (
	// recentTime is how long ago people may have proved who they are to change what
	// they sign in with: a browser that was left open must not be enough.
	recentTime = 10 * time.Minute
	// finishTime is for who has begun in time: installing an app takes a while.
	finishTime = 20 * time.Minute
)

// self is the person who asks.
type self struct {
	sess     *cookies.Session
	account  accounts.Account // zero for who has none
	factors  accounts.Factors
	password bool // the account's password is of use here
	app      bool // and an authenticator app
}

func (me *self) has() bool { return me.account.ID != "" }

func (s *Server) accountURL(rest string) string {
	if rest == "" {
		return s.Prefix + "/account"
	}
	return s.Prefix + "/account/" + rest
}

// account answers all addresses of the person's own page.
func (s *Server) account(x *exchange, r *http.Request, set *Set, name string) error {
	if r.Method == http.MethodPost {
		if err := s.fromOurs(r); err != nil {
			return refuse(http.StatusForbidden, "form sent by a page of another site: %v", err)
		}
		if err := parseForm(r); err != nil {
			return err
		}
	}
	sess, err := s.load(x, r)
	if err == nil && sess != nil && s.Sessions.Due(sess) {
		sess, err = s.renewed(x, r, set, sess)
		if errors.Is(err, cookies.ErrNoSession) {
			sess, err = nil, nil
		}
		if err != nil {
			return storeDown(err)
		}
	}
	if err != nil {
		return err
	}
	if sess == nil {
		return s.signInFor(x, r, name)
	}
	if isPage(r) || r.Method == http.MethodPost {
		s.Sessions.Touch(sess)
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	me, err := s.self(ctx, x, set, sess)
	if err != nil {
		return err
	}
	switch {
	case name == "" && r.Method == http.MethodPost: // the button of a page that was read
		redirect(x, http.StatusSeeOther, s.accountURL(""))
		return nil
	case name == "":
		return s.showAccount(ctx, x, r, set, me, "")
	case name == accountSessions && r.Method == http.MethodPost:
		return s.endMine(ctx, x, r, set, me)
	case name == accountSessions:
		redirect(x, http.StatusSeeOther, s.accountURL(""))
		return nil
	case name == accountPassword && me.password && me.factors.Password:
		return s.changePassword(ctx, x, r, me)
	case name == accountApp && me.app:
		return s.changeApp(ctx, x, r, me)
	case name == accountLogin && x.app.entersOwnLogin(&sess.Identity):
		return s.changeLogin(ctx, x, r, me)
	}
	return refuse(http.StatusNotFound, "nothing of this person's is at this address")
}

// signInFor sends a person to sign in and back to their own page.
func (s *Server) signInFor(x *exchange, r *http.Request, name string) error {
	q := url.Values{"rd": {s.accountURL("")}}
	if r.Method == http.MethodPost {
		q.Set("lost", "1") // what was posted is not repeated: the page says so
	} else if name == accountPassword || name == accountApp || name == accountLogin {
		q.Set("rd", s.accountURL(name))
	}
	address := s.Prefix + "/sign-in?" + q.Encode()
	if !isPage(r) {
		pages.JSON(x, http.StatusUnauthorized, map[string]string{"error": "sign_in_required", "sign_in": x.origin() + address, "code": x.id})
		return nil
	}
	redirect(x, http.StatusSeeOther, address)
	return nil
}

func (s *Server) self(ctx context.Context, x *exchange, set *Set, sess *cookies.Session) (*self, error) {
	me := &self{sess: sess}
	if s.Accounts == nil {
		return me, nil
	}
	var err error
	me.account, err = s.Accounts.Of(ctx, &sess.Identity)
	switch {
	case errors.Is(err, accounts.ErrNotFound):
		me.account = accounts.Account{}
		return me, nil
	case err != nil:
		return nil, noAccounts(err)
	}
	if me.factors, err = s.Accounts.Factors(ctx, me.account.ID); err != nil {
		return nil, noAccounts(err)
	}
	for _, name := range x.app.all() {
		password, app := set.keeps(name)
		me.password, me.app = me.password || password, me.app || app
	}
	// A code is asked for after a password: without one it would protect nothing.
	me.app = me.app && (me.factors.Password || me.factors.TOTP)
	return me, nil
}

// noAccounts gives an error of the accounts words for a person, unless it has some.
func noAccounts(err error) error {
	var said *authn.Error
	if errors.As(err, &said) {
		return err
	}
	return authn.Unavailable("We cannot look up your account right now. Try again in a minute.", err)
}

// keeps reports what a method makes use of that people can change themselves.
func (set *Set) keeps(method string) (password, app bool) {
	m := set.methods[method]
	if m == nil {
		return false, false
	}
	auth, err := m.open()
	if err != nil {
		return false, false
	}
	k, ok := auth.(authn.Keeper)
	if !ok {
		return false, false
	}
	return k.Keeps()
}

// recent reports whether the person proved who they are a short while ago.
func (me *self) recent(within time.Duration) bool {
	since := time.Since(me.sess.Identity.Authenticated)
	return since < within && since > -within
}

// signInAgain asks for a fresh proof before something is changed.
func (s *Server) signInAgain(x *exchange, me *self, name string) error {
	page := pages.Problem{
		Heading: "Please sign in again",
		Message: "To change how you sign in, you must have signed in during the last 10 minutes. Sign in again, and you come back here.",
		Action:  "Sign in again", ActionURL: s.Prefix + "/sign-out?choose=1",
	}
	if method := me.sess.Identity.Method; x.app.offers(method) {
		page.ActionURL = s.Prefix + "/start/" + method + "?" + url.Values{"rd": {s.accountURL(name)}, "fresh": {"1"}}.Encode()
	}
	s.show(x, http.StatusForbidden, page)
	return nil
}

// actor is on whose behalf something of the person's own is changed.
func (s *Server) actor(x *exchange, me *self) accounts.Context {
	return accounts.Context{Actor: me.sess.Identity.User, App: x.app.Name, Client: x.client, RequestID: x.id}
}

// done are the words for what the address of the page says was done.
var done = map[string]string{
	"password": "Your password is changed. You are signed out everywhere else.",
	"app":      "Your authenticator app is removed. Your password alone lets you in now.",
	"session":  "That device is signed out.",
	"others":   "You are signed out everywhere but here.",

	"login":         "Your name and password for this application are kept. They are used from now on.",
	"login-removed": "Your name and password for this application are removed.",
}

func (s *Server) showAccount(ctx context.Context, x *exchange, r *http.Request, set *Set, me *self, problem string) error {
	page := pages.Account{
		Problem: problem, Facts: s.facts(set, me), Now: time.Now(), SessionsURL: s.accountURL(accountSessions),
		Home: "/", SignOut: s.Prefix + "/sign-out?choose=1",
	}
	if problem == "" {
		page.Done = done[r.URL.Query().Get("done")]
	}
	page.Factors = s.factors(me)
	var err error
	if page.Login, err = s.loginOf(ctx, x, me); err != nil {
		return err
	}
	if err := s.addIdentities(ctx, set, me, &page); err != nil {
		return err
	}
	if err := s.addSessions(ctx, set, me, &page); err != nil {
		return err
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	s.show(x, status, page)
	return nil
}

// facts are who the person is here, in plain words.
func (s *Server) facts(set *Set, me *self) []pages.Fact {
	id := &me.sess.Identity
	groups, moreGroups := some(id.Groups)
	roles, moreRoles := some(id.Roles)
	var facts []pages.Fact
	for _, f := range []pages.Fact{
		{Label: "Name", Value: id.Name}, {Label: "E-mail address", Value: id.Email}, {Label: "User name", Value: id.User},
		{Label: "Signed in", Value: set.title(id.Method), Since: me.sess.Began()}, {Label: "Proved by", Words: means(id.AMR)},
		{Label: "Ends at the latest", Until: me.sess.Ends()},
		{Label: "Groups", Value: groups, More: moreGroups}, {Label: "Roles", Value: roles, More: moreRoles},
	} {
		if f.Value != "" || len(f.Words) > 0 || !f.Since.IsZero() || !f.Until.IsZero() {
			facts = append(facts, f)
		}
	}
	return facts
}

func (s *Server) factors(me *self) []pages.Factor {
	var all []pages.Factor
	if me.password && me.factors.Password {
		all = append(all, pages.Factor{Title: "Password", Action: "Change your password", URL: s.accountURL(accountPassword)})
	}
	switch {
	case me.app && me.factors.TOTP:
		f := pages.Factor{Title: "Authenticator app", Codes: me.factors.RecoveryCodes, Action: "Change or remove it", URL: s.accountURL(accountApp)}
		if f.Codes == 0 {
			f.Note = "Set up; no recovery code is left."
		}
		all = append(all, f)
	case me.app:
		all = append(all, pages.Factor{Title: "Authenticator app", Note: "Not set up: your password alone lets you in.", Action: "Set it up", URL: s.accountURL(accountApp)})
	}
	return all
}

func (s *Server) addIdentities(ctx context.Context, set *Set, me *self, page *pages.Account) error {
	if !me.has() {
		return nil
	}
	links, err := s.Accounts.Links(ctx, me.account.ID)
	if err != nil {
		return noAccounts(err)
	}
	for _, l := range links {
		i := pages.Identity{Title: cmp.Or(set.title(l.Method), l.Method), Note: l.Email, Used: l.Used}
		page.Identities = append(page.Identities, i)
	}
	return nil
}

// title is what people call a method; empty for one that is not there any more.
func (set *Set) title(method string) string {
	if m := set.methods[method]; m != nil {
		return m.Title
	}
	return ""
}

// proofs are what Identity.AMR may hold (RFC 8176), for people.
var proofs = map[string]string{
	"pwd": "password", "otp": "one-time code", "mfa": "several proofs", "hwk": "security key", "swk": "key on the device", "pop": "key on the device",
	"sc": "smart card", "fpt": "fingerprint", "face": "face", "pin": "PIN", "sms": "text message", "tel": "telephone call",
	"wia": "sign-in to Windows", "kba": "questions", "user": "presence", "rsa": "key",
}

// means says in words by what somebody proved who they are.
func means(amr []string) []string {
	var said []string
	for _, m := range amr {
		if w, ok := proofs[m]; ok {
			said = append(said, w)
		}
	}
	return said
}

// some of many names, and how many there are besides.
func some(names []string) (said string, more int) {
	const most = 20
	shown := names[:min(len(names), most)]
	return strings.Join(shown, ", "), len(names) - len(shown)
}
