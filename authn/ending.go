package authn

import (
	"context"
	"net/http"
)

// Optional abilities of an Authenticator whose provider can end sessions here.

// Refresher renews what a person was given at sign-in, while they work.
type Refresher interface {
	// Refresh returns id with what the provider says now: groups and other claims,
	// Renew, Until, Private. id is whole, with its Private; Issuer, Subject and Method
	// stay. An error that is ErrEnded means that the provider has withdrawn the
	// authorisation: the session must end. With any other error it did not answer, and
	// id holds until Refresh is called again.
	Refresh(ctx context.Context, id Identity) (Identity, error)
}

// LogoutReceiver takes a provider's word, sent by its server and not by a browser,
// that a person has signed out there.
type LogoutReceiver interface {
	// Logout returns whose sessions are to end. r.PostForm is parsed and bounded. An
	// *Error with status 503 asks the provider to try again; with any other error
	// the request is wrong, and nothing ends.
	Logout(ctx context.Context, r *http.Request) (Ended, error)
}

// Ended names what has ended at a provider: one of its sessions, or all of a
// person. Subject and SID are not both empty; if both are there, only sessions to
// which both apply end.
type Ended struct {
	Issuer  string
	Subject string
	SID     string
}

// Framed is a method whose provider, when somebody signs out there, shows an
// address of ours in an invisible frame (OpenID Connect Front-Channel Logout 1.0).
type Framed interface {
	// FrameOrigin is who may do so: scheme://host[:port].
	FrameOrigin() string
}

// Directory knows everybody who may sign in, also those who never did.
type Directory interface {
	// Issuer is that of everybody's Identity.
	Issuer() string
	// Everybody calls yield for each person, as Refresh would return them, without
	// Authenticated. enabled is false for an account that is disabled. Nobody comes
	// twice, the order is any, and memory does not grow with what is kept of a person.
	// An error of yield ends it and is returned, wrapped. Only a nil error means that
	// nobody is missing: after any other, who did not come may still be there.
	Everybody(ctx context.Context, yield func(id Identity, enabled bool) error) error
}
