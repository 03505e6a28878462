package proxy

import (
	"context"
	"errors"
	"time"

	"foregate/authn"
	"foregate/authn/accounts"
	"foregate/proxy/pages"
	"foregate/upstream"
)

// Some applications know people by HTTP Basic alone, each by a name and password of their
// own (Route.PerUser). What accounts keep of them is asked for once for a session and
// process, and held by its credentials. When it changes, every replica reads the sessions
// of the person anew (cookies.RereadPerson), and so makes new credentials.

// programLogin is how long a program's is held: it has no session that could be told.
const programLogin = time.Second

// giveLogin gives credentials the person's own name and password for the app, or the
// knowledge that there are none.
func (s *Server) giveLogin(ctx context.Context, x *exchange, who *authn.Identity, c *upstream.Credentials) error {
	if s.Accounts == nil {
		return c.KeepLogin(nil)
	}
	l, err := s.Accounts.Login(ctx, who, x.app.Name)
	if errors.Is(err, accounts.ErrNoLogin) {
		return c.KeepLogin(nil)
	}
	if err != nil {
		return authn.Unavailable("We cannot look up your name and password for this application right now. Try again in a minute.", err)
	}
	return c.KeepLogin(&upstream.BasicUser{User: l.User, Password: l.Password.Reveal()})
}

// entersOwnLogin reports whether somebody enters their own name and password themselves.
// Who is known by their place alone is many people, and none of them speaks for the others.
func (a *App) entersOwnLogin(who *authn.Identity) bool {
	return a.SelfService && !who.Anonymous() && !who.Placed
}

// loginPage says to a person what to do about their own name and password, without which
// their request was not carried. found is false for any other error.
func (s *Server) loginPage(x *exchange, err error) (page pages.Problem, found bool) {
	refused := errors.Is(err, upstream.ErrLoginRefused)
	if !refused && !errors.Is(err, upstream.ErrNoLogin) {
		return pages.Problem{}, false
	}
	page.Code = x.id
	self := s.Accounts != nil && x.app.entersOwnLogin(x.who)
	switch {
	case refused && self:
		page.Heading = "The application did not accept your password"
		page.Message = "The name and password that are kept for you are not right, or not right any more. Enter those that you have now."
	case refused:
		page.Heading = "The application did not accept your password"
		page.Message = "The name and password that are kept for you are not right, or not right any more. Ask the people who look after this application to enter the new ones."
	case self:
		page.Heading = "One more thing, this once"
		page.Message = "This application asks for a name and password of its own. Enter them here once, and you will not be asked again."
	default:
		page.Heading = "The application does not know you yet"
		page.Message = "This application asks for a name and password of its own, and none are kept for you. Ask the people who look after this application to enter them."
	}
	if self {
		page.Action, page.ActionURL = "Enter name and password", s.accountURL(accountLogin)
	}
	return page, true
}
