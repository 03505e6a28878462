package mailcode

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"foregate/authn"
	"foregate/internal/onetime"
)

const (
	maxPassword    = 1024 // bytes
	passwordTries  = 10   // for a person, in passwordWindow; whoever tries holds the mailbox
	passwordWindow = time.Hour

	notPassword = "That is not your password. Check it and try again."
)

// after is what follows a right code: the end, or the password.
func (m *method) after(a *authn.Attempt, person authn.Person) (authn.Reply, error) {
	switch {
	case m.second == none || m.second == optionalPassword && !person.HasPassword:
		return m.signedIn(person, "otp"), nil
	case !person.HasPassword:
		return nil, authn.Refused("Your account has no password yet, and one is needed to sign in this way. Ask the people who look after this application.",
			fmt.Errorf("mailcode: %s has no password", person.Subject))
	}
	a.Keep(keepStep, stepPassword)
	a.Keep(keepPassed, rand.Text())
	a.Began = m.now() // the time that the letter took is not theirs
	return passwordForm(a, ""), nil
}

// password is what was typed for a password, after a right code.
func (m *method) password(ctx context.Context, a *authn.Attempt, typed string) (authn.Reply, error) {
	if typed == "" || len(typed) > maxPassword || strings.Contains(typed, "\x00") {
		return passwordForm(a, notPassword), nil
	}
	person, err := m.env.People.ByEmail(ctx, onetime.Address(a))
	switch {
	case errors.Is(err, authn.ErrNoPerson):
		return nil, authn.Invalid("Your account has changed while you were signing in. Please sign in again.", errors.New("mailcode: the account is gone since the code"))
	case err != nil:
		return nil, noPasswords(fmt.Errorf("mailcode: look up account: %w", err))
	}
	n, err := m.env.Tries.Count(ctx, triesKey(person), passwordWindow)
	if err != nil {
		return nil, noPasswords(fmt.Errorf("mailcode: count try: %w", err))
	}
	if n > passwordTries {
		return nil, &authn.Error{
			Public: "Too many wrong passwords. Wait an hour, then sign in again.", Status: http.StatusTooManyRequests, RetryAfter: passwordWindow,
			Err: fmt.Errorf("mailcode: %s has used up the tries for a password", person.Subject),
		}
	}
	switch err := m.env.People.CheckPassword(ctx, person, typed); {
	case errors.Is(err, authn.ErrWrongPassword):
		m.env.Log.InfoContext(ctx, "password refused", "method", m.env.Name, "subject", person.Subject, "client", a.Client.String())
		return passwordForm(a, notPassword), nil
	case err != nil:
		return nil, noPasswords(fmt.Errorf("mailcode: check password: %w", err))
	}
	// The browser could keep the cookie of this step and come back to it.
	err = m.env.Once.Spend(ctx, "mailcode:"+a.Values[keepPassed], m.now().Add(time.Hour))
	switch {
	case errors.Is(err, authn.ErrSpent):
		return nil, authn.Invalid("This sign-in was already finished. Please sign in again.", fmt.Errorf("mailcode: %w", err))
	case err != nil:
		return nil, noPasswords(fmt.Errorf("mailcode: spend code: %w", err))
	}
	if err := m.env.Tries.Forget(ctx, triesKey(person)); err != nil {
		m.env.Log.WarnContext(ctx, "counted tries not forgotten after a success", "err", err)
	}
	return m.signedIn(person, "otp", "pwd"), nil
}

func noPasswords(err error) error {
	return authn.Unavailable("We cannot check passwords right now. Try again in a minute.", err)
}

func (m *method) signedIn(p authn.Person, amr ...string) authn.Reply {
	claims := make(map[string]any)
	for _, name := range m.env.Claims {
		if v, ok := p.Claims[name]; ok {
			claims[name] = v
		}
	}
	id := authn.Identity{
		Method: m.env.Name, Issuer: p.Issuer, Subject: p.Subject, User: p.User, Email: p.Email, Checked: true,
		PreferredUsername: p.User, Name: p.Name, Groups: slices.Clone(p.Groups), Roles: slices.Clone(p.Roles),
		AMR: amr, Authenticated: m.now(),
	}
	if len(claims) > 0 {
		id.Claims = claims
	}
	return authn.SignedIn{Identity: id}
}

func passwordForm(a *authn.Attempt, problem string) authn.Form {
	return authn.Form{
		Step: stepPassword,
		Fields: []authn.Field{
			{Name: emailField, Kind: "email", Label: "E-mail address", Autocomplete: "username", Value: onetime.Address(a), Fixed: true},
			{Name: passwordField, Kind: "password", Label: "Password", Autocomplete: "current-password"},
		},
		Buttons: []authn.Button{{Name: otherButton, Label: "Use another address"}},
		Problem: problem,
		Facts:   map[string]string{"address": onetime.Address(a)},
	}
}

// triesKey is opaque, so that the store tells no names.
func triesKey(p authn.Person) string {
	sum := sha256.Sum256([]byte(p.Issuer + "\x00" + p.Subject))
	return "mailcode:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
