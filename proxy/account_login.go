package proxy

import (
	"context"
	"errors"
	"net/http"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy/pages"
)

// Fields of the form with which people enter their own name and password for an
// application. Their names are none that a password manager fills in with what it knows
// of the sign-in.
const (
	fieldAppUser     = "app-user"
	fieldAppPassword = "app-secret"
)

// loginOf is what is kept of the person's for the app that asks; nil where they do not
// enter it themselves.
func (s *Server) loginOf(ctx context.Context, x *exchange, me *self) (*pages.Login, error) {
	if !me.has() || !x.app.entersOwnLogin(&me.sess.Identity) {
		return nil, nil
	}
	all, err := s.Accounts.Logins(ctx, me.account.ID)
	if err != nil {
		return nil, noAccounts(err)
	}
	shown := &pages.Login{URL: s.accountURL(accountLogin)}
	for _, l := range all {
		if l.App == x.app.Name {
			shown.Kept, shown.Changed = true, l.Changed
		}
	}
	return shown, nil
}

// changeLogin keeps the person's own name and password for the app, or forgets them.
func (s *Server) changeLogin(ctx context.Context, x *exchange, r *http.Request, me *self) error {
	if !me.has() {
		s.show(x, http.StatusForbidden, pages.Problem{
			Heading: "You have no account here", Code: x.id,
			Message: "Names and passwords for applications are kept with accounts. Ask the people who look after this application for one.",
		})
		return nil
	}
	within := finishTime
	if r.Method != http.MethodPost {
		within = recentTime
	}
	if !me.recent(within) {
		return s.signInAgain(x, me, accountLogin)
	}
	kept, err := s.loginOf(ctx, x, me)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return s.showOwnForm(x, accountLogin, "", loginForm(x, kept, ""))
	}
	done := "login"
	if r.PostForm.Has(buttonRemove) {
		done = "login-removed"
		err = s.Accounts.RemoveLogin(ctx, s.actor(x, me), me.account.ID, x.app.Name)
		if errors.Is(err, accounts.ErrNoLogin) {
			err = nil
		}
	} else {
		l := accounts.Login{User: r.PostForm.Get(fieldAppUser), Password: authn.NewSecret(r.PostForm.Get(fieldAppPassword))}
		err = s.Accounts.SetLogin(ctx, s.actor(x, me), me.account.ID, x.app.Name, l)
	}
	var fault *authn.Fault
	if errors.As(err, &fault) {
		return s.showOwnForm(x, accountLogin, "", loginForm(x, kept, "Type both the name and the password, as the application knows them. A name has no colon."))
	}
	if err != nil {
		return noAccounts(err)
	}
	s.Log.Info("name and password for an application changed by their person", "request_id", x.id, "app", x.app.Name, "user", x.user(), "what", done, "client", x.peer)
	redirect(x, http.StatusSeeOther, s.accountURL("")+"?done="+done)
	return nil
}

func loginForm(x *exchange, kept *pages.Login, problem string) authn.Form {
	f := authn.Form{Step: "app-login", Problem: problem, Facts: map[string]string{"app": x.app.calledBy()}, Fields: []authn.Field{
		{Name: fieldAppUser, Kind: "text", Label: "Your name there"},
		{Name: fieldAppPassword, Kind: "password", Label: "Your password there"},
	}}
	if kept.Kept {
		f.Buttons = []authn.Button{{Name: buttonRemove, Label: "Remove them"}}
	}
	return f
}
