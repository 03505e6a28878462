// Package mailcode signs people in by a code that is sent to their e-mail address.
//
// Begin asks for the address. Resume looks up whose it is, has a code made in any
// case, and hands a letter to the mailer if it is somebody's; the form for the code
// that follows is the same for all. What is typed there goes to internal/onetime,
// which counts, compares and spends. A password may be asked for after that.
//
// # What is not told
//
// Nobody learns from an answer, its time or its cookie whether an address is known:
// known, unknown and disabled ones take one way, with the same counts and the same
// words, and the letter is sent after the answer. That the mail server is down
// changes nothing either; Health says it.
//
// The letter goes to the address as the account has it, never as it was typed.
//
// # Strength
//
// A mailbox is no second device: NIST SP 800-63B-4, section 3.1.3.1, does not allow
// e-mail as an out-of-band authenticator, and a code by mail alone, or together with
// a password, is not AAL2. The AMR values are "otp", and "pwd" where a password was
// asked for too; "mfa" is never claimed. A rule's methods keep such a session from
// what needs more.
package mailcode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/address"
	"foregate/internal/onetime"
)

// Fields and buttons of the forms.
const (
	emailField    = "email"
	codeField     = "code"
	passwordField = "password"
	againButton   = "again"
	otherButton   = "other"
)

// Steps, and the key of Attempt.Values that holds the one whose form was shown last.
const (
	keepStep     = "step"
	keepPassed   = "passed" // a right code, once
	stepEmail    = "email"
	stepCode     = "code"
	stepPassword = "password"
)

const (
	notAddress = "That does not look like an e-mail address. Check it and try again."
	notTheCode = "That is not the code. Look for the newest e-mail and type the digits from it."
	deadCode   = "That code does not work any more. Ask for a new one below."
	enoughHere = "Many codes have been asked for from your network. Wait an hour and try again, or sign in another way."
	enoughSent = "No more codes can be sent to that address at the moment. Try again in an hour, or sign in another way."
	enoughHeld = "No more codes can be sent to that address at the moment. Use the last one that you asked for here, or try again in an hour."
)

// method is an authn.Authenticator.
type method struct {
	env     authn.Env
	codes   *onetime.Codes
	second  string
	minutes int
	now     func() time.Time
}

// Begin implements authn.Authenticator.
func (m *method) Begin(_ context.Context, a *authn.Attempt) (authn.Reply, error) {
	return emailForm(a.Hint, ""), nil
}

// Asks implements authn.Asker.
func (m *method) Asks() authn.Form { return emailForm("", "") }

// Keeps implements authn.Keeper: the password after the code is that of the account.
func (m *method) Keeps() (password, app bool) { return m.second != none, false }

// Health implements authn.Healther: whether letters can be sent.
func (m *method) Health() error {
	if h, ok := m.env.Mail.(authn.Healther); ok {
		return h.Health()
	}
	return nil
}

// Resume implements authn.Authenticator.
func (m *method) Resume(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	for _, name := range []string{emailField, codeField, passwordField, againButton, otherButton} {
		// Two values are read differently by what stands before and behind Foregate.
		if n := len(r.PostForm[name]); n > 1 {
			return nil, authn.Invalid("That form could not be read. Go back and try again.",
				fmt.Errorf("mailcode: %d values of %s in one form", n, name))
		}
	}
	step := a.Values[keepStep]
	switch {
	case step != "" && r.PostForm.Has(otherButton):
		a.Keep(keepStep, stepEmail)
		return emailForm("", ""), nil
	case step == stepCode && r.PostForm.Has(againButton):
		return m.again(ctx, a, r)
	case step == stepCode:
		return m.code(ctx, a, r.PostForm.Get(codeField))
	case step == stepPassword:
		return m.password(ctx, a, r.PostForm.Get(passwordField))
	}
	return m.email(ctx, a, r)
}

// email is an address that was typed.
func (m *method) email(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	typed := r.PostForm.Get(emailField)
	to, err := address.Parse(strings.TrimSpace(typed))
	if err != nil {
		return emailForm(typed, notAddress), nil
	}
	problem, err := m.send(ctx, a, to, r)
	if err != nil {
		return nil, err
	}
	if problem != "" {
		return emailForm(to.String(), problem), nil
	}
	a.Keep(keepStep, stepCode)
	return m.codeForm(a, ""), nil
}

