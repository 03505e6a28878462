package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"foregate/authn"
)

// After a right password: the code of an authenticator app, or setting one up. The
// attempt, sealed in the browser, remembers whose password it was and of which hash.
// A code is counted before it is judged; the accounts take each code once.

// Fields and buttons of the forms.
const (
	codeField      = "code"
	recoveryButton = "recovery"
	appButton      = "app"
	restartButton  = "restart"
)

// Keys of Attempt.Values.
const (
	keepStep    = "step"    // whose form was shown last
	keepName    = "name"    // the canonical name whose password was right
	keepSubject = "subject" // and whose that was
	keepPrint   = "print"   // of the hash that it matched
	keepPassed  = "passed"  // a right password, once
	keepMark    = "mark"    // of what is being set up
)

// Steps.
const (
	stepCode     = "totp"
	stepRecovery = "totp-recovery"
	stepEnrol    = "enrol"
	stepKeep     = "recovery-codes"
)

const (
	codeTries  = 10 // in an hour, for a person whose password was right
	codeWindow = time.Hour
	daysTries  = 40 // in a day: three codes of a million hold at any moment
	daysWindow = 24 * time.Hour

	maxCode = 64 // bytes

	notTheCode     = "That is not the code that holds now. Wait for the next one in your app and type that."
	notARecovery   = "That is not one of your recovery codes, or it was used before. Check it and try again."
	notTheNewCode  = "That is not the code. Check that the time on your phone is right, then type the code that your app shows now."
	begunElsewhere = "Setting up was begun a second time, so the picture has changed. Delete the entry in your app and take this picture."
)

// Keeps implements authn.Keeper.
func (m *method) Keeps() (password, app bool) {
	return m.apps != nil, m.apps != nil && m.totp != totpOff
}

// after is what follows a right password: the end, or a form about the app.
func (m *method) after(ctx context.Context, a *authn.Attempt, name string, acct account) (authn.Reply, error) {
	asked := acct.hasApp && m.totp != totpOff
	if !acct.kept() || !asked && m.totp != totpRequired {
		return authn.SignedIn{Identity: m.identity(name, acct, "pwd")}, nil
	}
	a.Keep(keepName, name)
	a.Keep(keepSubject, acct.who.Subject)
	a.Keep(keepPrint, m.print(a, acct))
	a.Keep(keepPassed, rand.Text())
	a.Began = m.now()
	if asked {
		a.Keep(keepStep, stepCode)
		return appForm(""), nil
	}
	return m.enrol(ctx, a, acct, "")
}

// second is the answer to one of these forms.
func (m *method) second(ctx context.Context, a *authn.Attempt, r *http.Request) (authn.Reply, error) {
	for _, name := range []string{codeField, recoveryButton, appButton, restartButton} {
		if n := len(r.PostForm[name]); n > 1 {
			return nil, authn.Invalid("That form could not be read. Go back and try again.", fmt.Errorf("local: %d values of %s in one form", n, name))
		}
	}
	if r.PostForm.Has(restartButton) {
		name := a.Values[keepName]
		a.Values = nil
		return form(name, ""), nil
	}
	acct, err := m.again(ctx, a)
	if err != nil {
		return nil, err
	}
	code := strings.TrimSpace(r.PostForm.Get(codeField))
	switch step := a.Values[keepStep]; {
	case step == stepKeep && acct.hasApp:
		return m.signedIn(ctx, a, acct)
	case step == stepEnrol && !acct.hasApp:
		return m.enrolled(ctx, a, acct, code)
	case step == stepEnrol: // set up in another window meanwhile
		a.Keep(keepStep, stepCode)
		return appForm(""), nil
	case r.PostForm.Has(recoveryButton):
		a.Keep(keepStep, stepRecovery)
		return recoveryForm(""), nil
	case r.PostForm.Has(appButton):
		a.Keep(keepStep, stepCode)
		return appForm(""), nil
	}
	return m.code(ctx, a, acct, code)
}

// again looks up whose password was right, as they are now.
func (m *method) again(ctx context.Context, a *authn.Attempt) (account, error) {
	acct, err := m.lookUp(ctx, a.Values[keepName])
	if err != nil {
		return account{}, err
	}
	same := subtle.ConstantTimeCompare([]byte(m.print(a, acct)), []byte(a.Values[keepPrint])) == 1
	if !acct.open || acct.who.Subject != a.Values[keepSubject] || !same {
		return account{}, authn.Invalid("Your account has changed while you were signing in. Please sign in again.", errors.New("local: another password, or no account, since the first step"))
	}
	return acct, nil
}

