package accounts

import (
	"context"
	"maps"

	"foregate/authn"
)

// follow takes over what the issuer says of a person whose account was made at a
// sign-in. Nothing of it decides which account a person has.
func (a *Accounts) follow(ctx context.Context, tx conn, account *Account, id authn.Identity) error {
	next, err := followed(ctx, tx, account, &id)
	if err != nil || len(changedFields(account, &next)) == 0 {
		return err
	}
	next.Changed = moment(a.stamp())
	*account = next
	return a.update(ctx, tx, next)
}

// follows reports whether what the issuer says of the person is taken over: where a
// sign-in or a directory made the account, nobody else keeps it.
func (a *Account) follows() bool { return a.Source == FromAdmit || a.Source == FromDirectory }

// followed is an account with what its issuer says of the person now.
func followed(ctx context.Context, q conn, account *Account, id *authn.Identity) (Account, error) {
	next := *account
	if name := shown(id.Name); name != "" {
		next.Name = name
	}
	next.Attributes = maps.Clone(account.Attributes)
	if next.Attributes == nil {
		next.Attributes = make(map[string]any)
	}
	maps.Copy(next.Attributes, keepable(id.Claims))
	if key, err := CanonicalEmail(id.Email); err == nil && id.Checked {
		elsewhere, err := emailElsewhere(ctx, q, key, account.Organisation)
		if err != nil {
			return Account{}, err
		}
		if !elsewhere {
			next.Email = id.Email
		}
	}
	return next, nil
}
