// Package authn says what a way of signing in is and what it may answer.
//
// A method's Begin receives an Attempt and answers with a Reply: a redirect, a
// form, or at once an identity. What comes back (a callback, a form post) goes
// to Resume with the same Attempt. A method never writes a response itself.
package authn

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Authenticator is one configured way of signing in.
//
// Both calls may be made concurrently for different attempts. They honour ctx
// and end within its deadline. An error that is an *Error carries the words for
// the person; any other error is answered with a general page and logged.
type Authenticator interface {
	// Begin answers with the first page or redirect of an attempt.
	Begin(ctx context.Context, a *Attempt) (Reply, error)
	// Resume continues with what came back from the provider or from a form.
	// r.Form and r.PostForm are parsed and bounded; r.Body is spent.
	Resume(ctx context.Context, a *Attempt, r *http.Request) (Reply, error)
}

// MethodConfig is a method's own part of the configuration.
type MethodConfig interface {
	// Validate only reads. It returns nil, or all faults joined with errors.Join,
	// each a *Fault where a key is to blame.
	Validate() error
	// Open makes the method ready. It does not wait for the network: a provider
	// that cannot be reached is an error of Begin and not of Open.
	Open(env Env) (Authenticator, error)
}

// Env is what a method is given of the world.
type Env struct {
	Name  string       // the method's configured name
	Title string       // its title for people
	Once  Once         // for what may be used a single time
	Tries Tries        // for what must be counted before it is judged
	Log   *slog.Logger // never nil
	// Claims names the further claims that some application is sent. A method keeps
	// these and no others: what is not needed is not stored.
	Claims []string

	// Keys are 32 bytes each, for this method alone, the same on every replica and
	// after a restart. The first makes; what any of them made is accepted, so that
	// the session secret can be changed. Never empty.
	Keys [][]byte

	// Method returns another configured method, ready for use, for one that builds on it.
	// Look it up anew each time: it may be gone. Nil where there are no others.
	Method func(name string) (Authenticator, error)

	People People // whom Foregate knows by itself; nil when it knows nobody
	Mail   Mailer // sends letters; nil when no mail server is configured
}

// Attempt is one person's try at signing in: from the first redirect or form to
// the session. It belongs to one browser, one host and one method; it is sealed
// into a cookie of that browser, so a stranger's request stores nothing.
type Attempt struct {
	ID       string            // random, at least 128 bits: OIDC state, SAML RelayState
	Method   string            // configured name
	Host     string            // canonical host that it began on
	Return   string            // checked return address: path and query on Host
	Began    time.Time         // it can be resumed for ten minutes; a method that sends a code begins them anew
	Hint     string            // the name or e-mail that the person gave already, may be empty
	Provider string            // which of a method's providers the person chose already; may be empty
	Fresh    bool              // the person must authenticate anew (OIDC prompt=login)
	Values   map[string]string // what the method keeps from call to call: nonce, verifier. Begin and Resume may change it.

	// Set anew for each call and never sealed.
	Origin   string     `json:"-"` // scheme://host[:port] as the browser sees it
	Callback string     `json:"-"` // absolute address of this method's callback on this host
	App      string     `json:"-"` // configured name of the application
	AppTitle string     `json:"-"` // its name for people
	Client   netip.Addr `json:"-"` // who asks, after trusted proxies
	Recent   []string   `json:"-"` // providers of the method by which this browser signed in before, the last first
	Shown    Shown      `json:"-"` // the browser's certificate, for a Certified method alone
	Trial    *Trial     `json:"-"` // where a try-out is told what the method sees; nil for everybody else
}

// Keep remembers a value for the method's next call.
func (a *Attempt) Keep(key, value string) {
	if a.Values == nil {
		a.Values = make(map[string]string)
	}
	a.Values[key] = value
}

// Reply is what a method answers: SignedIn, Redirect, PostForm, Form, Challenge or
// Elsewhere.
type Reply interface{ isReply() }

