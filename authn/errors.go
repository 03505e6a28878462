package authn

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrSpent is returned by Once.Spend for what was used before.
var ErrSpent = errors.New("already used")

// ErrEnded is returned by Refresher.Refresh for a person whom the provider does not
// let in any more.
var ErrEnded = errors.New("the authorisation has ended")

// ErrNotReady is within the error of a method whose provider nobody has named yet.
var ErrNotReady = errors.New("not set up completely yet")

// Untimely is an answer of a provider that came too early or too late by our clock: the
// clocks differ, or it was on its way for too long.
type Untimely struct {
	Early bool
	Err   error
}

func (u *Untimely) Error() string { return u.Err.Error() }
func (u *Untimely) Unwrap() error { return u.Err }

// Early is an Untimely answer that is of the future; Late one that does not count any more.
func Early(format string, args ...any) error { return &Untimely{true, fmt.Errorf(format, args...)} }
func Late(format string, args ...any) error  { return &Untimely{false, fmt.Errorf(format, args...)} }

// Unproved is Invalid for an answer of a provider that does not prove who somebody is. public
// is for all that is not Untimely.
func Unproved(public string, err error) error {
	var u *Untimely
	switch {
	case !errors.As(err, &u):
		return Invalid(public, err)
	case u.Early:
		return Invalid("The clock of the sign-in service and ours do not agree, so we could not accept its answer. You did nothing wrong. Wait a few minutes, then start again. If it happens again, tell your IT department that the clocks differ.", err)
	}
	return Invalid("The answer of the sign-in service was too old when it came: a page was open for a long time, or a clock is wrong. Start again. If it happens again, tell your IT department that the clocks may differ.", err)
}

// Error has two faces. Public may be shown to a stranger and says what to do
// next; Err goes to the log and may hold what an operator needs to know, never
// a secret.
type Error struct {
	Public     string
	Err        error
	Status     int           // HTTP status; 0 means 400
	RetryAfter time.Duration // with 503 and 429
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Public
}

func (e *Error) Unwrap() error { return e.Err }

// Refused is an *Error for a person who is known but may not come in (403).
func Refused(public string, err error) error {
	return &Error{Public: public, Err: err, Status: http.StatusForbidden}
}

// Unavailable is an *Error for what does not answer at the moment (503).
func Unavailable(public string, err error) error {
	return &Error{Public: public, Err: err, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second}
}

// Invalid is an *Error for what came back and is not right (400).
func Invalid(public string, err error) error {
	return &Error{Public: public, Err: err, Status: http.StatusBadRequest}
}
