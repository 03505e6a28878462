package upstream

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// maxBasic is the longest name or password, in bytes.
const maxBasic = 1024

// BasicUser is a user as whom an application that knows only HTTP Basic (RFC 7617) is
// asked: one for all people, or a person's own.
type BasicUser struct{ User, Password string }

func (b *BasicUser) check() error {
	switch {
	case b == nil:
		return nil
	case b.User == "" || b.Password == "":
		return errors.New("HTTP Basic needs a user name and a password")
	case strings.Contains(b.User, ":"):
		return errors.New("a user name of HTTP Basic has no colon")
	case len(b.User) > maxBasic || len(b.Password) > maxBasic:
		return errors.New("a user name or password of HTTP Basic is too long")
	case strings.ContainsFunc(b.User+b.Password, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errors.New("a user name or password of HTTP Basic has a control character")
	}
	return nil
}

// header is the value of Authorization, in UTF-8; nil for none. All requests share it.
func (b *BasicUser) header() []string {
	if b == nil {
		return nil
	}
	return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(b.User+":"+b.Password))}
}

// sendsBasic reports whether HTTP Basic is ours to send, and never a client's own.
func (r *route) sendsBasic() bool { return r.basic != nil || r.PerUser }

// proveBasic puts the route's user, or the person's own, in place of what the client sent,
// in every spelling.
func (p *passage) proveBasic(h http.Header) {
	for name := range h {
		if sameName(name, "Authorization") {
			delete(h, name)
		}
	}
	switch who := p.trip.Who; {
	case who == nil || who.id.Anonymous():
	case p.route.PerUser:
		h["Authorization"] = p.login[:1:1]
	default:
		h["Authorization"] = p.route.basic[:1:1]
	}
}
