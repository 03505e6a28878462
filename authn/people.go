package authn

import (
	"context"
	"errors"
)

var (
	// ErrNoPerson is returned by People for an address that is nobody's, and for a
	// person who may not sign in.
	ErrNoPerson = errors.New("no such person")
	// ErrWrongPassword is returned by People.CheckPassword.
	ErrWrongPassword = errors.New("wrong password")
	// ErrWrongCode is returned by Authenticators for a code that is wrong or was used
	// before, and for a person who has no authenticator app.
	ErrWrongCode = errors.New("wrong code")
)

// People are those whom Foregate knows by itself, without a provider: the accounts.
type People interface {
	// ByEmail returns the one person with this address, in lower case and without
	// a display name. It returns ErrNoPerson for nobody, for several, and for who is
	// disabled, and takes as long for them as for others.
	ByEmail(ctx context.Context, email string) (Person, error)
	// CheckPassword returns nil, or ErrWrongPassword also for a person who has none.
	// It costs what a password hash costs, and counts no tries.
	CheckPassword(ctx context.Context, p Person, password string) error
}

// Person is somebody whom Foregate knows. Issuer and Subject together are the key,
// as in Identity.
type Person struct {
	Issuer      string
	Subject     string
	User        string // the name that the application is given
	Email       string // a bare address as it is stored: letters go to this one
	Name        string // for people: "Alice Archer"
	HasPassword bool
	Groups      []string
	Roles       []string
	Claims      map[string]any
}

// Optional abilities of People, asked for by type assertion.

// Credentials has passwords of people, for a method that compares them itself.
type Credentials interface {
	// Credential looks up a user name, or an e-mail address that one person has, in any
	// spelling. A name that nobody has is no error: it costs the same time, its
	// Credential is not Open, and its Hash costs what others cost.
	Credential(ctx context.Context, name string) (Credential, error)
}

// Credential is what a name that somebody typed is compared with.
type Credential struct {
	Person Person // zero: nobody has this name
	Key    string // what tries are counted under, the same for all names of a person
	Hash   Secret // of the password, in its standard text form; never empty
	Open   bool   // may sign in, and has a password
	Code   bool   // has an authenticator app
}

// Authenticators has the authenticator apps of people (RFC 6238). It counts no tries.
type Authenticators interface {
	// CheckCode accepts each code of a person's app once, and after one no earlier one,
	// and each of their recovery codes once. Any other is ErrWrongCode.
	CheckCode(ctx context.Context, p Person, code string) error
	// Enrol begins to set up an app, which calls this place title. With the Mark of what
	// was begun last it returns that again; with any other, or none, what was begun
	// before is void. Nothing changes for the person until Enrolled.
	Enrol(ctx context.Context, p Person, title, mark string) (Enrolment, error)
	// Enrolled ends setting up, if code shows that the app has the secret; if not, that is
	// ErrWrongCode. It returns recovery codes, which are shown once; earlier ones are void.
	Enrolled(ctx context.Context, p Person, code string) (recovery []string, err error)
}

// Enrolment is what a person takes into their authenticator app.
type Enrolment struct {
	Secret Secret // base32, to be typed
	URL    Secret // otpauth://, for a QR code; it holds the secret
	Mark   string // tells this secret from others and gives nothing of it away
}

// Keeper is a method that signs people in with what they can change themselves, on
// their own page: a password, an authenticator app.
type Keeper interface {
	Keeps() (password, app bool)
}