// print tells one stored hash from another, in this attempt alone.
func (m *method) print(a *authn.Attempt, acct account) string {
	if acct.digest.stored == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(a.ID + "\x00" + acct.digest.stored.Encode()))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// code judges a code of the app or a recovery code.
func (m *method) code(ctx context.Context, a *authn.Attempt, acct account, typed string) (authn.Reply, error) {
	wrong := appForm(notTheCode)
	if a.Values[keepStep] == stepRecovery {
		wrong = recoveryForm(notARecovery)
	}
	if typed == "" || len(typed) > maxCode {
		return wrong, nil
	}
	if err := m.countCode(ctx, acct); err != nil {
		return nil, err
	}
	err := m.apps.CheckCode(ctx, acct.who, typed)
	switch {
	case errors.Is(err, authn.ErrWrongCode):
		m.log.InfoContext(ctx, "code refused", "method", m.name, "user", acct.who.User, "client", a.Client.String())
		return wrong, nil
	case err != nil:
		return nil, noCodes(fmt.Errorf("local: check code: %w", err))
	}
	return m.signedIn(ctx, a, acct)
}

// countCode counts a try before it is judged. That too many were made may be said:
// whoever reads it has the password.
func (m *method) countCode(ctx context.Context, acct account) error {
	hour, err := m.env.Tries.Count(ctx, m.lockout.Key("code", acct.key), codeWindow)
	if err != nil {
		return noCodes(fmt.Errorf("local: count try: %w", err))
	}
	if hour > codeTries {
		return tooManyCodes("Too many wrong codes. Wait an hour, then sign in again.", codeWindow, acct)
	}
	day, err := m.env.Tries.Count(ctx, m.lockout.Key("codes of a day", acct.key), daysWindow)
	if err != nil {
		return noCodes(fmt.Errorf("local: count try: %w", err))
	}
	if day > daysTries {
		return tooManyCodes("Too many wrong codes in one day. Somebody may know your password: tell the people who look after this application.", daysWindow, acct)
	}
	return nil
}

func tooManyCodes(public string, window time.Duration, acct account) error {
	return &authn.Error{
		Public: public, Status: http.StatusTooManyRequests, RetryAfter: window,
		Err: fmt.Errorf("local: %s has used up the tries for a code", acct.who.Subject),
	}
}

func noCodes(err error) error {
	return authn.Unavailable("We cannot check codes right now. Try again in a minute.", err)
}

// signedIn ends the attempt, once: the browser could keep the cookie of a step and
// come back to it.
func (m *method) signedIn(ctx context.Context, a *authn.Attempt, acct account) (authn.Reply, error) {
	err := m.env.Once.Spend(ctx, "local:"+a.Values[keepPassed], m.now().Add(time.Hour))
	switch {
	case errors.Is(err, authn.ErrSpent):
		return nil, authn.Invalid("This sign-in was already finished. Please sign in again.", fmt.Errorf("local: %w", err))
	case err != nil:
		return nil, noCodes(fmt.Errorf("local: spend password: %w", err))
	}
	err = errors.Join(
		m.env.Tries.Forget(ctx, m.lockout.Key("code", acct.key)),
		m.env.Tries.Forget(ctx, m.lockout.Key("codes of a day", acct.key)),
	)
	if err != nil {
		m.log.WarnContext(ctx, "counted tries not forgotten after a success", "err", err)
	}
	return authn.SignedIn{Identity: m.identity(a.Values[keepName], acct, "pwd", "otp")}, nil
}

// appForm asks for a code of the app.
func appForm(problem string) authn.Form {
	return authn.Form{
		Step: stepCode, Problem: problem,
		Fields:  []authn.Field{{Name: codeField, Kind: "code", Label: "Code from your app", Autocomplete: "one-time-code"}},
		Buttons: []authn.Button{{Name: recoveryButton, Label: "Use a recovery code"}, {Name: restartButton, Label: "Start again"}},
	}
}

// recoveryForm asks for a recovery code, which has letters.
func recoveryForm(problem string) authn.Form {
	return authn.Form{
		Step: stepRecovery, Problem: problem,
		Fields:  []authn.Field{{Name: codeField, Kind: "text", Label: "Recovery code", Autocomplete: "off"}},
		Buttons: []authn.Button{{Name: appButton, Label: "Use my app"}, {Name: restartButton, Label: "Start again"}},
	}
}
