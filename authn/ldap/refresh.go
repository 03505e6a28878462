package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

// Refresh implements authn.Refresher. It reads the person's entry, by the key that
// never changes, and their groups anew. Who is gone or disabled has ended; a
// directory that cannot be read, or shows nothing at all any more, has ended nobody.
func (m *Method) Refresh(ctx context.Context, id authn.Identity) (authn.Identity, error) {
	if id.Issuer != m.Issuer() || id.Subject == "" {
		return authn.Identity{}, fmt.Errorf("ldap: refresh: %w: %q is not of this directory", authn.ErrEnded, id.Issuer)
	}
	person, err := m.known(ctx, &id)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("ldap: refresh: %w", err)
	}
	if person.key != id.Subject {
		return authn.Identity{}, errors.New("ldap: refresh: the directory answered with somebody else")
	}
	if !person.enabled(m.now()) {
		return authn.Identity{}, fmt.Errorf("ldap: refresh: %w: %q is disabled", authn.ErrEnded, id.User)
	}
	groups, err := m.groupsOf(ctx, person)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("ldap: refresh: groups of %q: %w", person.user, err)
	}
	renewed := m.identity(person, groups)
	renewed.Authenticated = id.Authenticated // a refresh proves nobody's presence
	renewed.Until, renewed.ACR, renewed.AMR, renewed.Private = id.Until, id.ACR, id.AMR, id.Private
	return renewed, nil
}

// known is the person of a session.
func (m *Method) known(ctx context.Context, id *authn.Identity) (*person, error) {
	entries, err := m.entries(ctx, "(&"+m.cfg.Filter+m.keyFilter(id.Subject)+")")
	if err == nil && len(entries) == 0 {
		// An account that may no longer read finds nobody either.
		err = m.searches.with(ctx, true, m.readBase)
		if err == nil {
			return nil, fmt.Errorf("%w: %q is no longer in the directory", authn.ErrEnded, id.User)
		}
	}
	switch {
	case err != nil:
		m.watch.doubt()
		return nil, err
	case len(entries) > 1:
		return nil, fmt.Errorf("%q and %q have the same %s", entries[0].DN, entries[1].DN, m.cfg.Attributes.Key)
	}
	return m.personOf(entries[0])
}

// keyFilter finds a person by the key.
func (m *Method) keyFilter(key string) string {
	value := ldap.EscapeFilter(key)
	if strings.EqualFold(m.cfg.Attributes.Key, "objectGUID") {
		value = escaped(guidBytes(key))
	}
	return "(" + m.cfg.Attributes.Key + "=" + value + ")"
}
