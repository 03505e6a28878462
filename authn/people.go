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
