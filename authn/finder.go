package authn

import (
	"context"
	"fmt"
)

// Finder is a directory that knows people whom another method has proved.
type Finder interface {
	// Find returns the person of a principal as Refresh would, without Authenticated. It
	// returns ErrNoPerson, wrapped, for nobody, for several, and for an account that is
	// disabled; any other error means that the directory did not answer.
	Find(ctx context.Context, p Principal) (Identity, error)
}

// Able returns the method of a name, of those that find knows, as what can do T. It is
// looked up anew each time: it may be gone.
func Able[T any](find func(name string) (Authenticator, error), name string) (T, error) {
	var none T
	if find == nil {
		return none, fmt.Errorf("there is no method %q", name)
	}
	auth, err := find(name)
	if err != nil {
		return none, fmt.Errorf("method %q: %w", name, err)
	}
	able, ok := auth.(T)
	if !ok {
		return none, fmt.Errorf("method %q is no directory", name)
	}
	return able, nil
}

// Principal is a person by what a Kerberos ticket or a certificate says of them.
type Principal struct {
	Name string // without the realm
	SID  string // in Active Directory: "S-1-5-21-…"; if not empty it alone counts
}
