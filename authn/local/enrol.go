package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"foregate/authn"
)

// enrol has a person set up an authenticator app before they are signed in. What was
// begun in this attempt goes on; what another browser has begun is never shown here,
// since whoever began it knows the secret.
func (m *method) enrol(ctx context.Context, a *authn.Attempt, acct account, problem string) (authn.Reply, error) {
	e, err := m.apps.Enrol(ctx, acct.who, cmp.Or(a.AppTitle, a.App, "Foregate"), a.Values[keepMark])
	if err != nil {
		return nil, authn.Unavailable("We cannot set up your authenticator app right now. Try again in a minute.", fmt.Errorf("local: begin to set up an app: %w", err))
	}
	if before := a.Values[keepMark]; before != "" && before != e.Mark {
		problem = begunElsewhere
	}
	a.Keep(keepStep, stepEnrol)
	a.Keep(keepMark, e.Mark)
	a.Began = m.now() // to find and install an app takes a while
	return authn.Form{
		Step: stepEnrol, Problem: problem,
		Fields:  []authn.Field{{Name: codeField, Kind: "code", Label: "Code that your app shows", Autocomplete: "one-time-code"}},
		Buttons: []authn.Button{{Name: restartButton, Label: "Start again"}},
		Facts:   map[string]string{"url": e.URL.Reveal(), "secret": e.Secret.Reveal()},
	}, nil
}

// enrolled judges the first code of an app.
func (m *method) enrolled(ctx context.Context, a *authn.Attempt, acct account, typed string) (authn.Reply, error) {
	if typed == "" || len(typed) > maxCode {
		return m.enrol(ctx, a, acct, notTheNewCode)
	}
	if err := m.countCode(ctx, acct); err != nil {
		return nil, err
	}
	codes, err := m.apps.Enrolled(ctx, acct.who, typed)
	switch {
	case errors.Is(err, authn.ErrWrongCode):
		return m.enrol(ctx, a, acct, notTheNewCode)
	case err != nil:
		return nil, noCodes(fmt.Errorf("local: confirm an app: %w", err))
	}
	m.log.InfoContext(ctx, "authenticator app set up", "method", m.name, "user", acct.who.User, "client", a.Client.String())
	a.Keep(keepStep, stepKeep)
	a.Began = m.now()
	return authn.Form{Step: stepKeep, Facts: map[string]string{"codes": strings.Join(codes, "\n")}}, nil
}
