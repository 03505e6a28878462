package ldap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"foregate/authn"
)

// person is an entry of the directory. The zero person is nobody.
type person struct {
	entry *ldap.Entry
	dn    string
	key   string // never changes
	user  string // for the application
}

func (p *person) nobody() bool { return p == nil || p.dn == "" }

// account is what tries at a person are counted on, however the name was spelt.
func (p *person) account(typed name) string {
	if p.nobody() {
		return "name:" + typed.key
	}
	return "key:" + p.key
}

// find returns the one person whom a filter fits, or nobody. Where it fits several
// the name is nobody's.
func (m *Method) find(ctx context.Context, filter string) (*person, error) {
	entries, err := m.entries(ctx, filter)
	switch {
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return new(person), nil
	case len(entries) > 1:
		m.log.WarnContext(ctx, "a name fits several entries and so nobody", "entries", []string{entries[0].DN, entries[1].DN})
		return new(person), nil
	}
	p, err := m.personOf(entries[0])
	if err != nil {
		m.log.WarnContext(ctx, "an entry cannot sign in", "dn", authn.CutControl(entries[0].DN, 500), "error", err)
		return new(person), nil
	}
	return p, nil
}

// entries are those that a filter fits, two at most: they are enough to know that
// there is not one.
func (m *Method) entries(ctx context.Context, filter string) ([]*ldap.Entry, error) {
	var entries []*ldap.Entry
	err := m.searches.with(ctx, true, func(ctx context.Context, c *conn) error {
		if filter == "" { // nobody's, in the same time
			return m.readBase(ctx, c)
		}
		result, err := c.search(ctx, m.cfg.Timeouts.Search, m.people(filter, 2, m.wanted()))
		if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
			return fmt.Errorf("search for a person: %w", err)
		}
		entries = result.Entries
		return nil
	})
	return entries, err
}

// people is a search for entries of people.
func (m *Method) people(filter string, most int, attributes []string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(m.cfg.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, most, 0, false, filter, attributes, nil)
}

// personOf reads an entry.
func (m *Method) personOf(e *ldap.Entry) (*person, error) {
	p := &person{entry: e, dn: e.DN, key: first(e, m.cfg.Attributes.Key), user: first(e, m.cfg.Attributes.User...)}
	switch {
	case p.dn == "":
		return nil, errors.New("the entry has no name")
	case p.key == "":
		return nil, fmt.Errorf("the entry has no %s, or bind_dn may not read it", m.cfg.Attributes.Key)
	case p.user == "" || len(p.user) > maxName || authn.CutControl(p.user, maxName) != p.user:
		return nil, fmt.Errorf("the entry has no user name, or an odd one, in %q", m.cfg.Attributes.User)
	}
	return p, nil
}

// wanted are the attributes to ask for.
func (m *Method) wanted() []string {
	a := &m.cfg.Attributes
	all := slices.Concat([]string{a.Key}, a.User, a.Email, a.Name, a.Keep, m.cfg.Names.Attributes)
	switch m.cfg.Groups.From {
	case fromMemberOf:
		all = append(all, "memberOf")
	case fromMembers:
		all = append(all, "uid")
	}
	if m.cfg.Preset == presetAD {
		all = append(all, "userAccountControl", "accountExpires", "primaryGroupID", "objectSid")
	} else {
		all = append(all, "nsAccountLock", "pwdAccountLockedTime")
	}
	for _, claim := range m.claims {
		if attributeName.MatchString(claim) && !secretAttribute(claim) {
			all = append(all, claim)
		}
	}
	var asked []string
	for _, one := range all {
		if !foldedIn(asked, one) {
			asked = append(asked, one)
		}
	}
	return asked
}

var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*$`)

// secretAttribute tells what must not even be read.
func secretAttribute(name string) bool {
	name, _, _ = strings.Cut(name, ";")
	return foldedIn([]string{"userPassword", "unicodePwd", "dBCSPwd", "ntPwdHistory", "lmPwdHistory", "krbPrincipalKey", "sambaNTPassword", "sambaLMPassword", "ipaNTHash", "supplementalCredentials", "pwdHistory"}, name)
}

const (
	adDisabled = 2                  // in userAccountControl
	adNever    = 0x7fffffffffffffff // in accountExpires
	adEpoch    = 11_644_473_600     // seconds from 1601 to 1970
	locked     = "000001010000Z"    // in pwdAccountLockedTime: by an administrator, for good
)

// enabled reads from the entry whether the account may be used.
func (p *person) enabled(now time.Time) bool {
	if flags, err := strconv.ParseInt(first(p.entry, "userAccountControl"), 10, 64); err == nil && flags&adDisabled != 0 {
		return false
	}
	if ends, err := strconv.ParseInt(first(p.entry, "accountExpires"), 10, 64); err == nil && ends > 0 && ends < adNever {
		if now.Unix() >= ends/10_000_000-adEpoch { // in steps of 100 ns
			return false
		}
	}
	return !strings.EqualFold(first(p.entry, "nsAccountLock"), "TRUE") && first(p.entry, "pwdAccountLockedTime") != locked
}

// identity makes an Identity of a person and their groups, without Authenticated.
func (m *Method) identity(p *person, groups []string) authn.Identity {
	email := first(p.entry, m.cfg.Attributes.Email...)
	return authn.Identity{
		Method:            m.name,
		Issuer:            m.Issuer(),
		Subject:           p.key,
		User:              p.user,
		Email:             authn.CutControl(email, maxName),
		Checked:           m.cfg.EmailVerified && email != "",
		PreferredUsername: p.user,
		Name:              authn.CutControl(first(p.entry, m.cfg.Attributes.Name...), maxName),
		Groups:            groups,
		Claims:            m.claimsOf(p.entry),
		AMR:               []string{"pwd"},
		Renew:             m.now().Add(m.cfg.Recheck),
	}
}

// Issuer implements authn.Directory.
func (m *Method) Issuer() string { return "ldap:" + m.name }

const (
	maxClaim  = 8 << 10 // bytes of one attribute
	maxClaims = 32 << 10
)

// claimsOf keeps attributes as claims, by the names under which they are wanted: a
// text, or a list of several. What is too long is left out.
func (m *Method) claimsOf(e *ldap.Entry) map[string]any {
	claims := make(map[string]any)
	left := maxClaims
	for _, name := range slices.Concat(m.cfg.Attributes.Keep, m.claims) {
		if secretAttribute(name) {
			continue
		}
		values := texts(e, name)
		size := len(name)
		for _, v := range values {
			size += len(v)
		}
		if _, there := claims[name]; there || len(values) == 0 || size > maxClaim || size > left {
			continue
		}
		left -= size
		if len(values) == 1 {
			claims[name] = values[0]
			continue
		}
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		claims[name] = list
	}
	return claims
}

// first is the first value of the first attribute that is there.
func first(e *ldap.Entry, names ...string) string {
	for _, name := range names {
		for _, v := range texts(e, name) {
			if v != "" {
				return v
			}
		}
	}
	return ""
}

// texts are the values of an attribute as text: what is binary in its usual form.
func texts(e *ldap.Entry, name string) []string {
	var all []string
	for _, raw := range e.GetEqualFoldRawAttributeValues(name) {
		switch {
		case strings.EqualFold(name, "objectGUID"):
			all = append(all, guidText(raw))
		case strings.EqualFold(name, "objectSid"):
			all = append(all, sidText(raw))
		case utf8.Valid(raw):
			all = append(all, string(raw))
		default:
			all = append(all, base64.StdEncoding.EncodeToString(raw))
		}
	}
	return all
}
