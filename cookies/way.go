package cookies

import (
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

const (
	wayAge = 90 * 24 * time.Hour
	maxWay = 1024 // bytes of the cookie's value
	recent = 3    // providers
)

// Remember notes in the browser by which method it signed in, so that it is led the
// same way again. The cookie is sealed: which organisation somebody belongs to is
// nobody else's business, and nobody else may send them to another's page. providers are
// those of the method, the last first; three are kept.
func (a *Attempts) Remember(w http.ResponseWriter, secure bool, method string, providers ...string) {
	c := &http.Cookie{
		Name: a.wayCookie.session(secure), Path: "/", MaxAge: int(wayAge / time.Second),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
	text := strings.Join(append([]string{method}, providers[:min(len(providers), recent)]...), "\x00")
	value, err := a.sealing.Load().way.seal(c.Name, []byte(text))
	if err != nil {
		return // a name too long for a cookie: the person is asked again
	}
	c.Value = value
	setCookie(w, c)
}

// Remembered is the method that Remember noted, or "".
func (a *Attempts) Remembered(r *http.Request, secure bool) string {
	name := a.wayCookie.session(secure)
	value, n := find(r.Header["Cookie"], name)
	if n != 1 || len(value) > maxWay {
		return ""
	}
	text, _ := a.sealing.Load().way.open(name, value)
	method, _, _ := strings.Cut(string(text), "\x00")
	return method
}

// Recent are the providers that Remember noted with the method.
func (a *Attempts) Recent(r *http.Request, secure bool, method string) []string {
	name := a.wayCookie.session(secure)
	value, n := find(r.Header["Cookie"], name)
	if n != 1 || len(value) > maxWay {
		return nil
	}
	text, _ := a.sealing.Load().way.open(name, value)
	parts := strings.Split(string(text), "\x00")
	if parts[0] != method {
		return nil
	}
	return parts[1:]
}

// Pending is the attempt that r's browser last began with a method on a host; nil if
// there is none, or none that is fresh.
func (a *Attempts) Pending(r *http.Request, secure bool, method, host string) *authn.Attempt {
	held := a.held(r, secure)
	for i := len(held) - 1; i >= 0 && !held[i].began.IsZero(); i-- {
		name := a.names[held[i].slot].session(secure)
		value, _ := find(r.Header["Cookie"], name)
		if at, fresh := a.open(name, value); at != nil && fresh && at.Method == method && at.Host == host {
			return at
		}
	}
	return nil
}
