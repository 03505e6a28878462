package lockout

import (
	"errors"
	"fmt"
	"time"

	"foregate/authn"
)

// Limits say when guessing ends.
type Limits struct {
	Failures        int           // tries at one account from one network in Window
	Window          time.Duration // of Failures and NetworkFailures
	AccountFailures int           // tries at one account from everywhere in AccountWindow
	AccountWindow   time.Duration
	NetworkFailures int // wrong passwords from one network, whosever, in Window
}

// maxGuesses is how often anybody may guess at one account in an hour.
const maxGuesses = 100

// Validate returns all faults joined, each an *authn.Fault whose path is a key of
// the section "lockout".
func (l Limits) Validate() error {
	err := errors.Join(
		between("lockout.failures", l.Failures, maxGuesses),
		between("lockout.account_failures", l.AccountFailures, maxGuesses),
		between("lockout.network_failures", l.NetworkFailures, 1_000_000),
		lasting("lockout.window", l.Window),
		lasting("lockout.account_window", l.AccountWindow),
	)
	if err != nil {
		return err
	}
	if n := l.guesses(); n > maxGuesses {
		return &authn.Fault{
			Path:    "lockout.account_failures",
			Problem: fmt.Sprintf("with this account_window %d guesses at one account are possible in an hour, more than %d", n, maxGuesses),
			Remedy:  "lower account_failures or lengthen account_window",
		}
	}
	return nil
}

// guesses is how many tries at one account are judged in the worst hour: windows
// that begin in it, and one that ends in it.
func (l Limits) guesses() int {
	windows := int((time.Hour+l.AccountWindow-1)/l.AccountWindow) + 1
	return windows * l.AccountFailures
}

func between(path string, n, most int) error {
	if n >= 1 && n <= most {
		return nil
	}
	return &authn.Fault{Path: path, Problem: fmt.Sprintf("%d is not from 1 to %d", n, most)}
}

func lasting(path string, d time.Duration) error {
	if d >= time.Minute && d <= 24*time.Hour {
		return nil
	}
	return &authn.Fault{Path: path, Problem: fmt.Sprintf("%v is not from %v to %v", d, time.Minute, 24*time.Hour)}
}
