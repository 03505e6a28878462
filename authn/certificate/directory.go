package certificate

import (
	"context"
	"errors"
	"fmt"

	"foregate/authn"
)

const unreachable = "The directory of your organisation does not answer at the moment. Try again in a minute, or sign in another way."

// looked is the person of a certificate as the directory knows them: the same as whom it
// signs in by password.
func (m *Method) looked(ctx context.Context, known string, trial *authn.Trial) (authn.Identity, error) {
	finder, err := authn.Able[authn.Finder](m.method, m.directory)
	if err != nil {
		return authn.Identity{}, authn.Unavailable(unreachable, fmt.Errorf("certificate: directory: %w", err))
	}
	who := authn.Principal{Name: known}
	if m.knownBy.name == fieldSID {
		who = authn.Principal{SID: known}
	}
	id, err := finder.Find(ctx, who)
	switch {
	case errors.Is(err, authn.ErrNoPerson):
		return authn.Identity{}, refused(&Reason{Code: Nobody, Detail: fmt.Sprintf("%q is not in the directory %q", known, m.directory), Err: err})
	case err != nil:
		return authn.Identity{}, authn.Unavailable(unreachable, fmt.Errorf("certificate: directory: %w", err))
	}
	trial.Check("Looked up in", m.directory)
	trial.Make("user name there", []string{m.directory}, id.User)
	id.Method, id.AMR = m.name, []string{"pop"}
	return id, nil
}

// followed is a Method whose people are asked for again while they work.
type followed struct{ *Method }

var _ authn.Refresher = (*followed)(nil)

// Refresh implements authn.Refresher. It is the directory's word.
func (f *followed) Refresh(ctx context.Context, id authn.Identity) (authn.Identity, error) {
	refresher, err := authn.Able[authn.Refresher](f.method, f.directory)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("certificate: directory: %w", err)
	}
	now, err := refresher.Refresh(ctx, id)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("certificate: %w", err)
	}
	now.Method = f.name
	return now, nil
}
