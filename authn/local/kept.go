package local

import (
	"context"
	"fmt"

	"foregate/authn"
)

// kept is the directory of the people who have an account.
type kept struct{ people authn.Credentials }

func (k kept) lookUp(ctx context.Context, name string) (account, error) {
	c, err := k.people.Credential(ctx, name)
	if err != nil {
		return account{}, err
	}
	d, err := readDigest(c.Hash.Reveal())
	if err != nil {
		return account{}, fmt.Errorf("password hash of account %s: %w", c.Person.Subject, err)
	}
	acct := account{key: name, digest: d}
	if c.Person.Subject != "" {
		// No name that somebody types has the separator: nobody can count for another.
		acct.key = "account\x00" + c.Key
		acct.known, acct.open = true, c.Open
		acct.who, acct.hasApp = c.Person, c.Code
	}
	return acct, nil
}

// either looks among the listed users first, and then among the accounts. The
// accounts are asked in any case, so that time does not tell who is listed; what
// they answer for those does not matter, so that listed users get in without the
// database.
type either struct {
	users *users
	kept  kept
}

func (e either) lookUp(ctx context.Context, name string) (account, error) {
	listed, err := e.users.lookUp(ctx, name)
	if err != nil {
		return account{}, err
	}
	acct, err := e.kept.lookUp(ctx, name)
	if listed.known {
		return listed, nil
	}
	return acct, err
}
