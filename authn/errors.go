package authn

import (
	"errors"
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
