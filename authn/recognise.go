package authn

import (
	"net/http"
	"net/netip"
)

// Optional abilities of an Authenticator that needs no page to sign somebody in.

// Recognizer signs people in by what a request for the application carries, on any
// address of it: a token in the query. Whatever was recognised goes to Resume, with
// a new Attempt whose Return is the address without it.
type Recognizer interface {
	// Recognize reports whether r carries what this method signs in with, and returns
	// r's address (path and query) without it, every other octet as it was. It neither
	// judges nor stores, and allocates nothing where nothing is found.
	Recognize(r *http.Request) (rest string, found bool)
}

// Placed signs people in by where they are. Its Begin answers SignedIn at once for
// a client that is there.
type Placed interface {
	// Here reports whether client is where this method's people are. It is asked again
	// for each request of a session that the method made, which ends when it is not.
	Here(client netip.Addr) bool
}

// Near is a method that asks the browser and not the person, and that is offered only to
// those who are near: elsewhere browsers would ask in vain. Where it is the first that
// is offered it begins by itself. Unlike Placed it says nothing about the session.
type Near interface {
	Near(client netip.Addr) bool
}

// AlreadyUsed is the error of a method for what may be used once and was used
// before, by whom it names: the browser in which that person is still signed in goes
// on, any other is refused. It is ErrSpent too.
type AlreadyUsed struct{ Issuer, Subject string }

func (*AlreadyUsed) Error() string { return "already used" }

// Is makes errors.Is(err, ErrSpent) true.
func (*AlreadyUsed) Is(target error) bool { return target == ErrSpent }
