package certificate

import (
	"fmt"

	"foregate/authn"
)

// Reason is why a certificate was refused. It is for the log: a stranger is told less.
type Reason struct {
	Code   Code
	Detail string
	Err    error // may be nil
}

// Code names a kind of refusal, in the log.
type Code string

// The kinds of refusal.
const (
	None       Code = "none"       // no certificate was shown
	TooMany    Code = "too_many"   // more certificates than any chain has
	Unknown    Code = "authority"  // of no authority of the method
	Expired    Code = "expired"    //
	Early      Code = "early"      // not valid yet
	Revoked    Code = "revoked"    // on the list of its authority
	Unlisted   Code = "no_list"    // its authority has no list, and lists are configured
	Usage      Code = "usage"      // not made for signing in
	Policy     Code = "policy"     // of none of the policies
	Constraint Code = "constraint" // its authority may not name this person
	Damaged    Code = "damaged"    // something in it cannot be understood
	Field      Code = "field"      // the field that people are known by is absent, twice there, or odd
	Nobody     Code = "nobody"     // the directory knows no such person, or they are disabled there
	Old        Code = "old"        // shown too long ago for somebody who must prove anew who they are
)

func (r *Reason) Error() string {
	s := "certificate refused: " + string(r.Code)
	if r.Detail != "" {
		s += ": " + authn.CutControl(r.Detail, 1024)
	}
	if r.Err != nil {
		s += ": " + authn.CutControl(r.Err.Error(), 512)
	}
	return s
}

// Result is the code, for figures that know nothing of this package.
func (r *Reason) Result() string { return string(r.Code) }

func (r *Reason) Unwrap() error { return r.Err }

func refuse(code Code, format string, args ...any) *Reason {
	return &Reason{Code: code, Detail: fmt.Sprintf(format, args...)}
}