// again is the wish for a new code, to the same address.
func (m *method) again(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	to, err := address.Parse(onetime.Address(a))
	if err != nil {
		return emailForm("", ""), nil
	}
	problem, err := m.send(ctx, a, to, r)
	if err != nil {
		return nil, err
	}
	if problem == enoughSent {
		problem = enoughHeld
	}
	return m.codeForm(a, problem), nil
}

// send has a code made and, if the address is somebody's, sent. It returns what to
// tell the person when that is not done, which does not depend on whose it is.
func (m *method) send(ctx context.Context, a *authn.Attempt, to address.Address, r *http.Request) (problem string, err error) {
	code, err := m.codes.New(ctx, a, to.Canonical())
	switch {
	case errors.Is(err, onetime.ErrNetworkLimit):
		m.env.Log.WarnContext(ctx, "too many codes for one network", "method", m.env.Name, "client", a.Client.String())
		return enoughHere, nil
	case errors.Is(err, onetime.ErrAddressLimit):
		m.env.Log.WarnContext(ctx, "too many codes for one address", "method", m.env.Name, "to", to.Masked(), "client", a.Client.String())
		return enoughSent, nil
	case err != nil:
		return "", authn.Unavailable("We cannot send codes right now. Try again in a minute.", fmt.Errorf("mailcode: %w", err))
	}
	person, err := m.env.People.ByEmail(ctx, to.Canonical())
	switch {
	case errors.Is(err, authn.ErrNoPerson):
		m.env.Log.InfoContext(ctx, "code not sent", "method", m.env.Name, "to", to.Masked(), "client", a.Client.String(), "reason", "no account")
		return "", nil
	case err != nil:
		return "", authn.Unavailable("We cannot send codes right now. Try again in a minute.", fmt.Errorf("mailcode: look up account: %w", err))
	}
	err = m.env.Mail.Send(ctx, authn.Letter{
		To: person.Email, Kind: "code", App: a.App, Language: authn.LanguageOf(r),
		Values: map[string]string{"code": code, "minutes": strconv.Itoa(m.minutes), "app": a.AppTitle, "name": person.Name},
	})
	if err != nil {
		m.env.Log.WarnContext(ctx, "code not sent", "method", m.env.Name, "to", to.Masked(), "client", a.Client.String(), "reason", err.Error())
		return "", nil
	}
	m.env.Log.InfoContext(ctx, "code on its way", "method", m.env.Name, "to", to.Masked(), "client", a.Client.String())
	return "", nil
}

// code is what was typed for a code.
func (m *method) code(ctx context.Context, a *authn.Attempt, typed string) (authn.Reply, error) {
	to, err := m.codes.Check(ctx, a, typed)
	switch {
	case errors.Is(err, onetime.ErrWrong):
		return m.codeForm(a, notTheCode), nil
	case errors.Is(err, onetime.ErrDead):
		m.env.Log.InfoContext(ctx, "code refused", "method", m.env.Name, "client", a.Client.String(), "reason", "too old, used, replaced or guessed at too often")
		return m.codeForm(a, deadCode), nil
	case err != nil:
		return nil, authn.Unavailable("We cannot check codes right now. Try again in a minute.", fmt.Errorf("mailcode: %w", err))
	}
	person, err := m.env.People.ByEmail(ctx, to)
	switch {
	case errors.Is(err, authn.ErrNoPerson): // gone since, or guessed
		return m.codeForm(a, deadCode), nil
	case err != nil:
		return nil, authn.Unavailable("We cannot check codes right now. Try again in a minute.", fmt.Errorf("mailcode: look up account: %w", err))
	}
	return m.after(a, person)
}

// emailForm asks for the address, with what is known of it filled in.
func emailForm(typed, problem string) authn.Form {
	return authn.Form{
		Step:    stepEmail,
		Fields:  []authn.Field{{Name: emailField, Kind: "email", Label: "E-mail address", Autocomplete: "username", Value: authn.CutControl(typed, 254)}},
		Problem: problem,
	}
}

func (m *method) codeForm(a *authn.Attempt, problem string) authn.Form {
	return authn.Form{
		Step:    stepCode,
		Fields:  []authn.Field{{Name: codeField, Kind: "code", Label: "Code from the e-mail", Autocomplete: "one-time-code"}},
		Buttons: []authn.Button{{Name: againButton, Label: "Send a new code"}, {Name: otherButton, Label: "Use another address"}},
		Problem: problem,
		Facts:   map[string]string{"address": onetime.Address(a), "minutes": strconv.Itoa(m.minutes)},
	}
}
