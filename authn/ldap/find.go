package ldap

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

var _ authn.Finder = (*Method)(nil)

// Finds says that others can build on the method: it is an authn.Finder.
func (c *Config) Finds() bool { return true }

// Find implements authn.Finder. A name is looked for where bare names are, never
// among addresses: those are not the principal's.
func (m *Method) Find(ctx context.Context, who authn.Principal) (authn.Identity, error) {
	filter, err := m.principalFilter(who)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("ldap: find: %w", err)
	}
	p, err := m.find(ctx, filter)
	switch {
	case err != nil:
		m.watch.doubt()
		return authn.Identity{}, fmt.Errorf("ldap: find: %w", err)
	case p.nobody():
		return authn.Identity{}, fmt.Errorf("ldap: find: %w: nobody, or not one person alone, has the name or SID", authn.ErrNoPerson)
	case !p.enabled(m.now()):
		return authn.Identity{}, fmt.Errorf("ldap: find: %w: %q is disabled", authn.ErrNoPerson, p.user)
	}
	groups, err := m.groupsOf(ctx, p)
	if err != nil {
		return authn.Identity{}, fmt.Errorf("ldap: find: groups of %q: %w", p.user, err)
	}
	return m.identity(p, groups), nil
}

func (m *Method) principalFilter(who authn.Principal) (string, error) {
	if who.SID != "" {
		raw := sidBytes(who.SID)
		if raw == nil {
			return "", fmt.Errorf("%w: %q is no SID", authn.ErrNoPerson, authn.CutControl(who.SID, 200))
		}
		return "(&" + m.cfg.Filter + "(objectSid=" + escaped(raw) + "))", nil
	}
	typed, ok := m.cfg.Names.parse(who.Name)
	if !ok || strings.ContainsAny(who.Name, `\@`) {
		return "", fmt.Errorf("%w: %q is no bare name", authn.ErrNoPerson, authn.CutControl(who.Name, 200))
	}
	var any strings.Builder
	for _, a := range m.cfg.Names.Attributes {
		any.WriteString("(" + a + "=" + ldap.EscapeFilter(typed.account) + ")")
	}
	return "(&" + m.cfg.Filter + "(|" + any.String() + "))", nil
}

// sidBytes undoes sidText; nil for what is none.
func sidBytes(text string) []byte {
	parts := strings.Split(text, "-")
	if len(parts) < 3 || len(parts) > 3+maxSID || parts[0] != "S" || parts[1] != "1" {
		return nil
	}
	authority, err := strconv.ParseUint(parts[2], 10, 48)
	if err != nil {
		return nil
	}
	raw := binary.BigEndian.AppendUint64(nil, authority)
	raw[0], raw[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil
		}
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	return raw
}