// SignedIn ends an attempt: the method vouches for this identity.
type SignedIn struct {
	Identity Identity
	Reason   string // why, in the person's own words, where the method asks for that (Emergency)
}

// Redirect sends the browser to URL, an absolute https or http address.
type Redirect struct{ URL string }

// PostForm makes the browser post fields to URL, behind a visible button.
type PostForm struct {
	URL    string
	Fields map[string]string
}

// Form asks the person for something; the answer comes to Resume.
type Form struct {
	Step    string // names the words on the page: "password", "code"
	Fields  []Field
	Buttons []Button // further answers, below the button that sends the fields
	Problem string   // what was wrong with the last answer, in plain words; empty at first

	// Facts are what the words of the step speak of: "address" (where a code went),
	// "minutes" (how long it holds), "url" and "secret" (of an authenticator app that is
	// set up), "codes" (recovery codes, one a line), "more" (how many further answers there are), "unsent" (not empty: no code went there), "change" (the address of a page where
	// a password is changed). May be nil.
	Facts map[string]string
}

// Button is another answer to a Form. Resume finds Name in r.PostForm if the person
// pressed it.
type Button struct {
	Name  string
	Value string // what is sent; empty: 1
	Label string // plain words: "Send a new code"
}

// Field is one input of a Form.
type Field struct {
	Name         string // of the form field
	Kind         string // "text", "email", "password" or "code"
	Label        string // plain words
	Autocomplete string // HTML autocomplete token: "username", "current-password", "one-time-code"
	Value        string // filled in already; never for passwords and codes
	Fixed        bool   // Value is shown and cannot be changed: what came before, for password managers
}

// Challenge asks the browser itself, with status 401. One that has an answer sends the
// same request again with it in the Authorization header, which comes to Resume. Any
// other shows the page, which leads to the other ways in. It is an answer of Resume
// alone: Begin has no address of its own that could be asked for again.
type Challenge struct {
	Scheme string // RFC 9110, section 11.1: "Negotiate"
}

// Elsewhere leads the person to the other ways in: this one is not for their device.
// The method has logged why.
type Elsewhere struct{}

func (SignedIn) isReply()  {}
func (Redirect) isReply()  {}
func (PostForm) isReply()  {}
func (Form) isReply()      {}
func (Challenge) isReply() {}
func (Elsewhere) isReply() {}

// Once marks what may be used a single time, across replicas and restarts.
type Once interface {
	// Spend succeeds once for a key. Until then (and no earlier) the mark may be
	// forgotten. It returns ErrSpent for a second call, and another error when
	// the mark could not be stored: the caller must then refuse.
	Spend(ctx context.Context, key string, until time.Time) error
}

// Tries counts, across replicas and restarts.
type Tries interface {
	// Count adds one to key and returns how often it was counted in the window
	// that the first count of a key opens. A try is counted before it is judged.
	Count(ctx context.Context, key string, window time.Duration) (int, error)
	// Forget sets key back to nothing.
	Forget(ctx context.Context, key string) error
}

// Optional abilities of an Authenticator, asked for by type assertion.

// SignOuter ends the person's session at the provider too. The reply sends the
// browser there; back is where the provider shall send it afterwards.
type SignOuter interface {
	SignOut(ctx context.Context, id Identity, back string) (Reply, error)
}

// Healther says why a method cannot be used at the moment, or nil. It does not
// wait for the network. Its error's Public words may be shown beside the button.
type Healther interface{ Health() error }

// Federated is a method with many providers, of which the person chooses one. Which it was
// is the Issuer of their identity.
type Federated interface{ Federated() bool }

// Patient is a method in which people may wait for their turn.
type Patient interface {
	// Patience is the longest wait: Resume has so much more time.
	Patience() time.Duration
}

// KeyPublisher has public keys that a provider fetches, as a JWK set (RFC 7517).
type KeyPublisher interface{ JWKS() []byte }

// Asker is a method whose first answer is always the same Form, so that it can
// stand beside the buttons of the other methods.
type Asker interface{ Asks() Form }
