package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"foregate/authn"
)

var (
	// ErrNoLogin is in the error for a person whose own name and password a route sends
	// (Route.PerUser) and nobody has given.
	ErrNoLogin = errors.New("upstream: the person's own name and password for the application are not known")
	// ErrLoginRefused is in the error where the application answered 401 to them.
	ErrLoginRefused = errors.New("upstream: the application refused the person's own name and password")
)

// login is a person's own name and password for one application, ready to be sent. A
// session that is good for several applications has one for each. It never changes.
type login struct {
	app    string
	header []string // the Authorization header; nil: it is known that there is none
	next   *login
}

// AsksLogin reports whether a request for at is sent with the person's own name and
// password.
func (u *Upstream) AsksLogin(at *url.URL) bool {
	if !u.perUser {
		return false
	}
	r, _ := u.routeOf(at)
	return r != nil && r.PerUser
}

// PerUser reports whether some route sends people's own names and passwords.
func (u *Upstream) PerUser() bool { return u.perUser }

// KeepLogin gives c the person's own name and password for the application; nil says
// that they have none. An earlier one is void.
func (c *Credentials) KeepLogin(b *BasicUser) error {
	if err := b.check(); err != nil {
		return fmt.Errorf("upstream %q: %w", c.upstream.cfg.Name, err)
	}
	for {
		before := c.logins.Load()
		mine := &login{app: c.upstream.cfg.Name, header: b.header()}
		for l := before; l != nil; l = l.next { // of other applications
			if l.app != mine.app {
				mine.next = &login{l.app, l.header, mine.next}
			}
		}
		if c.logins.CompareAndSwap(before, mine) {
			return nil
		}
	}
}

// HasLogin reports whether KeepLogin was called, on c or on what it inherits from.
func (c *Credentials) HasLogin() bool { return c.login() != nil }

// Inherit takes over the logins of earlier credentials of the same session.
func (c *Credentials) Inherit(earlier *Credentials) {
	if earlier != nil {
		c.logins.Store(earlier.logins.Load())
	}
}

func (c *Credentials) login() *login {
	for l := c.logins.Load(); l != nil; l = l.next {
		if l.app == c.upstream.cfg.Name {
			return l
		}
	}
	return nil
}

// findLogin looks for what the route sends of a person who is signed in. Without it the
// request does not go out.
func (p *passage) findLogin() error {
	who := p.trip.Who
	if !p.route.PerUser || who == nil || who.id.Anonymous() {
		return nil
	}
	l := who.login()
	if l == nil || l.header == nil {
		return &authn.Error{Public: noLogin, Err: ErrNoLogin, Status: http.StatusForbidden}
	}
	p.login = l.header
	return nil
}

// What people read who see no page of the proxy's own.
const (
	noLogin      = "This application asks for a name and password of its own, and none are kept for you."
	loginRefused = "The application did not accept the name and password that are kept for you."
)

// refusedLogin is the error in place of a 401 for a page that was asked for with the
// person's own name and password. Everybody else gets the answer as it is.
func (p *passage) refusedLogin(status int) error {
	if status != http.StatusUnauthorized || p.login == nil || !p.trip.Page {
		return nil
	}
	return &authn.Error{Public: loginRefused, Err: ErrLoginRefused, Status: http.StatusForbidden}
}
