package kerberos

import (
	"context"
	"errors"
	"fmt"

	"foregate/authn"
)

const unreachable = "The directory of your organisation does not answer at the moment. Try again in a minute, or sign in another way."

// looked is the person of a ticket as the directory knows them: the same as whom it
// signs in by password.
func (m *Method) looked(ctx context.Context, c client) (authn.Identity, error) {
	finder, err := other[authn.Finder](m)
	if err != nil {
		return authn.Identity{}, authn.Unavailable(unreachable, err)
	}
	who := authn.Principal{Name: c.name}
	if m.bySID {
		who.SID = c.facts.sid
	}
	id, err := finder.Find(ctx, who)
	switch {
	case errors.Is(err, authn.ErrNoPerson):
		return authn.Identity{}, fmt.Errorf("%q has a ticket and is not in the directory: %w", c.name, err)
	case err != nil:
		return authn.Identity{}, authn.Unavailable(unreachable, fmt.Errorf("kerberos: %w", err))
	}
	id.Method, id.Authenticated, id.AMR = m.name, c.proved, nil
	return id, nil
}

// followed is a Method whose people are asked for again while they work.
type followed struct{ *Method }

var _ authn.Refresher = (*followed)(nil)

// Refresh implements authn.Refresher. It is the directory's word.
func (f *followed) Refresh(ctx context.Context, id authn.Identity) (authn.Identity, error) {
	refresher, err := other[authn.Refresher](f.Method)
	if err != nil {
		return authn.Identity{}, err
	}
	now, err := refresher.Refresh(ctx, id)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("kerberos: %w", err)
	}
	now.Method = f.name
	return now, nil
}

// other is the method of the directory, if it can do what T wants.
func other[T any](m *Method) (T, error) {
	able, err := authn.Able[T](m.method, m.directory)
	if err != nil {
		return able, fmt.Errorf("kerberos: directory: %w", err)
	}
	return able, nil
}
