package authn

import "context"

// Finder is a directory that knows people whom another method has proved.
type Finder interface {
	// Find returns the person of a principal as Refresh would, without Authenticated. It
	// returns ErrNoPerson, wrapped, for nobody, for several, and for an account that is
	// disabled; any other error means that the directory did not answer.
	Find(ctx context.Context, p Principal) (Identity, error)
}

// Principal is a person by what a Kerberos ticket says of them.
type Principal struct {
	Name string // without the realm
	SID  string // in Active Directory: "S-1-5-21-…"; if not empty it alone counts
}
