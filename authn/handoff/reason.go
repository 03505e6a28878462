package handoff

import (
	"fmt"
	"time"

	"foregate/authn"
)

// Reason is why a token was refused. It is for the log and for foregate handoff
// open: the person in the browser is told the same whatever it was.
type Reason struct {
	Code   Code
	Detail string        // what about it, without the token's content
	Skew   time.Duration // with Age and Future: how far the token's time is from ours; negative is old
	Err    error         // may be nil
}

// Code names a kind of refusal, in logs and figures.
type Code string

// The kinds of refusal.
const (
	Missing   Code = "missing"   // no token came
	Duplicate Code = "duplicate" // a parameter stood there twice
	TooLong   Code = "too_long"  //
	Network   Code = "network"   // from outside the partner's networks
	Format    Code = "format"    // not what the configured format looks like
	BadKey    Code = "key"       // no live key of ours opens it
	MAC       Code = "mac"       // absent or wrong
	Padding   Code = "padding"   // the last block does not end as it should
	Field     Code = "field"     // opened, but a field is absent, wrong or too many
	Audience  Code = "audience"  // meant for another application or partner
	Age       Code = "age"       // too old
	Future    Code = "future"    // from too far ahead
	Replay    Code = "replay"    // used before
	Sunset    Code = "sunset"    // the format is not accepted any more
	Throttled Code = "throttled" // too many bad tokens in this minute; this one was not looked at
)

func (r *Reason) Error() string {
	s := "handoff: token refused: " + string(r.Code)
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	if r.Err != nil {
		s += ": " + authn.CutControl(r.Err.Error(), 200)
	}
	return s
}

// Result is the code, for figures that know nothing of this package.
func (r *Reason) Result() string { return string(r.Code) }

func (r *Reason) Unwrap() error { return r.Err }

func refuse(code Code, format string, args ...any) *Reason {
	return &Reason{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// rank orders reasons by how far the token got, so that of two keys the one that
// came further tells what is wrong.
func (r *Reason) rank() int {
	switch r.Code {
	case Format:
		return 1
	case BadKey, MAC:
		return 2
	case Padding:
		return 3
	case Field:
		return 4
	}
	return 5
}
