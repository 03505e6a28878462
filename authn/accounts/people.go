package accounts

import (
	"context"
	"errors"
	"fmt"

	"foregate/authn"
)

// Issuer is the issuer of identities that Foregate vouches for itself: the subject is
// the account's ID, so they need no link.
const Issuer = "foregate:accounts"

// People is the accounts as methods see them that need no provider.
type People struct{ A *Accounts }

// ByEmail implements authn.People. An address of several accounts is nobody's: it
// cannot say which of them is meant.
func (p People) ByEmail(ctx context.Context, email string) (authn.Person, error) {
	found, err := p.A.ByEmail(ctx, email)
	if err != nil {
		return authn.Person{}, err
	}
	if len(found) != 1 || !found[0].Open() {
		return authn.Person{}, authn.ErrNoPerson
	}
	account := &found[0]
	factors, err := p.A.Factors(ctx, account.ID)
	if err != nil {
		return authn.Person{}, err
	}
	who := account.identity(authn.Identity{}, nil)
	return authn.Person{
		Issuer: Issuer, Subject: account.ID, User: who.User, Email: account.Email, Name: account.Name,
		HasPassword: factors.Password, Roles: who.Roles, Claims: who.Claims,
	}, nil
}

// CheckPassword implements authn.People.
func (p People) CheckPassword(ctx context.Context, who authn.Person, password string) error {
	if who.Issuer != Issuer {
		return authn.ErrWrongPassword
	}
	ok, err := p.A.CheckPassword(ctx, who.Subject, password)
	if err == nil && !ok {
		err = authn.ErrWrongPassword
	}
	return err
}

// admitOwn lets in who has proved to Foregate itself that an account is theirs.
func (a *Accounts) admitOwn(ctx context.Context, tx conn, p Policy, id authn.Identity, c Context) (Admission, error) {
	account, err := lock(ctx, tx, id.Subject)
	if errors.Is(err, ErrNotFound) {
		return nil, &Refusal{Reason: NoAccount}
	}
	if err != nil {
		return nil, fmt.Errorf("accounts: look for an account: %w", err)
	}
	if reason := p.fits(&account, c, true); reason != "" {
		return nil, &Refusal{Reason: reason, account: &account}
	}
	return a.letIn(ctx, tx, account, id, Admitted{})
}

// accountOf is the account of an identity that was admitted before.
func accountOf(ctx context.Context, q conn, id *authn.Identity) (Account, error) {
	if id.Issuer == Issuer {
		return one(ctx, q, `id = $1`, id.Subject)
	}
	return linkedAccount(ctx, q, id.Issuer, id.Subject)
}
