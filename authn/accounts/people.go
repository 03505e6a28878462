package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	return account.person(factors.Password), nil
}

func (a *Account) person(hasPassword bool) authn.Person {
	who := a.identity(authn.Identity{}, nil)
	return authn.Person{
		Issuer: Issuer, Subject: a.ID, User: who.User, Email: a.Email, Name: a.Name,
		HasPassword: hasPassword, Roles: who.Roles, Claims: who.Claims,
	}
}

// Credential implements authn.Credentials.
func (p People) Credential(ctx context.Context, name string) (authn.Credential, error) {
	c, err := p.A.Credential(ctx, name)
	if err != nil {
		return authn.Credential{}, err
	}
	out := authn.Credential{Key: c.Key, Hash: authn.NewSecret(c.Hash), Open: c.Open, Code: c.TOTP}
	if c.Account.ID != "" {
		out.Person = c.Account.person(c.Open)
	}
	return out, nil
}

// CheckCode implements authn.Authenticators. Six digits are of an app; a recovery code is
// longer.
func (p People) CheckCode(ctx context.Context, who authn.Person, code string) error {
	if who.Issuer != Issuer {
		return authn.ErrWrongCode
	}
	if strings.Trim(code, " 0123456789") == "" {
		return wrongCode(p.A.CheckTOTP(ctx, who.Subject, code))
	}
	_, err := p.A.UseRecoveryCode(ctx, Context{Actor: who.User}, who.Subject, code)
	return wrongCode(err)
}

// Enrol implements authn.Authenticators.
func (p People) Enrol(ctx context.Context, who authn.Person, title, mark string) (authn.Enrolment, error) {
	if who.Issuer != Issuer {
		return authn.Enrolment{}, authn.ErrNoPerson
	}
	e, err := p.A.ContinueTOTP(ctx, Context{Actor: who.User}, who.Subject, title, mark)
	if err != nil {
		return authn.Enrolment{}, unavailable(err)
	}
	return authn.Enrolment(e), nil
}

// Enrolled implements authn.Authenticators.
func (p People) Enrolled(ctx context.Context, who authn.Person, code string) ([]string, error) {
	if who.Issuer != Issuer {
		return nil, authn.ErrWrongCode
	}
	codes, err := p.A.ConfirmTOTP(ctx, Context{Actor: who.User}, who.Subject, code)
	return codes, wrongCode(err)
}

func wrongCode(err error) error {
	switch {
	case errors.Is(err, ErrNoCode):
		return errors.Join(authn.ErrWrongCode, err)
	case err != nil:
		return unavailable(err)
	}
	return nil
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

// Of returns the account of a person who was admitted, or ErrNotFound for one who has
// none.
func (a *Accounts) Of(ctx context.Context, id *authn.Identity) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return accountOf(ctx, a.db.Reader, id)
}
