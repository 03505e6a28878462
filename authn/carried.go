package authn

import (
	"context"
	"net/http"
)

// Optional abilities of an Authenticator whose provider must be told about us
// first, and whose messages a browser carries (SAML 2.0).

// Publisher describes Foregate's side of a method to its provider.
type Publisher interface {
	// Publish returns the description for one host, whose address of Foregate's own
	// pages is base: https://careplan.hospital.example/sso. It needs no network, and
	// is right before anything is known of the provider.
	Publish(base string) (Document, error)
}

// Document is a file with its media type.
type Document struct {
	Type string
	Body []byte
}

// Carried is a method whose provider's messages come to addresses that all such
// methods of a host share. Requests are given to it with their form parsed.
type Carried interface {
	// Sent reports whether r says that this method's provider sent it. Nothing is
	// verified.
	Sent(r *http.Request) bool
	// Unasked reports whether r is an answer that the method takes although no attempt
	// was begun, and where on the host it leads to. Resume judges it, with a new
	// attempt.
	Unasked(r *http.Request) (rest string, ok bool)
	// Goodbye judges a message about the end of a session at the provider. base is as
	// for Publish. With an error nothing ends.
	Goodbye(ctx context.Context, r *http.Request, base string) (Goodbye, error)
}

// Goodbye is what a provider's message about signing out comes to.
type Goodbye struct {
	Ended []Ended // sessions that end here, before Reply is sent
	Reply Reply   // takes the browser back to the provider; nil where it stays
	Note  string  // for a browser that stays: what the person should know; may be empty
}
